"""A report names no person and no device, and loses nothing else."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdoctor import wire
from llmdoctor.finding import Finding, Remedy, Verdict
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
from llmdoctor.redact import redact, redact_path, redact_verdict
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
        ("/data/home/ann", "/home/ann", "/data/home/ann"),
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
        ("not /data/home/ann", "/home/ann", "not /data/home/ann"),
        ("annual report of ann", "/home/ann", "annual report of ann"),
        ("C:\\Users\\Ann Lee\\py.exe: no", "C:\\Users\\Ann Lee", "~\\py.exe: no"),
        ("C:\\Users\\Bob Lee\\py.exe: no", "C:\\Users\\Ann", "C:\\Users\\<user>\\py.exe: no"),
        ("https://ann:pw@host/x failed", "/home/ann", "https://host/x failed"),
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
        detail="see /home/ann/v and https://ann:pw@host/x",
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
    assert shown.detail == "see ~/v and https://host/x"
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
    assert redact_verdict(Verdict("X", "pass"), "/home/ann") == Verdict("X", "pass")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://ann:secret@host/simple", "https://host/simple"),
        ("https://ann:s@cr@t@host:8080/simple", "https://host:8080/simple"),
        ("https://token@host/simple", "https://host/simple"),
        ("https://a:secret@h/x https://b:secret@i/y", "https://h/x https://i/y"),
        ("https://a:secret@h/x,https://b:se,cret@i/y", "https://h/x,https://i/y"),
        ("file:///home/ann/wheels", "file://~/wheels"),
        ("/home/ann/wheels https://a:secret@h/x", "~/wheels https://h/x"),
        ("https://host/simple/", "https://host/simple/"),
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
    from llmdoctor import deep, machine

    words = (*vars(machine).values(), *vars(deep).values())
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


@settings(deadline=None, max_examples=60)
@given(MACHINES, st.sampled_from(["/home/ann", "C:\\Users\\Ann", "/", "", "/home/me"]))
def test_redacting_changes_no_key_and_a_second_time_nothing(machine: Machine, home: str) -> None:
    once = redact(machine, home)
    assert keys(wire.dump(once)) == keys(wire.dump(replace(machine, variables=once.variables)))
    assert list(once.variables) == list(machine.variables)
    assert redact(once, home) == once
