"""CUDA: the C compilers, and Python's headers: what Triton compiles with when a model runs."""

from __future__ import annotations

from llmdoctor.checks._access import why_no_gpu
from llmdoctor.checks._facts import usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks.cuda import build_nvcc
from llmdoctor.finding import Remedy
from llmdoctor.machine import Machine

_C_COMPILERS = ("gcc", "clang")


@check(
    "CUDA005", cause="c-compiler-missing", severity="warning", readers=("compilers", "environment")
)
def c_compiler_missing(case: Case) -> Answer:
    """Triton finds no C compiler.

    What: Looks for gcc and clang on PATH where a CUDA build of torch meets a GPU.

    Why: Triton, and torch.compile with it, compiles a small C file at its first kernel: "Failed to
    find C compiler". Plain models work without it.

    Remedy: Install one (`sudo apt install gcc`), or name one in the variable CC.

    Known problems: A compiler that CC alone names is not seen.
    """
    torch, machine = usable_torch(case), case.machine
    if torch is None or torch.cuda is None:
        return Skip("no CUDA build of torch is installed")
    if machine.host.system != "linux":
        return Skip("Triton brings its compiler on this system, or is not there")
    if why := why_no_gpu(case):
        return Skip(f"no GPU can be used: {why}")
    if any(tool.name in _C_COMPILERS for tool in machine.compilers):
        return None
    return finding(
        c_compiler_missing,
        "Triton kernels and torch.compile fail at their first call: neither gcc nor clang is on "
        "PATH.",
        evidence=(f"torch {torch.version} (CUDA {torch.cuda})",),
        remedy=Remedy(_system_package(machine, "gcc", "gcc")),
    )


@check("CUDA006", cause="python-headers-missing", severity="warning", readers=("environment",))
def headers_missing(case: Case) -> Answer:
    """The C headers of this Python are missing.

    What: Looks for Python.h below the interpreter that the environment was made from.

    Why: Triton compiles a small C file against it at its first kernel, and so does every extension
    that is built here: "Python.h: No such file or directory".

    Remedy: Install them (`sudo apt install python3.12-dev`), or make the environment with a Python
    that brings them: uv's own and conda's do.

    Known problems: Headers in an unusual place that CPATH names are not seen.
    """
    environment, torch = case.machine.environment, usable_torch(case)
    if environment.headers is None or environment.version is None:
        return Skip("whether Python's headers are there is not known")
    if torch is None or torch.cuda is None:
        return Skip("no CUDA build of torch is installed")
    if environment.headers:
        return None
    minor = ".".join(environment.version.split(".")[:2])
    return finding(
        headers_missing,
        f"Python {environment.version} has no Python.h: Triton's first kernel and every source "
        "build stop.",
        evidence=(f"Python {environment.version}", f"base {environment.base or 'unknown'}"),
        where=environment.path,
        remedy=Remedy(
            "Make the environment with a full Python: the embeddable one has no headers."
            if case.machine.host.system == "windows"
            else _system_package(case.machine, f"python{minor}-dev", f"python{minor}-devel")
        ),
    )


@check(
    "CUDA008",
    cause="windows-no-msvc",
    severity="note",
    readers=("cuda", "compilers", "host", "files"),
)
def msvc_missing(case: Case) -> Answer:
    """There is no C++ compiler for nvcc on Windows.

    What: Looks for cl.exe on PATH where a CUDA toolkit is installed. Tried on a described machine,
    not on Windows itself.

    Why: nvcc uses Microsoft's compiler there and no other: "Cannot find compiler 'cl.exe' in
    PATH".

    Remedy: Install the Build Tools for Visual Studio (C++), and work in "x64 Native Tools Command
    Prompt".

    Known problems: cl.exe is on PATH in that prompt alone: elsewhere this note means nothing.
    """
    machine = case.machine
    if machine.host.system != "windows":
        return Skip("this is not Windows")
    if build_nvcc(machine) is None:
        return Skip("there is no nvcc")
    if any(tool.name == "cl" for tool in machine.compilers):
        return None
    return finding(
        msvc_missing,
        "A CUDA toolkit is installed, and cl.exe is not on PATH: extensions cannot be compiled.",
        evidence=(f"nvcc {build_nvcc(machine)}",),
        remedy=Remedy(
            "Before compiling: install the Build Tools for Visual Studio with C++ "
            "(https://visualstudio.microsoft.com/visual-cpp-build-tools/), and open the x64 Native "
            "Tools Command Prompt."
        ),
    )


def _system_package(machine: Machine, debian: str, fedora: str) -> str:
    known = {
        "fedora": f"sudo dnf install {fedora}",
        "rhel": f"sudo dnf install {fedora}",
        "rocky": f"sudo dnf install {fedora}",
        "almalinux": f"sudo dnf install {fedora}",
        "centos": f"sudo yum install {fedora}",
        "arch": "sudo pacman -S base-devel",
    }
    command = known.get(machine.host.distribution or "", f"sudo apt install {debian}")
    return f"Install it from the distribution: `{command}`."
