"""Which shared libraries lie where the loader looks, without loading one."""

from __future__ import annotations

import pytest

from llmdoctor.machine import Environment, Library, Note
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.libraries import read_libraries
from probe.described import Described, door

LIB = "/opt/cuda/lib64"
SYSTEM = "/usr/lib/x86_64-linux-gnu"


def read(machine: Described, environment: Environment | None = None) -> tuple[Library, ...]:
    notes: list[Note] = []
    found = read_libraries(door(machine), environment or Environment(), Guard("libraries", notes))
    assert notes == []
    return found


def test_the_file_behind_the_links_gives_the_version() -> None:
    machine = Described(
        files={f"{LIB}/libcublasLt.so.12.4.5.8": "", f"{LIB}/libcudart.so.12.4.127": ""},
        links={
            f"{LIB}/libcublasLt.so": "libcublasLt.so.12",
            f"{LIB}/libcublasLt.so.12": "libcublasLt.so.12.4.5.8",
        },
        environ={"LD_LIBRARY_PATH": f"{LIB}:/nowhere"},
    )
    (found,) = read(machine)  # what no program asks for by this name is left out
    assert found == Library(
        "libcublasLt", "LD_LIBRARY_PATH", f"{LIB}/libcublasLt.so.12", "12.4.5.8"
    )
    assert found.major == "12"


def test_other_libraries_and_folders_without_a_root_are_left_out() -> None:
    machine = Described(
        files={f"{LIB}/libfoo.so.1": "", f"{LIB}/libcudnn_ops.so.9": "", "lib/libcudnn.so.9": ""},
        environ={"LD_LIBRARY_PATH": f":lib:{LIB}"},
    )
    assert read(machine) == ()


def test_a_link_without_a_numbered_file_has_the_number_of_its_name() -> None:
    machine = Described(files={f"{LIB}/libcudnn.so.9": ""}, environ={"LD_LIBRARY_PATH": LIB})
    assert [item.version for item in read(machine)] == ["9"]


def test_cuda_compat_in_the_loaders_configuration() -> None:
    compat = "/usr/local/cuda-12.6/compat"
    machine = Described(
        files={
            "/etc/ld.so.conf.d/988_cuda-12.conf": f"# for CUDA\n{compat}\n",
            "/etc/ld.so.conf.d/libc.conf": "/usr/local/lib/compat\n",
            f"{compat}/libcuda.so.560.35.05": "",
        },
        links={f"{compat}/libcuda.so.1": "libcuda.so.560.35.05"},
    )
    (found,) = read(machine)
    assert (found.found, found.name, found.version) == ("compat", "libcuda", "560.35.05")


def test_the_systems_own_and_condas() -> None:
    machine = Described(
        files={
            f"{SYSTEM}/libcuda.so.550.54.14": "",
            f"{SYSTEM}/libstdc++.so.6.0.33": "",
            "/opt/conda/lib/libstdc++.so.6.0.29": "",
        },
        links={
            f"{SYSTEM}/libcuda.so.1": "libcuda.so.550.54.14",
            f"{SYSTEM}/libstdc++.so.6": "libstdc++.so.6.0.33",
            "/opt/conda/lib/libstdc++.so.6": "libstdc++.so.6.0.29",
        },
    )
    found = read(machine, Environment("conda", "/opt/conda"))
    assert [(item.name, item.found, item.version) for item in found] == [
        ("libstdc++", "conda", "6.0.29"),
        ("libcuda", "system", "550.54.14"),
        ("libstdc++", "system", "6.0.33"),
    ]


def test_a_folder_that_may_not_be_read_is_a_note_and_the_others_stay() -> None:
    notes: list[Note] = []
    machine = Described(
        files={f"{LIB}/libcudnn.so.9": "", "/secret/lib/libcudnn.so.8": ""},
        environ={"LD_LIBRARY_PATH": f"/secret/lib:{LIB}"},
        denied={"/secret/lib"},
    )
    found = read_libraries(door(machine), Environment(), Guard("libraries", notes))
    assert [item.path for item in found] == [f"{LIB}/libcudnn.so.9"]
    assert [(note.reader, note.status) for note in notes] == [("libraries", "denied")]


@pytest.mark.parametrize("system", ["windows", "macos"])
def test_other_systems_have_other_loaders(system: str) -> None:
    home = "C:\\Users\\ann" if system == "windows" else "/Users/ann"
    machine = Described(system=system, house=home, here=home, environ={"LD_LIBRARY_PATH": LIB})
    assert read(machine) == ()
