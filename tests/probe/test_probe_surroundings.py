"""Headers, toolkits' headers, boards, certificates, Windows' registry, and a project's files."""

from __future__ import annotations

import pytest

from llmdoctor.machine import Environment, Note, Quoted, TorchPlace
from llmdoctor.probe.cuda import parse_host_config, read_cuda
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.headers import has_headers
from llmdoctor.probe.host import read_host
from llmdoctor.probe.nvidia import read_nvidia
from llmdoctor.probe.nvidia_text import parse_tegra_release
from llmdoctor.probe.project import read_project
from llmdoctor.system import Completed
from probe.described import Described, door

PROJECT = "/home/ann/project"
REGISTRY = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem"


def guard(name: str, notes: list[Note] | None = None) -> Guard:
    return Guard(name, [] if notes is None else notes)


def venv(version: str | None = "3.12.4") -> Environment:
    return Environment("venv", "/e", "/e/bin/python", version, "/usr/bin")


def test_headers_lie_below_the_interpreter_that_a_venv_was_made_from() -> None:
    machine = Described(
        files={"/usr/bin/python3.12": "", "/usr/include/python3.12/Python.h": ""},
        links={"/e/bin/python": "/usr/bin/python3.12"},
    )
    assert has_headers(door(machine), venv()) is True
    machine.files.pop("/usr/include/python3.12/Python.h")
    assert has_headers(door(machine), venv()) is False


def test_headers_of_conda_of_windows_and_of_what_is_not_known() -> None:
    conda = Environment("conda", "/c", "/c/bin/python", "3.11.9")
    machine = Described(files={"/c/include/python3.11/Python.h": ""})
    assert has_headers(door(machine), conda) is True
    base = "C:\\Python312"
    windows = Described(
        system="windows", house="C:\\", here="C:\\", files={f"{base}\\include\\Python.h": ""}
    )
    found = Environment("venv", "C:\\e", "C:\\e\\Scripts\\python.exe", "3.12.4", base)
    assert has_headers(door(windows), found) is True
    assert has_headers(door(Described(system="macos")), venv()) is None
    assert has_headers(door(Described()), venv(None)) is None
    assert has_headers(door(Described()), Environment("broken", "/e", version="3.12")) is None


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("#if defined (__GNUC__)\n#if __GNUC__ > 13\n#error -- unsupported GNU version!\n", 13),
        ("#if __GNUC__ > 9 || (__GNUC__ == 9 && __GNUC_MINOR__ > 3)\n", 9),
        ("#if __GNUC__ < 6\n", None),
        ("", None),
    ],
)
def test_the_gcc_that_a_toolkits_header_lets_pass(text: str, bound: int | None) -> None:
    assert parse_host_config(text) == bound


def test_a_toolkit_tells_its_gcc_and_its_stub() -> None:
    place = "/usr/local/cuda-12.4"
    machine = Described(
        files={
            f"{place}/version.json": '{"cuda": {"version": "12.4.1"}}',
            f"{place}/bin/nvcc": "",
            f"{place}/include/crt/host_config.h": "#if __GNUC__ > 13\n",
            f"{place}/lib64/stubs/libcuda.so": "",
        }
    )
    (kit,) = read_cuda(door(machine), guard("cuda")).toolkits
    assert (kit.version, kit.nvcc, kit.gcc, kit.stub) == ("12.4.1", True, 13, True)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n", "36.4.3"),
        ("# R35 (release), REVISION: 4.1, GCID: 1\n", "35.4.1"),
        ("odd", None),
    ],
)
def test_the_release_of_a_jetson(text: str, release: str | None) -> None:
    assert parse_tegra_release(text) == release
    machine = Described(files={"/etc/nv_tegra_release": text})
    assert read_host(door(machine), guard("host")).jetson == release


@pytest.mark.parametrize(
    ("model", "node", "names"),
    [
        ("NVIDIA Jetson AGX Orin Developer Kit\0", "/dev/nvmap",
         ["NVIDIA Jetson AGX Orin Developer Kit"]),
        ("NVIDIA Jetson AGX Orin Developer Kit\0", "/dev/null", []),  # a container without it
        ("Raspberry Pi 5 Model B\0", "/dev/nvmap", []),
    ],
)  # fmt: skip
def test_a_jetsons_gpu_is_told_by_its_board(model: str, node: str, names: list[str]) -> None:
    machine = Described(files={"/proc/device-tree/model": model, node: ""})
    found = read_nvidia(door(machine))
    assert [gpu.name for gpu in found.gpus] == names
    assert {gpu.source for gpu in found.gpus} <= {"device-tree"}


def test_variables_that_name_a_lost_certificate() -> None:
    machine = Described(
        files={"/etc/ssl/corp.pem": ""},
        environ={
            "SSL_CERT_FILE": "/etc/ssl/corp.pem",
            "REQUESTS_CA_BUNDLE": "/etc/ssl/gone.pem",
            "PIP_CERT": "~/gone.pem",
            "CURL_CA_BUNDLE": "",
        },
    )
    lost = read_host(door(machine), guard("host")).lost_certificates
    assert lost == ("PIP_CERT", "REQUESTS_CA_BUNDLE")


@pytest.mark.parametrize(
    ("value", "lost"),
    [
        ("/etc/gone:/etc/ssl/certs", ()),
        ("/etc/ssl/certs", ()),
        ("/etc/gone:/etc/far", ("SSL_CERT_DIR",)),
        (":", ("SSL_CERT_DIR",)),
    ],
)
def test_the_folders_of_certificates_are_a_list(value: str, lost: tuple[str, ...]) -> None:
    machine = Described(files={"/etc/ssl/certs/a.pem": ""}, environ={"SSL_CERT_DIR": value})
    assert read_host(door(machine), guard("host")).lost_certificates == lost


def windows(answer: str | Completed | None, *files: str) -> Described:
    ask = f"reg query {REGISTRY} /v LongPathsEnabled"
    return Described(
        system="windows",
        glibc=None,
        house="C:\\Users\\ann",
        here="C:\\Users\\ann",
        files={f"C:\\Windows\\System32\\{name}": "" for name in files},
        answers={} if answer is None else {ask: answer},
    )


@pytest.mark.parametrize(
    ("answer", "long"),
    [
        ("\r\n    LongPathsEnabled    REG_DWORD    0x1\r\n", True),
        ("\r\n    LongPathsEnabled    REG_DWORD    0x0\r\n", False),
        (Completed(("reg",), 1, err="ERROR: unable to find the key"), None),
        (None, None),
    ],
)
def test_the_registrys_word_on_long_paths(
    answer: str | Completed | None, long: bool | None
) -> None:
    assert read_host(door(windows(answer)), guard("host")).long_paths is long


def test_what_of_the_visual_cxx_runtime_is_missing() -> None:
    machine = windows(None, "vcruntime140.dll", "vcruntime140_1.dll")
    missing = read_host(door(machine), guard("host")).runtime_missing
    assert missing == ("msvcp140.dll", "libomp140.x86_64.dll")


POETRY = """
[tool.poetry]
name = "demo"
[tool.poetry.dependencies]
python = "^3.11"
[tool.poetry.extras]
flash = ["flash-attn"]
[tool.poetry.group.gpu.dependencies]
torch = "*"
[[tool.poetry.source]]
name = "torch-index"
url = "https://download.pytorch.org/whl/cu128"
priority = "explicit"
[[tool.poetry.source]]
name = "corp"
url = "https://packages.example/simple"
"""
README = "Install:\n\n    $ poetry install --with gpu && poetry shell\n\nNot `my-poetry lock`.\n"


def poetry(**files: str) -> Described:
    return Described(
        files={
            f"{PROJECT}/pyproject.toml": POETRY,
            **{f"{PROJECT}/{name.replace('__', '/')}": text for name, text in files.items()},
        }
    )


def test_groups_extras_and_torch_sources_of_a_poetry_project() -> None:
    project = read_project(door(poetry()), PROJECT)
    assert project
    assert (project.groups, project.extras) == (("main", "gpu"), ("flash",))
    assert project.torch_places == (
        TorchPlace("torch-index", "https://download.pytorch.org/whl/cu128", explicit=True, line=12),
    )


def test_the_command_lines_of_a_projects_files() -> None:
    workflow = "jobs:\n  test:\n    steps:\n      - run: poetry lock --no-update\n"
    machine = poetry(
        **{"README.md": README, ".github/workflows/ci.yml": workflow, "src.py": README}
    )
    project = read_project(door(machine), PROJECT)
    assert project
    assert project.commands == (
        Quoted("README.md", 3, "poetry install --with gpu"),
        Quoted("README.md", 3, "poetry shell"),
        Quoted(".github/workflows/ci.yml", 4, "poetry lock --no-update"),
    )


@pytest.mark.parametrize(
    ("files", "environ", "asks"),
    [
        ({}, {}, True),
        ({f"{PROJECT}/poetry.toml": "[keyring]\nenabled = false\n"}, {}, False),
        ({"/home/ann/.config/pypoetry/config.toml": "[keyring]\nenabled = false\n"}, {}, False),
        ({f"{PROJECT}/poetry.toml": "[keyring]\nenabled = true\n",
          "/home/ann/.config/pypoetry/config.toml": "[keyring]\nenabled = false\n"}, {}, True),
        ({}, {"POETRY_KEYRING_ENABLED": "false"}, False),
        ({f"{PROJECT}/poetry.toml": "not toml"}, {}, True),
    ],
)  # fmt: skip
def test_whether_poetry_asks_a_keyring(
    files: dict[str, str], environ: dict[str, str], asks: bool
) -> None:
    machine = poetry()
    machine.files |= {"/usr/share/dbus-1/services/org.freedesktop.secrets.service": "", **files}
    machine.environ = environ
    project = read_project(door(machine), PROJECT)
    assert project
    assert project.keyring is asks


def test_without_a_keyring_service_poetry_asks_nobody() -> None:
    project = read_project(door(poetry()), PROJECT)
    assert project
    assert project.keyring is False


UV = """
[project]
name = "demo"
dependencies = ["torch"]
[tool.uv.sources]
torch = [{{ index = "cu128"{marker} }}]
[[tool.uv.index]]
name = "cu128"
url = "https://download.pytorch.org/whl/cu128"
explicit = true
{more}
"""


@pytest.mark.parametrize(
    ("marker", "more", "limited"),
    [
        ("", "", False),
        (", marker = \"sys_platform == 'linux'\"", "", True),
        ("", "[tool.uv]\nenvironments = [\"sys_platform == 'linux'\"]", True),
    ],
)
def test_the_torch_index_of_a_uv_project(marker: str, more: str, limited: bool) -> None:
    text = UV.format(marker=marker, more=more)
    project = read_project(door(Described(files={f"{PROJECT}/pyproject.toml": text})), PROJECT)
    assert project
    (place,) = project.torch_places
    assert (place.name, place.explicit, place.limited) == ("cu128", True, limited)
