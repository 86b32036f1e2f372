"""A report names no person and no device, and loses nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
import time
import types
import typing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdoctor import wire
from llmdoctor.finding import Finding, Remedy, Verdict
from llmdoctor.hosts import is_public
from llmdoctor.machine import (
    Cuda,
    Disk,
    Environment,
    Gpu,
    Machine,
    Note,
    Nvidia,
    Project,
    Tool,
    Toolkit,
)
from llmdoctor.redact import redact, redact_path, redact_text, redact_verdict
from support.machines import MACHINES

UUID = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"


def keys(value: Any) -> Any:
    """The shape of a document: every key, no value."""
    if isinstance(value, dict):
        return {key: keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [keys(item) for item in value]
    return None


def machine_of(user: str) -> Machine:
    """A machine on which that user's home shows up everywhere that a path does."""
    home = f"/home/{user}"
    return Machine(
        nvidia=Nvidia(
            gpus=(Gpu(0, "NVIDIA home me cuda edition", "8.9", uuid=UUID),),
            device_nodes=("nvidia0", "nvidiactl"),
        ),
        disks=(Disk("home", home, 100, 50), Disk("cache", f"{home}/.cache", 100, 50)),
        cuda=Cuda(
            home="/usr/local/cuda",
            nvcc="/usr/local/cuda/bin/nvcc",
            toolkits=(Toolkit("/usr/local/cuda-12.6", "12.6"), Toolkit(f"{home}/cuda", "12.8")),
        ),
        tools=(Tool("poetry", f"{home}/.local/bin/poetry", prefix=f"{home}/.local/venvs/poetry"),),
        environment=Environment(
            "broken",
            f"{home}/project/.venv",
            f"{home}/project/.venv/bin/python",
            site_packages=(f"{home}/project/.venv/lib/python3.12/site-packages",),
            problem=f"{home}/project/.venv/bin/python does not run: exit code 127",
        ),
        project=Project(f"{home}/project", "pyproject.toml"),
        variables={
            "LD_LIBRARY_PATH": f"/usr/local/cuda/lib64:{home}/cuda/lib64:/home/other/lib",
            "CUDA_VISIBLE_DEVICES": UUID,
            "HF_HOME": f"{home}/models",
        },
        notes=(Note("project", "denied", f"{home}/project/poetry.lock: permission denied"),),
    )


@pytest.mark.parametrize("user", ["cuda", "me", "home", "ann", "nvidia", "python", "a.b-c", "usr"])
def test_a_user_may_be_called_anything(user: str) -> None:
    machine = machine_of(user)
    redacted = redact(machine, f"/home/{user}")
    text = json.dumps(wire.dump(redacted))
    assert f"home/{user}" not in text
    assert keys(wire.dump(redacted)) == keys(wire.dump(machine))
    assert redacted.nvidia.gpus[0].name == "NVIDIA home me cuda edition"
    assert redacted.cuda.nvcc == "/usr/local/cuda/bin/nvcc"
    assert redacted.cuda.toolkits[0].path == "/usr/local/cuda-12.6"
    assert redacted.cuda.toolkits[1].path == "~/cuda"
    assert redacted.disks[0].path == "~"
    assert redacted.disks[0].role == "home"
    assert redacted.environment.problem == "~/project/.venv/bin/python does not run: exit code 127"
    assert redacted.notes[0].detail == "~/project/poetry.lock: permission denied"
    assert redacted.variables["LD_LIBRARY_PATH"] == (
        "/usr/local/cuda/lib64:~/cuda/lib64:/home/<user>/lib"
    )


def test_no_device_can_be_told_from_another() -> None:
    redacted = redact(machine_of("ann"), "/home/ann")
    assert redacted.nvidia.gpus[0].uuid is None
    assert redacted.variables["CUDA_VISIBLE_DEVICES"] == "GPU-<uuid>"
    assert UUID[4:] not in json.dumps(wire.dump(redacted))


@pytest.mark.parametrize(
    ("devices", "shown"),
    [
        ("0,1", "0,1"),
        ("", ""),
        ("-1", "-1"),
        (f"{UUID},{UUID}", "GPU-<uuid>,GPU-<uuid>"),
        (f"MIG-{UUID}/1/0", "MIG-<uuid>/1/0"),
        (f"MIG-{UUID[4:]}", "MIG-<uuid>"),
        (UUID[:12], "GPU-<uuid>"),  # CUDA takes the first digits of one as well
        (f"{UUID[:17]},0", "GPU-<uuid>,0"),
        ("GPU-accelerated", "GPU-accelerated"),
    ],
)
def test_what_a_device_list_means_stays(devices: str, shown: str) -> None:
    machine = Machine(variables={"CUDA_VISIBLE_DEVICES": devices})
    assert redact(machine, "/home/ann").variables == {"CUDA_VISIBLE_DEVICES": shown}


@pytest.mark.parametrize(
    ("path", "home", "shown"),
    [
        ("/home/ann/x", "/home/ann", "~/x"),
        ("/home/ann", "/home/ann", "~"),
        ("/home/ann/x", "/home/ann/", "~/x"),
        ("/home/anna/x", "/home/ann", "/home/<user>/x"),
        ("/home/bob", "/home/ann", "/home/<user>"),
        ("/Users/bob/x", "/home/ann", "/Users/<user>/x"),
        ("/var/home/bob/x", "/home/ann", "/var/home/<user>/x"),
        ("/mnt/c/Users/Bob/x", "/home/ann", "/mnt/c/Users/<user>/x"),
        ("/srv/ann/x", "/srv/ann", "~/x"),
        ("/usr/lib", "/", "/usr/lib"),
        ("/usr/lib", "", "/usr/lib"),
        ("/data/home/ann", "/home/ann", "/data/home/<user>"),
        ("/home/ann/old/home/bob/x", "/home/ann", "~/old/home/<user>/x"),
        ("/home/users/bob/x", "/home/ann", "/home/<user>/x"),
        ("https://host.example/users/bob", "/home/ann", "https://host.example/users/bob"),
        ("homework/ann", "/home/ann", "homework/ann"),
        ("C:\\Users\\Ann\\x", "C:\\Users\\Ann", "~\\x"),
        ("c:\\users\\ann\\x", "C:\\Users\\Ann", "~\\x"),
        ("C:/Users/Ann/x", "C:\\Users\\Ann", "~/x"),
        ("C:\\Users\\Ann", "C:\\Users\\Ann", "~"),
        ("C:\\Users\\Annabel\\x", "C:\\Users\\Ann", "C:\\Users\\<user>\\x"),
        ("D:\\Users\\Bob Smith\\x", "C:\\Users\\Ann", "D:\\Users\\<user>\\x"),
        ("C:\\Program Files\\NVIDIA", "C:\\Users\\Ann", "C:\\Program Files\\NVIDIA"),
    ],
)
def test_a_path_shows_whose_home_it_is_in_and_not_who_that_is(
    path: str, home: str, shown: str
) -> None:
    assert redact_path(path, home) == shown


@pytest.mark.parametrize(
    ("sentence", "home", "shown"),
    [
        ("/home/ann is gone", "/home/ann", "~ is gone"),
        ("no /home/ann.", "/home/ann", "no /home/<user>"),
        ("'/home/ann/py' moved", "/home/ann", "'~/py' moved"),
        ("see /home/bob/py: denied", "/home/ann", "see /home/<user>/py: denied"),
        ("not /data/home/ann", "/home/ann", "not /data/home/<user>"),
        ("annual report of ann", "/home/ann", "annual report of ann"),
        ("C:\\Users\\Ann Lee\\py.exe: no", "C:\\Users\\Ann Lee", "~\\py.exe: no"),
        ("C:\\Users\\Bob Lee\\py.exe: no", "C:\\Users\\Ann", "C:\\Users\\<user>\\py.exe: no"),
        ("https://ann:pw@host.example/x failed", "/home/ann", "https://host.example/x failed"),
        ("a name like + is no pattern", "/home/a+(", "a name like + is no pattern"),
    ],
)
def test_a_sentence_that_quotes_a_path_names_nobody_either(
    sentence: str, home: str, shown: str
) -> None:
    machine = Machine(environment=Environment("broken", problem=sentence))
    assert redact(machine, home).environment.problem == shown


def test_a_finding_names_nobody_and_its_commands_still_work() -> None:
    finding = Finding(
        "PY002", None, "error", "/home/bob/v is broken",
        detail="see /home/ann/v and https://ann:pw@host.example/x",
        evidence=(f"CUDA_VISIBLE_DEVICES={UUID}", "LD_LIBRARY_PATH=/home/bob/lib:/home/ann/lib"),
        where="/home/bob/v",
        remedy=Remedy(
            "remove /home/bob/v",
            "ask",
            (
                ("llmdoctor", "install", "--env", "/home/bob/v"),
                ("mv", "/home/ann/v/x", "/home/ann", "/home/anna/v"),
            ),
        ),
    )  # fmt: skip
    verdict = Verdict("PY002", "fail", (finding,), "/home/ann/x: denied")
    redacted = redact_verdict(verdict, "/home/ann")
    (shown,) = redacted.findings
    assert redacted.reason == "~/x: denied"
    assert (shown.title, shown.where) == ("/home/<user>/v is broken", "/home/<user>/v")
    assert shown.detail == "see ~/v and https://host.example/x"
    assert shown.evidence == (
        "CUDA_VISIBLE_DEVICES=GPU-<uuid>",
        "LD_LIBRARY_PATH=/home/<user>/lib:~/lib",
    )
    assert shown.remedy == Remedy(
        "remove /home/<user>/v",
        "ask",
        (
            ("llmdoctor", "install", "--env", "/home/bob/v"),
            ("mv", "~/v/x", "~", "/home/anna/v"),
        ),
    )
    (pasted,) = redact_verdict(verdict, "/home/ann", pasted=True).findings
    assert pasted.remedy is not None
    assert pasted.remedy.commands == (
        ("llmdoctor", "install", "--env", "/home/<user>/v"),
        ("mv", "~/v/x", "~", "/home/<user>/v"),
    )
    assert redact_verdict(Verdict("X", "pass"), "/home/ann") == Verdict("X", "pass")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://ann:secret@host.example/simple", "https://host.example/simple"),
        ("https://ann:s@cr@t@host.example:8080/simple", "https://host.example:8080/simple"),
        ("https://token@host.example/simple", "https://host.example/simple"),
        (
            "https://a:secret@h.example/x https://b:secret@i.example/y",
            "https://h.example/x https://i.example/y",
        ),
        (
            "https://a:secret@h.example/x,https://b:se,cret@i.example/y",
            "https://h.example/x,https://i.example/y",
        ),
        ("file:///home/ann/wheels", "file://~/wheels"),
        ("/home/ann/wheels https://a:secret@h.example/x", "~/wheels https://h.example/x"),
        ("https://host.example/simple/", "https://host.example/simple/"),
    ],
)
def test_an_address_in_a_variable_loses_its_credentials(value: str, shown: str) -> None:
    redacted = redact(Machine(variables={"UV_FIND_LINKS": value}), "/home/ann")
    assert redacted.variables["UV_FIND_LINKS"] == shown


def test_a_path_list_of_windows_is_read_as_one() -> None:
    machine = Machine(variables={"CUDA_PATH": "C:\\Users\\Ann\\cuda;D:\\Users\\Bob;C:\\cuda"})
    shown = redact(machine, "C:\\Users\\Ann").variables["CUDA_PATH"]
    assert shown == "~\\cuda;D:\\Users\\<user>;C:\\cuda"


def test_every_field_that_holds_a_path_or_a_sentence_says_so() -> None:
    """A new field of that name without its mark would go out unredacted."""
    from llmdoctor import deep, machine, network

    words = (*vars(machine).values(), *vars(deep).values(), *vars(network).values())
    kinds = [kind for kind in words if isinstance(kind, type)]
    kinds = [kind for kind in kinds if dataclasses.is_dataclass(kind)]
    telling = re.compile(r"path|executable|base|site_packages|root|prefix|problem|detail|uuid")
    unmarked = [
        f"{kind.__name__}.{field.name}"
        for kind in kinds
        for field in dataclasses.fields(kind)
        if telling.fullmatch(field.name) and not field.metadata.get("private")
    ]
    assert unmarked == []


def _filled(kind: type, words: str) -> object:
    """An instance whose every text, at any depth, is these words."""
    hints = wire._hints(kind)
    return kind(
        **{field.name: _value(hints[field.name], words) for field in dataclasses.fields(kind)}
    )


def _value(hint: Any, words: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _value(next(one for one in inner if one is not type(None)), words)
    if origin is tuple:
        return (_value(inner[0], words),)
    if origin is dict:
        return {"NAME": _value(inner[1], words)}
    if dataclasses.is_dataclass(hint):
        return _filled(typing.cast("type", hint), words)
    return words if hint is str or origin is typing.Literal else hint()


def test_no_field_of_a_machine_shows_the_credentials_of_an_address() -> None:
    machine = _filled(Machine, "inner @ git+https://ann:hunter2@host.example/x")
    shown = json.dumps(wire.dump(redact(typing.cast("Machine", machine), "/home/ann")))
    assert "host.example/x" in shown
    assert "hunter2" not in shown


@settings(deadline=None, max_examples=60)
@given(MACHINES, st.sampled_from(["/home/ann", "C:\\Users\\Ann", "/", "", "/home/me"]))
def test_redacting_changes_no_key_and_a_second_time_nothing(machine: Machine, home: str) -> None:
    once = redact(machine, home)
    assert keys(wire.dump(once)) == keys(wire.dump(replace(machine, variables=once.variables)))
    assert list(once.variables) == list(machine.variables)
    assert redact(once, home) == once


# Where a user's name stands in a text: "@" is the name.
SHAPES = (
    "cc1: gcc -I/home/@/x -Iinclude/y -L/home/@ -lfoo",
    "-isystem/home/@/include",
    "file:///home/@/x",
    "file:///C:/Users/@/x",
    "/data/home/@",
    "/scratch/home/@/x y/z",
    "/home/users/@/x",
    "/c/Users/@",
    "/mnt/c/Users/@/x",
    r"\\wsl$\Ubuntu\home\@",
    r"\\wsl.localhost\Ubuntu\home\@\x",
    r"D:\Users\@\x",
    r"{'path': 'D:\\Users\\@\\x'}",
    "PATH=/home/@/bin:/export/home/@:/usr/bin",
    "--prefix=/home/@/x",
    'File "/home/@/a.py", line 1, in f',
    "('/home/@')",
    "x.example:/home/@/x, ./home/@/y; https://x.example/docs:/home/@/z",
    "https://x.example/?next=/home/@/x",
)
NAMES = st.from_regex(r"[A-Za-z_\u00e9\u4e2d][\w.+@-]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in ("home", "users")
)


@pytest.mark.parametrize("shape", SHAPES)
@given(name=NAMES)
def test_a_home_at_any_depth_hides_whose_it_is_and_nothing_else(shape: str, name: str) -> None:
    shown = re.sub("(?<=[/\\\\])(users/)?@", "<user>", shape)
    assert redact_text(shape.replace("@", name), "/srv/me") == shown


@pytest.mark.parametrize("name", ["home", "Users", "USERS"])
@pytest.mark.parametrize("rest", ["", "/x", "/home/x"])
def test_a_user_named_like_the_folder_of_homes_is_hidden_too(name: str, rest: str) -> None:
    for redacted in (redact_text, redact_path):
        assert redacted(f"/home/{name}{rest}", "/srv/me").startswith("/home/<user>")


@pytest.mark.parametrize("home", [r"D:\Users\@\x", "D:/Users/@/x", r"D:\\Users\\@\\x"])
@pytest.mark.parametrize("name", ["Bob Lee", "Bob van der Lee", "Mary-Jane O'Hara", "李 明"])
def test_a_name_of_several_words_is_hidden_whole(home: str, name: str) -> None:
    said = f"see {home.replace('@', name)} and /usr/lib"
    assert redact_text(said, "/srv/me") == f"see {home.replace('@', '<user>')} and /usr/lib"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-I/srv/me/x -L/srv/me", "-I~/x -L~"),
        ("file:///srv/me/x", "file://~/x"),
        ("/data/srv/me/x", "/data/srv/me/x"),
    ],
)
def test_the_own_home_is_short_behind_an_option_or_a_scheme(text: str, shown: str) -> None:
    assert redact_text(text, "/srv/me") == shown


LETTERS = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"


@pytest.mark.parametrize(
    "token",
    [
        f"hf_{LETTERS}",
        *(f"gh{kind}_{LETTERS}" for kind in "oprsu"),
        f"github_pat_{LETTERS[:20]}_{LETTERS}",
        "glpat-aB3dE6gH9-_K2mN5pQ8s",
        f"sk-{LETTERS}",
        f"sk-proj-{LETTERS}",
        "AKIAIOSFODNN7EXAMPLE",
        f"pypi-AgE{LETTERS}-_{LETTERS}",
    ],
)
@pytest.mark.parametrize("shape", ["@", "see '@'.", "x,@,y", "https://x.example/@/y", "A_B=@:x"])
def test_a_token_shows_by_how_it_starts(token: str, shape: str) -> None:
    assert redact_text(shape.replace("@", token), "/srv/me") == shape.replace("@", "<secret>")


SETTINGS = (
    "HF_TOKEN=@",
    "export HF_TOKEN=@; python x.py",
    "--token=@ --revision main",
    "--token @ --revision main",
    "--hf-token\t@",
    "password=@",
    "passwd: @",
    "client_secret = @",
    "AWS_SECRET_ACCESS_KEY=@",
    "OPENAI_API_KEY=@, x=1",
    "apikey=@",
    "login(token='@', x=1)",
    'os.environ["HF_TOKEN"] = "@"',
    '{"api-key": "@", "x": 1}',
    r"{\"access_key\": \"@\"}",
    "https://x.example/simple?token=@&x=1",
    "Authorization: Bearer @",
    "authorization: token @",
    "curl -H 'Authorization: Basic @' https://x.example",
    "'Authorization': '@'",
    "bearer @",
)


@pytest.mark.parametrize("shape", SETTINGS)
@pytest.mark.parametrize("value", ["xyz", "hunter2", "hf_abc", "p@ss/w0rd!", "1234567", "$3cret"])
def test_the_value_of_a_key_that_says_secret_is_hidden(shape: str, value: str) -> None:
    shown = shape.replace("@", "<secret>")
    assert redact_text(shape.replace("@", value), "/srv/me") == shown
    assert redact_text(shown, "/srv/me") == shown
    assert redact_path(shape.replace("@", value), "/srv/me") == shown


def test_a_quoted_secret_is_hidden_to_its_end() -> None:
    assert redact_text(r'password="a b,\"c" x', "/srv/me") == 'password="<secret>" x'
    assert redact_text("password='a b", "/srv/me") == "password='<secret>"


def test_a_variable_of_options_and_addresses_names_nobody_and_shows_no_secret() -> None:
    machine = Machine(
        variables={
            "CFLAGS": "-I/home/kim -I/home/al/x",
            "PIP_INDEX_URL": "https://x.example/simple?token=abc",
        }
    )
    assert redact(machine, "/srv/me").variables == {
        "CFLAGS": "-I/home/<user> -I/home/<user>/x",
        "PIP_INDEX_URL": "https://x.example/simple?token=<secret>",
    }


HARMLESS = (
    *("home page", "at home", "Users of torch", "/home and /Users are", "homework/ann", "C:/home"),
    *("token classification", "tokenizers==0.22", "max_new_tokens=20", "pad_token=None"),
    *("use_auth_token=True", "pad_token='[PAD]'", 'eos_token="</s>"', "eos_token=stop", "token: 5"),
    *("unexpected token: else", "token=token,", "use_auth_token=use_auth_token)", "token==1.2"),
    *("token::eos", "HF_TOKEN=$HF_TOKEN", "HF_TOKEN=${{ secrets.X }}", "Bearer $TOKEN"),
    *("Bearer {token}", "bearer token is missing", "pass --token to log in", "secret: None"),
    *("api_key=os.environ['X']", "HF_TOKEN_PATH=/x", "password=<secret>", "HF_TOKEN=<your token>"),
    *("hf_transfer", "hf_hub_download", "hf_xet==1.2", "pypi-attestations==0.0.21", "sk-learn"),
    *("disk-based-Cache-Of-Weights-2", "risk-2", "AKIA", "ghp_", "torch==2.13.0+cu130", "cuda:0"),
    *("https://huggingface.co/docs", "https://x.example/users/ann/home/x", "git@github.com:org/x"),
    *("/usr/local/cuda-12.6/lib64", r"C:\Program Files\NVIDIA", "./x/y", "-I/usr/include"),
    *("/home/<user>/x", "~/x", "a: b", "x=1", "<user>", "sm_120", "'quoted'", "ValueError:"),
)


@given(st.lists(st.sampled_from(HARMLESS), max_size=8), st.sampled_from([" ", "\n", " | ", "\t"]))
def test_what_names_nobody_and_is_no_secret_stays(words: list[str], between: str) -> None:
    text = between.join(words)
    assert redact_text(text, "/srv/me") == text


@given(st.text() | st.text("/\\:=@-_'\" \nabhtC09.<"))
def test_any_text_without_a_home_or_a_secret_stays(text: str) -> None:
    telling = r"home|users|token|passw|secret|key|authorization|bearer|://|[a-z]+[_-]\w{16}|akia"
    if not re.search(telling, text, re.IGNORECASE):
        assert redact_text(text, "/srv/me") == text
        assert redact_path(text, "/srv/me") == text


@pytest.mark.parametrize(
    "piece",
    [
        "/home/",
        "/Users/a b ",
        "--token ",
        "token='",
        'token="x\\',
        "sk-a",
        "hf_",
        "://",
        "'a",
        "a-",
    ],
)
def test_time_grows_with_the_length_of_the_text_and_not_with_its_square(piece: str) -> None:
    def seconds(times: int) -> float:
        start = time.process_time()
        redact_text(piece * times, "/srv/me")
        return time.process_time() - start

    assert seconds(40_000) < 6 * min(seconds(10_000) for _ in range(3)) + 0.5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ann:pw@nexus.acme.io:8443/simple/", "https://<host>:8443/simple/"),
        ("https://nexus.acme.io/repository/acme-llm/whl/cu128", "https://<host>/<path>/whl/cu128"),
        ("https://nexus.acme.io/api/jane/simple/?q=acme", "https://<host>/<path>/simple/<path>"),
        ("(host='nexus.acme.io', port=443): Max retries exceeded with url: /acme/simple/torch/ (by",
         "(host='<host>', port=443): Max retries exceeded with url: /<path>/simple/<path>/ (by"),
        ("see https://nexus.acme.io.", "see https://<host>."),
        ("acme=https://nexus.acme.io/x,https://b.acme.io/y", "acme=https://<host>/<path>,https://<host>/<path>"),
        ("git+ssh://git@git.acme.io/team/x", "git+ssh://<host>/<path>"),
        ("git@git.acme.io:team/x", "git@<host>:<path>"),
        ("--trusted-host nexus.acme.io", "--trusted-host <host>"),
        ("s3://acme-wheels/torch", "s3://<private-host>/<path>"),
        ("HTTPSConnectionPool(host='nexus.acme.io', port=443): Read timed out.",
         "HTTPSConnectionPool(host='<host>', port=443): Read timed out."),
        ("Failed to resolve 'nexus.acme.io' ([Errno -2])", "Failed to resolve '<host>' ([Errno -2])"),
        ("Connection to nexus.acme.io timed out. (connect", "Connection to <host> timed out. (connect"),
        ("curl: (6) Could not resolve host: nexus.acme.io", "curl: (6) Could not resolve host: <host>"),
        ("The repository located at nexus.acme.io is not a trusted",
         "The repository located at <host> is not a trusted"),
        ("https://8.8.4.4/simple", "https://<host>/simple"),
        ("https://git-lab.nvidia.com/x", "https://<host>/<path>"),  # below a public name, its staff's
        *((f"http://{there}:8080/x", "http://<private-host>:8080/<path>")
          for there in ("10.1.2.3", "172.20.0.1", "192.168.1.9", "[fd00::1]", "nexus", "ai.corp")),
    ],
)  # fmt: skip
def test_a_host_that_not_everybody_knows_is_hidden(text: str, shown: str) -> None:
    assert redact_text(text, "/home/ann") == shown
    assert redact_text(shown, "") == shown
    assert redact(Machine(variables={"UV_INDEX": text}), "/home/ann").variables["UV_INDEX"] == shown


@pytest.mark.parametrize(
    "text",
    [
        "https://download.pytorch.org/whl/cu128",
        "HTTPSConnectionPool(host='huggingface.co', port=443)",
        "git@github.com:org/x",
        "http://127.0.0.1:3128 http://localhost:8080/x https://[::1]/x",
        "http://NAME:PASSWORD@HOST:PORT",
        "https://{host}/x https://$HOST/x https://.../simple",
        "file:///srv/wheels env:// hf://org/model",
    ],
)
def test_a_host_that_everybody_knows_or_that_is_nobodys_stays(text: str) -> None:
    assert redact_text(text, "/home/ann") == text


def test_every_host_that_our_own_data_names_is_known_to_everybody() -> None:
    """A link of a report that lost its host would lead nowhere."""
    root = Path(__file__).parents[1]
    files = [*root.glob("profiles/**/*.toml"), *root.glob("src/**/*.py")]
    named = {
        host
        for file in files
        for host in re.findall(r"https?://([a-z0-9.-]+[a-z])", file.read_text("utf-8"))
    }
    assert len(named) > 20
    assert sorted(host for host in named if not is_public(host)) == []


def test_an_address_that_is_signed_loses_its_signature() -> None:
    signed = "https://x.example/a.whl?se=2026&X-Amz-Signature=abc123&x=1"
    assert redact_text(signed, "") == (
        "https://x.example/a.whl?se=2026&X-Amz-Signature=<secret>&x=1"
    )
