"""GPU: the hardware, against what torch and the profiles were built for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from llmdoctor.checks._access import access_or_skip, rocm_torch, why_no_gpu
from llmdoctor.checks._facts import (
    capability,
    parts,
    requires_gpu,
    usable_torch,
)
from llmdoctor.checks._fits import Fit, Seen, fits
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding, once
from llmdoctor.checks._remedies import install_profiles, install_what_fits, place
from llmdoctor.finding import Finding, Remedy
from llmdoctor.visible import visible

if TYPE_CHECKING:
    from llmdoctor.profile import Profile
    from llmdoctor.tables import Feature


@check("GPU001", cause="no-nvidia-gpu", severity="note", readers=("host", "nvidia"))
def no_gpu(case: Case) -> Answer:
    """No NVIDIA GPU is visible.

    What: Looks for an NVIDIA GPU by the driver and on the PCI bus.

    Why: The CUDA profiles need one. Without it, models run on the CPU: fine for small ones and
    for tests, slow for training.

    Remedy: Ask for the CPU profile, which then also counts as healthy: `--profile cpu`.

    Known problems: GPUs of other makers are not judged. WSL 2 shows a GPU only once Windows has
    NVIDIA's driver.
    """
    if not case.wants_gpu:
        return None  # as it should be
    access = access_or_skip(case)
    if access != "absent":
        return access if isinstance(access, Skip) else None
    machine = case.machine
    torch = usable_torch(case)
    cuda_torch = torch.cuda if torch else None
    if rocm := rocm_torch(case):
        return finding(
            no_gpu,
            f"torch {rocm.version} is built for ROCm, and this version of llmdoctor judges NVIDIA "
            "GPUs alone: whether this torch and its GPU fit each other is not said here.",
            title="ROCm builds of PyTorch are not covered",
            evidence=(f"torch {rocm.version} (ROCm {rocm.hip})",),
        )
    others = tuple(f"PCI {d.address} {d.vendor}:{d.device}" for d in machine.nvidia.pci)
    required = requires_gpu(case)
    metal = (machine.host.system, machine.host.arch) == ("macos", "arm64")
    places = "on Metal (mps) and the CPU" if metal else "on the CPU"
    detail = "A GPU profile is wanted and" if required else f"Models run {places}:"
    detail += f" this {machine.host.system} {machine.host.arch} machine shows no NVIDIA GPU."
    if cuda_torch and not required:
        detail += f" The installed torch is a CUDA {cuda_torch} build, of no use here."
    return finding(
        no_gpu,
        detail,
        severity="error" if required else "warning" if cuda_torch else "note",
        evidence=others,
        remedy=_on_the_cpu(case),
    )


def _on_the_cpu(case: Case) -> Remedy:
    """The CPU profile; where its torch is here already, to be judged by."""
    torch = usable_torch(case)
    there = torch is not None and torch.cuda is None
    other = "a machine with an NVIDIA GPU."
    if case.machine.host.wsl:
        other = "install NVIDIA's driver in Windows if that has such a GPU."
    return Remedy(
        f"{'Judge by' if there else 'Use'} the CPU profile here, or {other}",
        "safe" if there else "ask",
        (
            ("llmdoctor", "check", "--profile", "cpu", *place(case))
            if there
            else install_profiles(case, ["cpu"]),
        ),
    )


@check(
    "GPU002",
    cause="cuda-visible-devices-hides-gpus",
    severity="warning",
    readers=("nvidia", "variables"),
)
def gpus_hidden(case: Case) -> Answer:
    """CUDA_VISIBLE_DEVICES hides every GPU.

    What: Applies CUDA_VISIBLE_DEVICES as CUDA does: entries are read up to the first that names
    no GPU.

    Why: An empty value, -1 or a number that does not exist leaves torch without a GPU, although
    nvidia-smi lists all of them.

    Remedy: Unset the variable, or set it to a number that `nvidia-smi -L` lists.

    Known problems: A launcher or a batch system may set it for its jobs alone.
    """
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    value = case.machine.variables.get("CUDA_VISIBLE_DEVICES")
    if value is None or not case.machine.nvidia.gpus:
        return Skip("CUDA_VISIBLE_DEVICES is not set, or there is no GPU")
    if visible(case.machine).gpus:
        return None
    windows = case.machine.host.system == "windows"
    return finding(
        gpus_hidden,
        f"{len(case.machine.nvidia.gpus)} GPU(s) are there, and the variable leaves none of them.",
        severity="error" if requires_gpu(case) else None,
        evidence=(f"CUDA_VISIBLE_DEVICES={value!r}",),
        remedy=Remedy(
            "Clear the variable: `Remove-Item Env:CUDA_VISIBLE_DEVICES` in PowerShell."
            if windows
            else "Clear the variable: `unset CUDA_VISIBLE_DEVICES`."
        ),
    )


@check(
    "GPU003",
    cause="gpu-too-new-for-torch",
    also=("gpu-newer-than-torch-arch-list", "jetson-needs-nvidia-wheel"),
    readers=("nvidia", "environment"),
)
def gpu_too_new(case: Case) -> Answer:
    """A GPU is newer than the code in the installed torch.

    What: Compares every visible GPU's compute capability with the architectures that the
    installed torch build was compiled for.

    Why: torch wheels carry machine code only. It runs on GPUs of the same major capability and an
    equal or higher minor; elsewhere the first kernel dies with "no kernel image is available".

    Remedy: Install a build with code for the GPU; llmdoctor chooses it by every GPU present.

    Known problems: A GPU just above the list (12.1 on code for 12.0) works, and torch still
    prints a warning: that is reported as a warning too.
    """
    judged = fits(case)
    if isinstance(judged, Skip):
        return judged
    return once(_newer(case, fit) for fit in judged if fit.how in ("newer", "above"))


@check("GPU004", cause="gpu-dropped-by-torch", readers=("nvidia", "environment"))
def gpu_dropped(case: Case) -> Answer:
    """A GPU is older than the code in the installed torch.

    What: Compares every visible GPU's compute capability with the oldest architecture that the
    installed torch build was compiled for.

    Why: Each CUDA generation drops old GPUs: builds for CUDA 13 have no Maxwell, Pascal or Volta
    code, whatever the driver says.

    Remedy: Install a build for an older CUDA of the same torch, where one is published.

    Known problems: On a machine with an old and a new GPU no single build may serve both: then
    hide one: CUDA_VISIBLE_DEVICES with its UUID, or with its number and
    CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    judged = fits(case)
    if isinstance(judged, Skip):
        return judged
    return once(_older(case, fit) for fit in judged if fit.how == "older")


@check("GPU005", cause=None, also=("gpu-too-old-for-flash-attn",), readers=("nvidia",))
def gpu_lacks_feature(case: Case) -> Answer:
    """A GPU lacks what the wanted profile needs.

    What: Compares the compute capability of every visible GPU with the least that the wanted
    profile's feature needs, such as 8.0 for FlashAttention 2.

    Why: The package installs, imports, and then refuses the GPU at the first call.

    Remedy: Use SDPA, which torch brings and which runs on every GPU that torch supports.

    Known problems: With several GPUs only the least capable counts; hide it with
    CUDA_VISIBLE_DEVICES, by its UUID, or by its number with CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    wanted = [profile for profile in case.profiles if profile.feature]
    if not wanted:
        return Skip("no profile that needs a GPU feature was asked for")
    if why := why_no_gpu(case):
        return Skip(f"no GPU can be used: {why}")
    seen = visible(case.machine)
    known = [(gpu, cc) for gpu in seen.gpus if (cc := capability(gpu))]
    if not known:
        return Skip("the compute capability of the GPU is not known")
    from llmdoctor.tables import feature

    return once(
        _lacks(case, profile, needed, Seen(gpu, cc, seen.note))
        for profile in wanted
        if (needed := feature(str(profile.feature)))
        for gpu, cc in known
        if not needed.works_on(cc)
    )


def _evidence(fit: Fit) -> Iterator[str]:
    yield from fit.evidence
    yield f"torch {fit.torch}: code for {', '.join(fit.architectures)}"


def _newer(case: Case, fit: Fit) -> Finding:
    above = fit.how == "above"
    tegra = "tegra" in (case.machine.host.kernel or "")
    if above:
        detail = (
            f"{fit.gpu.name} has compute capability {fit.capability}, just above the list of torch "
            f"{fit.torch}. It runs on the code for {max(fit.architectures, key=parts)}; torch "
            "prints a warning, and libraries that compile for the exact GPU may fail."
        )
    else:
        detail = (
            f"{fit.gpu.name} has compute capability {fit.capability}, and torch {fit.torch} has "
            "no code that runs on it: every kernel fails."
        )
    return finding(
        gpu_too_new,
        detail,
        title="A GPU is just above the architectures of torch" if above else None,
        cause="gpu-newer-than-torch-arch-list"
        if above
        else "jetson-needs-nvidia-wheel"
        if tegra
        else None,
        severity=_how_grave(case, fit) if above else None,
        evidence=_evidence(fit),
        remedy=Remedy(
            "Nothing has to be done. A newer CUDA build, where one fits, ends the warning."
        )
        if above
        else Remedy("Install the torch wheel that NVIDIA publishes for this JetPack release.")
        if tegra
        else install_what_fits(case, "Install a torch build with code for this GPU."),
    )


def _how_grave(case: Case, fit: Fit) -> Literal["warning", "note"]:
    """A GPU just above the list of the very torch that was chosen for it is as it should be."""
    torch, choice = case.machine.environment.torch, case.choice
    meant = choice and choice.feasible and (choice.torch, choice.variant)
    return "note" if torch and meant == (fit.torch.partition("+")[0], torch.variant) else "warning"


def _older(case: Case, fit: Fit) -> Finding:
    return finding(
        gpu_dropped,
        f"{fit.gpu.name} has compute capability {fit.capability}, and torch {fit.torch} begins at "
        f"{min(fit.architectures, key=parts)}: every kernel fails.",
        evidence=_evidence(fit),
        remedy=install_what_fits(
            case, "Install a build of torch that still has code for this GPU."
        ),
    )


def _lacks(case: Case, profile: Profile, needed: Feature, seen: Seen) -> Finding:
    names = case.choice.profiles if case.choice else ()
    rest = [name for name in names if name != profile.name] or ["mainline"]
    too_old = parts(seen.capability) < parts(needed.minimum)
    return finding(
        gpu_lacks_feature,
        f"{profile.title} needs compute capability {needed.minimum}"
        + (" or higher" if needed.highest is None else f" to {needed.highest}")
        + f"; {seen.gpu.name} has {seen.capability}. SDPA works on it.",
        title="The GPU is too old for the wanted profile" if too_old else None,
        cause=needed.cause if too_old else None,
        evidence=seen.evidence,
        remedy=Remedy(
            f"Leave out {profile.name} and use SDPA attention (the default).",
            "ask",
            (install_profiles(case, rest),),
        ),
    )
