"""DEEP: what starting CUDA and running kernels showed (`check --deep`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmdoctor.checks._access import why_no_gpu
from llmdoctor.checks._facts import parts, release_of, usable_torch
from llmdoctor.checks._framework import ANY, Answer, Case, Skip, check, finding, once
from llmdoctor.checks._remedies import install
from llmdoctor.checks.deep import asked, named
from llmdoctor.checks.deep_imports import first_line, last_lines
from llmdoctor.finding import Finding, Remedy
from llmdoctor.visible import visible

if TYPE_CHECKING:  # only a look from inside needs them
    from llmdoctor.deep import CudaStart, Deep, Device

_CODE = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


@check(
    "DEEP009", cause=None, also=(ANY, "cuda-init-error"), readers=("host", "nvidia", "environment")
)
def cuda_does_not_start(case: Case) -> Answer:
    """PyTorch cannot start CUDA.

    What: Starts CUDA in the environment's torch, as its first use of a GPU does (`--deep`).

    Why: The driver, its libraries and torch's CUDA meet here for the first time. NVML and
    nvidia-smi answer on machines where this fails.

    Remedy: As the cause says that torch's message names.

    Known problems: Another program in exclusive mode keeps a GPU from everybody else.
    """
    started = _started(case)
    if isinstance(started, Skip):
        return started
    if started.outcome == "ok" and started.available:
        return None
    # "CUDA initialization: …" comes as a warning, and the error after it knows less.
    cause = named(*started.warnings, started.error, started.said)
    said = [*started.warnings, started.error or "torch.cuda.is_available() says no"]
    return finding(
        cuda_does_not_start,
        f"torch built for CUDA {started.cuda} cannot use the GPU: {first_line(said[0])}",
        title="cuDNN does not fit torch"
        if started.available
        else "Starting CUDA ends Python"
        if started.outcome in ("crash", "timeout")
        else None,
        cause=cause.cause if cause else None if started.available else "cuda-init-error",
        evidence=(*said, *last_lines(started.said)),
        where=case.machine.environment.path,
        remedy=cause.remedy
        if cause
        else Remedy("See what the driver says: `nvidia-smi`, and `sudo dmesg | grep NVRM`."),
        url=cause.url if cause else None,
    )


@check(
    "DEEP010",
    cause="gpu-too-new-for-torch",
    also=("gpu-dropped-by-torch",),
    readers=("host", "nvidia", "environment"),
)
def torch_lacks_code(case: Case) -> Answer:
    """PyTorch itself says that it has no code for a GPU.

    What: Compares `torch.cuda.get_arch_list()` with the compute capability that torch sees of
    each GPU (`--deep`).

    Why: Builds that no table knows, such as nightlies and self-made ones, tell only themselves
    what they were compiled for.

    Remedy: Install a build with code for the GPU.

    Known problems: What the table of torch releases already tells is left to GPU003 and GPU004.
    """
    started = _started(case)
    if isinstance(started, Skip):
        return started
    if started.hip or not started.architectures:
        return Skip("torch tells no CUDA architectures")
    torch, host = usable_torch(case), case.machine.host
    release = release_of(torch.version) if torch and torch.version else None
    if torch and torch.variant and release:
        table = release.architectures(torch.variant, host.system, host.arch)
        if table and set(table) == set(_codes(started)):
            return Skip("torch was compiled for what the table says (GPU003, GPU004)")
    deep = case.machine.deep
    return once(_lacking(case, started, deep.devices if deep else ()))


@check("DEEP011", cause=None, also=(ANY,), readers=("host", "nvidia", "environment"))
def kernel_fails(case: Case) -> Answer:
    """A kernel fails on a GPU.

    What: Adds numbers on every visible GPU and waits for the result (`--deep`).

    Why: A build without code for the GPU, a GPU that fell off the bus, memory that another program
    holds: a model would fail at its first step.

    Remedy: As the cause says that the message names.

    Known problems: One small kernel runs: what a backend needs is proven by `llmdoctor smoke`.
    """
    started = _started(case)
    deep = asked(case)
    if isinstance(started, Skip):
        return started
    return deep if isinstance(deep, Skip) else once(_failed(started, deep))


@check(
    "DEEP012",
    cause=None,
    also=("binary-needs-other-cuda-major",),
    severity="warning",
    readers=("environment",),
)
def two_cuda_runtimes(case: Case) -> Answer:
    """Two CUDA runtimes are loaded in one process.

    What: Counts the files named libcudart that are loaded once all packages are imported
    (`--deep`, Linux only).

    Why: A package that was built for another CUDA brings its own runtime. Two of them do not share
    streams and contexts the way that one does, and the other CUDA's kernels may fail.

    Remedy: Install the package's build for torch's CUDA.

    Known problems: Packages that link the runtime into themselves are not seen.
    """
    deep = asked(case)
    if isinstance(deep, Skip):
        return deep
    runtimes = [library for library in deep.libraries if library.name.startswith("libcudart")]
    if len(runtimes) < 2:
        return None
    majors = {library.name for library in runtimes}
    return finding(
        two_cuda_runtimes,
        f"{len(runtimes)} CUDA runtimes are loaded after the imports.",
        cause="binary-needs-other-cuda-major" if len(majors) > 1 else None,
        evidence=tuple(f"{library.name}: {library.path}" for library in runtimes),
        where=case.machine.environment.path,
        remedy=install(case, "Install packages that were built for one CUDA."),
    )


def _started(case: Case) -> CudaStart | Skip:
    """What starting CUDA gave, where that was to be expected to work."""
    deep = asked(case)
    if isinstance(deep, Skip):
        return deep
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    if deep.cuda is None:
        return Skip("torch was not imported")
    if deep.cuda.outcome == "ok" and deep.cuda.cuda is None and deep.cuda.hip is None:
        return Skip("torch is not a CUDA build")
    if why := why_no_gpu(case):
        return Skip(f"no GPU can be used: {why}")
    if not visible(case.machine).gpus:
        return Skip("CUDA_VISIBLE_DEVICES hides every GPU")
    return deep.cuda


def _codes(started: CudaStart) -> tuple[str, ...]:
    """The compute capabilities with machine code; "sm_90a" counts as 9.0."""
    matches = (_CODE.fullmatch(name) for name in started.architectures)
    return tuple(sorted({f"{m[2]}.{m[3]}" for m in matches if m and m[1] == "sm"}, key=parts))


def _runs(started: CudaStart, capability: str) -> bool:
    from llmdoctor.tables import any_runs_on

    matches = [m for name in started.architectures if (m := _CODE.fullmatch(name))]
    portable = [f"{m[2]}.{m[3]}" for m in matches if m[1] == "compute" and not m[4]]
    if any(parts(code) <= parts(capability) for code in portable):
        return True  # PTX: the driver compiles it
    return any_runs_on(_codes(started), capability, started.cuda)


def _lacking(case: Case, started: CudaStart, devices: tuple[Device, ...]) -> Iterator[Finding]:
    codes = _codes(started)
    for gpu in devices:
        cc = gpu.compute_capability
        if cc is None or not codes or _runs(started, cc):
            continue
        old = parts(cc) < parts(codes[0])
        yield finding(
            torch_lacks_code,
            f"{gpu.name} has compute capability {cc}, and this torch was compiled for "
            f"{', '.join(codes)}: every kernel fails.",
            cause="gpu-dropped-by-torch" if old else None,
            evidence=(
                f"GPU {gpu.index} {gpu.name}: compute capability {cc}",
                f"torch.cuda.get_arch_list(): {', '.join(started.architectures)}",
            ),
            where=case.machine.environment.path,
            remedy=install(case, "Install a torch build with code for this GPU."),
        )


def _failed(started: CudaStart, deep: Deep) -> Iterator[Finding]:
    for gpu in deep.devices:
        if gpu.outcome == "ok":
            continue
        cc = gpu.compute_capability
        if cc is not None and _codes(started) and not _runs(started, cc):
            continue  # follows from what torch was compiled for
        cause = named(gpu.error, gpu.said)
        yield finding(
            kernel_fails,
            f"{gpu.name or 'A GPU'}: {first_line(gpu.error)}",
            title=f"A kernel {'ends Python' if gpu.outcome != 'broken' else 'fails'} on a GPU",
            cause=cause.cause if cause else None,
            evidence=(
                f"GPU {gpu.index} {gpu.name or ''}".rstrip(),
                *(gpu.error or "").splitlines()[:3],
                *last_lines(gpu.said),
            ),
            remedy=cause.remedy
            if cause
            else Remedy("See what holds or ails the GPU: `nvidia-smi`."),
            url=cause.url if cause else None,
        )
