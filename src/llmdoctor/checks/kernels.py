"""EXT: compiled kernels: whether they are all there, and made for the GPUs that are here."""

from __future__ import annotations

from collections.abc import Iterator

from llmdoctor.checks._access import gpu_access
from llmdoctor.checks._built_for import architectures
from llmdoctor.checks._facts import capability, parts, usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install, install_profiles, replace
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Gpu
from llmdoctor.visible import visible

# Their kernels come from a wheel of the catalogue, which says for which GPUs it was compiled.
_CATALOGUE = ("flash-attn", "mamba-ssm", "causal-conv1d")


@check(
    "EXT008",
    cause="mamba-kernels-missing",
    severity="warning",
    readers=("environment", "packages"),
)
def half_of_mamba(case: Case) -> Answer:
    """Half of the Mamba kernels is missing.

    What: Looks for mamba-ssm and causal-conv1d, of which the fast way needs both.

    Why: With one of them missing Transformers runs Mamba, Jamba and Bamba models in plain PyTorch:
    many times slower, with one warning in the log.

    Remedy: Install both, for the same torch.

    Known problems: Kernels of the Hugging Face Hub (the package kernels) can stand in for them.
    """
    environment = case.machine.environment
    names = ("mamba-ssm", "causal-conv1d")
    missing = [name for name in names if environment.package(name) is None]
    if len(missing) != 1:
        return None if not missing else Skip("neither of the two is installed")
    return finding(
        half_of_mamba,
        f"{missing[0]} is missing: Mamba models take the slow way without it.",
        evidence=tuple(f"{p.name} {p.version}" for p in environment.packages if p.name in names),
        where=environment.path,
        remedy=Remedy("Install both.", "ask", (install_profiles(case, ["mamba"]),)),
    )


@check(
    "EXT010",
    cause="triton-unavailable-on-windows",
    severity="note",
    readers=("host", "environment", "packages"),
)
def no_triton_on_windows(case: Case) -> Answer:
    """On Windows there is no Triton beside this torch.

    What: Looks for triton-windows beside a CUDA build of torch on Windows.

    Why: The official Triton has no Windows wheels, and torch does not ask for the other one. So
    torch.compile and the packages whose kernels are written in Triton fail, or fall back.

    Remedy: Install the release of triton-windows that goes with torch.

    Known problems: Programs that use neither need nothing.
    """
    environment, torch = case.machine.environment, usable_torch(case)
    if case.machine.host.system != "windows" or torch is None or torch.cuda is None:
        return Skip("this is not a CUDA build of torch on Windows")
    if environment.package("triton") or environment.package("triton-windows"):
        return None
    return finding(
        no_triton_on_windows,
        "torch.compile needs it, and nothing else asks for it.",
        evidence=(f"torch {torch.version}",),
        where=environment.path,
        remedy=Remedy(
            "Install the one that goes with torch.",
            "ask",
            (install_profiles(case, ["triton"]),),
        ),
    )


@check("EXT009", cause="ext-no-kernel-for-gpu", readers=("host", "nvidia", "environment"))
def no_kernels_for_gpu(case: Case) -> Answer:
    """A compiled package has no kernels for a GPU.

    What: Compares every visible GPU with the architectures that the wheel was compiled for, for
    the wheels of flash-attn, mamba-ssm and causal-conv1d that the catalogue knows, and for
    bitsandbytes.

    Why: torch runs on the GPU, and the package dies at its first kernel with "no kernel image is
    available". Wheels for CUDA 12 from before Blackwell are the usual ones.

    Remedy: Install a wheel that was compiled for the GPU, or use SDPA instead.

    Known problems: What was compiled here is not judged: it was compiled for the GPU at hand.
    """
    torch = usable_torch(case)
    if torch is None or torch.cuda is None:
        return Skip("no CUDA build of torch is installed")
    if not case.wants_gpu or gpu_access(case) != "works":
        return Skip("no GPU can be used")
    seen = [(gpu, cc) for gpu in visible(case.machine).gpus if (cc := capability(gpu))]
    return tuple(_without_kernels(case, torch.cuda, seen))


@check("EXT011", cause="ptxas-too-old-for-gpu", readers=("nvidia", "environment"))
def ptxas_too_old(case: Case) -> Answer:
    """The assembler inside Triton does not know a GPU.

    What: Compares the installed Triton with the first release whose own ptxas knows the GPU, for
    GPUs that are newer than CUDA 12.8 (10.3, 11.0 and 12.1).

    Why: torch's own kernels run there, and every kernel written in Triton ends with "ptxas fatal:
    Value 'sm_121a' is not defined": torch.compile, vLLM, many quantised models.

    Remedy: Install a torch with a newer Triton, or point TRITON_PTXAS_PATH to the ptxas of a CUDA
    toolkit that knows the GPU.

    Known problems: Builds of Triton by NVIDIA and others may have another ptxas.
    """
    triton = case.machine.environment.package("triton")
    if triton is None:
        return Skip("Triton is not installed")
    if not case.wants_gpu or gpu_access(case) != "works":
        return Skip("no GPU can be used")
    chosen = [name for name in case.machine.variables if name.startswith("TRITON_PTXAS_")]
    if chosen:
        return Skip(f"{chosen[0]} names another assembler")
    from llmdoctor.tables.read import read_table

    first = {row["capability"]: row["triton"] for row in read_table("triton")["ptxas"]}
    return tuple(
        finding(
            ptxas_too_old,
            f"{gpu.name} has compute capability {cc}, which Triton knows from {first[cc]} on; "
            f"{triton.version} is installed.",
            evidence=(f"triton {triton.version}", f"GPU {gpu.index} {gpu.name}: {cc}"),
            where=case.machine.environment.path,
            remedy=install(case, "Install a torch whose Triton knows this GPU."),
        )
        for gpu in visible(case.machine).gpus
        if (cc := capability(gpu)) in first and parts(triton.version) < parts(first[cc])
    )


def _without_kernels(case: Case, cuda: str, seen: list[tuple[Gpu, str]]) -> Iterator[Finding]:
    from llmdoctor.tables import any_runs_on

    environment, arch = case.machine.environment, case.machine.host.arch
    for name in (*_CATALOGUE, "bitsandbytes"):
        package = environment.package(name)
        codes = architectures(package, cuda, arch) if package else None
        if package is None or not codes:
            continue
        for gpu, cc in seen:
            if any_runs_on(codes, cc, cuda) or parts(cc) < parts(codes[0]):
                continue  # it runs, or the GPU is below what the package is for at all
            yield finding(
                no_kernels_for_gpu,
                f"{package.name} {package.version} was compiled for {', '.join(codes)}; "
                f"{gpu.name} has compute capability {cc}.",
                title=f"{package.name} has no kernels for a GPU",
                evidence=(f"{package.name} {package.version}", f"compute capability {cc}"),
                where=environment.path,
                remedy=replace(case, name),
            )
