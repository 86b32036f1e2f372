"""CUDA: the toolkit. torch does without; what compiles for it does not."""

from __future__ import annotations

from llmdoctor.checks._access import why_no_gpu
from llmdoctor.checks._facts import capability, cuda_major, parts, usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.finding import Remedy
from llmdoctor.machine import Machine, Toolkit
from llmdoctor.visible import visible

# Packages that call nvcc while a model runs, and not only when they are installed.
_COMPILE = ("deep-gemm", "deepspeed", "exllamav2", "flashinfer-python")
NOTHING_COMPILES = Skip("nothing here compiles CUDA code")


@check("CUDA001", cause="nvcc-missing", severity="warning", readers=("cuda",))
def nvcc_missing(case: Case) -> Answer:
    """There is no CUDA toolkit for what compiles CUDA code.

    What: Looks for nvcc where CUDA_HOME says, on PATH and in the usual folders, when CUDA_HOME is
    set or a package is installed that compiles while a model runs.

    Why: torch brings CUDA's libraries and no compiler. What compiles looks at CUDA_HOME first, and
    stops with "CUDA_HOME environment variable is not set" or "nvcc not found".

    Remedy: Install the toolkit of the CUDA that torch is built for, or clear a CUDA_HOME that
    points to nothing. For models with prebuilt packages no toolkit is needed.

    Known problems: A toolkit that a module system or a shell's start-up file adds is seen only
    where that has run.
    """
    machine = case.machine
    home = machine.cuda.home
    wrong_home = bool(home) and not any(kit.source == "CUDA_HOME" for kit in machine.cuda.toolkits)
    compiling = _compiling(case)
    if machine.note("files") and home:
        return Skip("what lies at CUDA_HOME was not looked at")
    if not home and not compiling:
        return NOTHING_COMPILES
    found = [kit for kit in machine.cuda.toolkits if kit.nvcc]
    if not wrong_home and (found or machine.cuda.nvcc or machine.cuda.nvcc_version):
        return None
    torch = usable_torch(case)
    wanted = f"CUDA {torch.cuda}" if torch and torch.cuda else "CUDA"
    if wrong_home:
        detail = f"CUDA_HOME is {home}, and no toolkit lies there."
        way = (
            f"Set CUDA_HOME to {found[0].path}, or clear it."
            if found
            else f"Clear CUDA_HOME, or install the {wanted} toolkit there."
        )
    else:
        detail = f"{', '.join(compiling)}: CUDA code is compiled, and there is no nvcc."
        way = (
            f"Install the {wanted} toolkit (https://developer.nvidia.com/cuda-toolkit-archive), "
            "and set CUDA_HOME to its folder."
        )
    return finding(
        nvcc_missing,
        detail,
        title="CUDA_HOME points to no CUDA toolkit" if wrong_home else None,
        evidence=(
            f"CUDA_HOME={home}" if home else "CUDA_HOME is not set",
            *(f"toolkit {kit.path} ({kit.version or 'version unknown'})" for kit in found),
        ),
        where=home,
        remedy=Remedy(way),
    )


@check(
    "CUDA002",
    cause="cuda-toolkit-torch-mismatch",
    severity="warning",
    readers=("cuda", "environment"),
)
def toolkit_of_another_cuda(case: Case) -> Answer:
    """The CUDA toolkit is of another major than torch.

    What: Compares the nvcc that a build would use with the CUDA that torch is built for.

    Why: torch's build tools refuse to compile: "The detected CUDA version mismatches the version
    that was used to compile PyTorch". Another minor of the same major only gives a warning.

    Remedy: Install the toolkit of torch's CUDA beside this one and set CUDA_HOME to it. Where
    nothing is compiled nothing has to be done: torch brings its own CUDA libraries.

    Known problems: A build that is told another compiler by its own options is not foreseen.
    """
    torch, version = usable_torch(case), build_nvcc(case.machine)
    major = cuda_major(torch) if torch else None
    if torch is None or major is None:
        return Skip("no CUDA build of torch is installed")
    if version is None:
        return Skip("there is no nvcc")
    if parts(version)[0] == major:
        return None
    return finding(
        toolkit_of_another_cuda,
        f"nvcc is of CUDA {version} and torch {torch.version} of CUDA {torch.cuda}: compiling an "
        "extension for torch stops at once. Prebuilt packages do not mind.",
        evidence=(f"nvcc {version}", f"torch {torch.version} (CUDA {torch.cuda})"),
        where=case.machine.cuda.nvcc,
        remedy=Remedy(
            f"Before compiling, install the CUDA {major} toolkit "
            "(https://developer.nvidia.com/cuda-toolkit-archive) and set CUDA_HOME to it."
        ),
    )


@check("CUDA003", cause="nvcc-too-old-for-gpu", severity="warning", readers=("cuda", "nvidia"))
def toolkit_without_gpu(case: Case) -> Answer:
    """The CUDA toolkit does not compile for a GPU here.

    What: Compares the nvcc that a build would use with the first and the last toolkit that know
    each GPU's compute capability.

    Why: nvcc stops with "Unsupported gpu architecture", or a build leaves this GPU out, and the
    extension later finds no kernel image.

    Remedy: Install a toolkit in the range, and set CUDA_HOME to it.

    Known problems: Only what is compiled here is concerned; wheels were compiled elsewhere.
    """
    version = build_nvcc(case.machine)
    if version is None:
        return Skip("there is no nvcc")
    if why := why_no_gpu(case):
        return Skip(f"no GPU can be used: {why}")
    known = [(gpu, cc) for gpu in visible(case.machine).gpus if (cc := capability(gpu))]
    from llmdoctor.tables.toolkits import toolkits_for

    for gpu, cc in known:
        kits = toolkits_for(cc)
        old = kits is not None and parts(version)[:2] < parts(kits.first)
        new = kits is not None and kits.last and parts(version)[:2] > parts(kits.last)
        if kits and (old or new):
            wanted = f"{kits.first} or newer" if old else f"{kits.last} or older"
            return finding(
                toolkit_without_gpu,
                f"nvcc is of CUDA {version}; for {gpu.name} ({cc}) it takes {wanted}.",
                title=None if old else "The CUDA toolkit no longer compiles for a GPU here",
                evidence=(f"nvcc {version}", f"GPU {gpu.index} {gpu.name}: {cc}"),
                where=case.machine.cuda.nvcc,
                remedy=Remedy(
                    f"Before compiling, install a CUDA toolkit {wanted}, set CUDA_HOME to it, and "
                    "look again.",
                    "manual",
                    (("llmdoctor", "check", "--select", "CUDA"),),
                ),
            )
    return None if known else Skip("the compute capability of the GPU is not known")


@check(
    "CUDA004", cause="host-gcc-too-new", severity="warning", readers=("cuda", "compilers", "host")
)
def gcc_too_new(case: Case) -> Answer:
    """The C++ compiler is newer than the CUDA toolkit takes.

    What: Compares g++ with the newest GCC that the toolkit's own header (crt/host_config.h) lets
    pass; where that was not read, with the table.

    Why: nvcc hands half of each file to g++ and stops with "unsupported GNU version" where that is
    newer than it knows.

    Remedy: Install an older g++ beside it and name it: `export NVCC_CCBIN=g++-13` (or CC and CXX).

    Known problems: A compiler that is chosen by such a variable is not seen, and the one on PATH is
    judged. `-allow-unsupported-compiler` gives wrong code at times.
    """
    machine = case.machine
    gcc = _version(machine, "g++") or _version(machine, "gcc")
    version = build_nvcc(machine)
    if version is None or gcc is None:
        return Skip("there is no nvcc, or no GCC")
    if machine.host.system != "linux":
        return Skip("nvcc uses another compiler on this system")
    from llmdoctor.tables.toolkits import newest_gcc

    kit = _build_kit(machine)
    bound = kit.gcc if kit and kit.gcc else newest_gcc(version)
    if bound is None:
        return Skip(f"which GCC nvcc {version} takes is not in the table")
    if parts(gcc)[0] <= bound:
        return None
    source = "its own header" if kit and kit.gcc else "the table"
    return finding(
        gcc_too_new,
        f"nvcc {version} takes GCC up to {bound}, and {gcc} is on PATH: compiling stops.",
        evidence=(f"GCC {gcc}", f"nvcc {version}: GCC up to {bound}, by {source}"),
        remedy=Remedy(
            f"Before compiling: install g++-{bound} (`sudo apt install g++-{bound}` on Debian and "
            f"Ubuntu), and `export NVCC_CCBIN=g++-{bound}`."
        ),
    )


@check("CUDA007", cause="build-oom", severity="note", readers=("cuda", "memory", "variables"))
def build_needs_memory(case: Case) -> Answer:
    """A source build would need more memory than there is.

    What: Multiplies MAX_JOBS, or else the number of processors, with what one compiler of a large
    CUDA extension takes, where MAX_JOBS is set or a package here compiles.

    Why: ninja starts one compiler for each processor. When memory runs out the system kills one:
    "Killed", "c++: fatal error", exit status 137.

    Remedy: Set MAX_JOBS to what the memory carries.

    Known problems: Small extensions take far less for each job.
    """
    machine = case.machine
    jobs = machine.variables.get("MAX_JOBS", "")
    if build_nvcc(machine) is None:
        return Skip("there is no nvcc")
    if not jobs and not _compiling(case):
        return NOTHING_COMPILES
    count = int(jobs) if jobs.isascii() and jobs.isdigit() else machine.cpu.threads
    total = machine.memory.total
    if not count or total is None:
        return Skip("the number of jobs or the memory is not known")
    from llmdoctor.tables.toolkits import memory_of_a_job

    have, job = min(total, machine.memory.limit or total), memory_of_a_job()
    fits = max(1, have // job)
    if count <= fits:
        return None
    return finding(
        build_needs_memory,
        f"{count} compilers at once may take {count * job // 10**9} GB, and there are "
        f"{have // 10**9} GB.",
        evidence=(f"MAX_JOBS={jobs}" if jobs else f"{count} processors",),
        remedy=Remedy(f"Before compiling: `export MAX_JOBS={fits}`."),
    )


def build_nvcc(machine: Machine) -> str | None:
    """The version of the nvcc that torch's build tools would use: CUDA_HOME's before PATH's."""
    kit = _build_kit(machine)
    version = (kit.version if kit else None) or machine.cuda.nvcc_version
    return version if version and parts(version) else None


def _build_kit(machine: Machine) -> Toolkit | None:
    kits = [kit for kit in machine.cuda.toolkits if kit.nvcc]
    order = {"CUDA_HOME": 0, "PATH": 1}
    return min(kits, key=lambda kit: order.get(kit.source, 2), default=None)


def _compiling(case: Case) -> list[str]:
    """What compiles while a model runs, and what the chosen profiles have compiled here."""
    asked = case.choice.requirements if case.choice else ()
    installed = [name for name in _COMPILE if case.machine.environment.package(name)]
    return [*installed, *(item.name for item in asked if item.compiled)]


def _version(machine: Machine, name: str) -> str | None:
    versions = (tool.version for tool in machine.compilers if tool.name == name)
    return next((version for version in versions if version and parts(version)), None)
