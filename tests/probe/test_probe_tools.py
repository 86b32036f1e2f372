"""Tools, compilers and toolkits that PATH and the disk hold."""

from __future__ import annotations

from typing import Any

from llmdoctor.machine import Tool, Toolkit
from llmdoctor.probe.compilers import read_compilers
from llmdoctor.probe.cuda import read_cuda
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.tools import read_tools
from llmdoctor.system import Completed
from probe.described import Described, dist_info, door


class NothingRuns(Described):
    """A machine on which starting a program is a mistake."""

    def run(self, argv: Any, **options: Any) -> Completed:
        raise AssertionError(f"{argv} was started")


def tools(machine: Described) -> dict[str, Tool]:
    return {tool.name: tool for tool in read_tools(door(machine), Guard("tools", []))}


def cuda(machine: Described) -> Any:
    return read_cuda(door(machine), Guard("cuda", []))


PIPX = "/home/ann/.local/share/pipx/venvs/poetry"


def test_poetry_of_pipx_is_known_by_its_dist_info_without_being_run() -> None:
    machine = NothingRuns(
        files={
            f"{PIPX}/pyvenv.cfg": "",
            f"{PIPX}/bin/poetry": f"#!{PIPX}/bin/python\nimport sys\n",
            **dist_info(f"{PIPX}/lib/python3.12/site-packages", "poetry", "2.1.4", tag="x"),
            **dist_info(f"{PIPX}/lib/python3.12/site-packages", "poetry_core", "2.1.3", tag="x"),
        },
        links={"/home/ann/.local/bin/poetry": f"{PIPX}/bin/poetry"},
        programs={"poetry": "/home/ann/.local/bin/poetry"},
    )
    assert tools(machine)["poetry"] == Tool("poetry", "/home/ann/.local/bin/poetry", "2.1.4", PIPX)


def test_poetry_in_the_projects_own_environment_is_told_by_its_prefix() -> None:
    env = "/home/ann/project/.venv"
    machine = NothingRuns(
        files={
            f"{env}/pyvenv.cfg": "",
            f"{env}/bin/poetry": f"#!{env}/bin/python\n",
            **dist_info(f"{env}/lib/python3.12/site-packages", "poetry", "1.8.5", tag="x"),
        },
        programs={"poetry": f"{env}/bin/poetry"},
    )
    assert tools(machine)["poetry"].prefix == env


def test_poetry_of_unknown_origin_has_no_version_and_is_not_run() -> None:
    machine = NothingRuns(
        files={"/srv/bin/poetry": "#!/usr/bin/env bash\n"}, programs={"poetry": "/srv/bin/poetry"}
    )
    assert tools(machine)["poetry"] == Tool("poetry", "/srv/bin/poetry", None, None)


def test_debians_pip_is_found_in_dist_packages() -> None:
    machine = NothingRuns(
        files={
            "/usr/bin/pip": "#!/usr/bin/python3\n",
            "/usr/lib/python3/dist-packages/pip-23.0.1.dist-info/METADATA": "",
        },
        programs={"pip": "/usr/bin/pip"},
    )
    assert tools(machine)["pip"] == Tool("pip", "/usr/bin/pip", "23.0.1", "/usr")


def test_standalone_uv_is_asked() -> None:
    path = "/home/ann/.local/bin/uv"
    machine = Described(
        files={path: "\x7fELF"},
        programs={"uv": path},
        answers={f"{path} --version": "uv 0.9.1 (abc 2026-01-01)\n"},
    )
    assert tools(machine)["uv"] == Tool("uv", path, "0.9.1", None)


def test_pipx_poetry_on_windows_is_found_at_its_fixed_place() -> None:
    exe = "C:\\Users\\ann\\.local\\bin\\poetry.exe"
    site = "C:\\Users\\ann\\pipx\\venvs\\poetry\\Lib\\site-packages"
    machine = NothingRuns(
        system="windows",
        house="C:\\Users\\ann",
        files={exe: "MZ", **dist_info(site, "poetry", "2.1.4", tag="x", sep="\\")},
        programs={"poetry": exe},
    )
    found = tools(machine)["poetry"]
    assert (found.version, found.prefix) == ("2.1.4", "C:\\Users\\ann\\pipx\\venvs\\poetry")


def test_condas_version_is_in_conda_meta() -> None:
    machine = NothingRuns(
        files={
            "/srv/conda/condabin/conda": "",
            "/srv/conda/conda-meta/conda-24.9.2-py312h06a4308_0.json": "",
            "/srv/conda/conda-meta/conda-libmamba-solver-24.9.0-pyhd3eb1b0_0.json": "",
        },
        programs={"conda": "/srv/conda/condabin/conda"},
    )
    assert tools(machine)["conda"] == Tool(
        "conda", "/srv/conda/condabin/conda", "24.9.2", "/srv/conda"
    )


def test_compilers_give_their_versions_and_absent_ones_are_absent() -> None:
    cl = Completed(
        ("cl",), 0, "", "Microsoft (R) C/C++ Optimizing Compiler Version 19.38.33133 for x64"
    )
    machine = Described(
        programs={"gcc": "/usr/bin/gcc", "cl": "cl", "g++": "/usr/bin/g++"},
        answers={"/usr/bin/gcc -dumpfullversion -dumpversion": "12.2.0\n", "cl": cl},
    )
    found = {tool.name: tool.version for tool in read_compilers(door(machine), Guard("x", []))}
    assert found == {"gcc": "12.2.0", "g++": None, "cl": "19.38.33133"}


def test_ninja_and_cmake_of_an_index_are_not_started() -> None:
    site = "/e/lib/python3.12/site-packages"
    machine = NothingRuns(
        files={
            "/e/bin/ninja": "#!/e/bin/python\n",
            **dist_info(site, "ninja", "1.13.0", tag="x"),
            "/usr/bin/cmake": "\x7fELF",
            "/usr/share/cmake-3.25/Modules/x": "",
        },
        programs={"ninja": "/e/bin/ninja", "cmake": "/usr/bin/cmake"},
    )
    found = {tool.name: tool.version for tool in read_compilers(door(machine), Guard("x", []))}
    assert found == {"ninja": "1.13.0", "cmake": "3.25"}


TOOLKIT = "/usr/local/cuda-12.6"
DISK = {
    f"{TOOLKIT}/version.json": '{"cuda": {"version": "12.6.2"}}',
    f"{TOOLKIT}/bin/nvcc": "\x7fELF",
}


def test_toolkit_behind_links_is_listed_once() -> None:
    machine = NothingRuns(
        files=DISK, links={"/usr/local/cuda": TOOLKIT}, environ={"CUDA_HOME": "/usr/local/cuda"}
    )
    found = cuda(machine)
    assert found.home == "/usr/local/cuda"
    assert found.toolkits == (Toolkit(TOOLKIT, "12.6.2", nvcc=True, source="CUDA_HOME"),)
    assert (found.nvcc, found.nvcc_version) == (None, None)


def test_nvcc_wrapper_is_followed_and_its_own_path_kept() -> None:
    machine = NothingRuns(
        files={**DISK, "/usr/local/bin/nvcc": f'#!/bin/sh\nexec {TOOLKIT}/bin/nvcc "$@"\n'},
        programs={"nvcc": "/usr/local/bin/nvcc"},
    )
    found = cuda(machine)
    assert found.nvcc == "/usr/local/bin/nvcc"
    assert found.nvcc_version == "12.6.2"
    assert found.toolkits == (Toolkit(TOOLKIT, "12.6.2", nvcc=True, source="PATH"),)


def test_cuda_home_that_does_not_exist_is_kept_without_a_toolkit() -> None:
    found = cuda(NothingRuns(environ={"CUDA_HOME": "/nonexistent"}))
    assert (found.home, found.toolkits) == ("/nonexistent", ())


def test_header_tells_the_version_where_version_json_is_left_out() -> None:
    files = {"/opt/cuda/include/cuda.h": "#define CUDA_VERSION 13000\n", "/opt/cuda/bin/nvcc": ""}
    assert cuda(NothingRuns(files=files)).toolkits == (
        Toolkit("/opt/cuda", "13.0", nvcc=True, source="disk"),
    )


def test_nvcc_is_asked_last() -> None:
    machine = Described(
        files={"/opt/cuda/bin/nvcc": ""},
        answers={
            "/opt/cuda/bin/nvcc --version": "Cuda compilation tools, release 11.8, V11.8.89\n"
        },
    )
    assert cuda(machine).toolkits == (Toolkit("/opt/cuda", "11.8", nvcc=True, source="disk"),)
