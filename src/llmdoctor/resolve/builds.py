"""Whether a build of torch runs on a target, and why it does or does not."""

from __future__ import annotations

import functools
from typing import NamedTuple

from llmdoctor import tables
from llmdoctor.plan import Reason, Target
from llmdoctor.profile import Hardware, Profile, TorchPin
from llmdoctor.resolve.drivers import against_driver, driver_needed, for_driver
from llmdoctor.tables.read import numbers


class Anchor(NamedTuple):
    """What of a stack its builds are judged by."""

    name: str
    title: str
    torch: TorchPin
    python: str
    python_reason: str
    hardware: Hardware | None


def anchor_of(stack: Profile) -> Anchor:
    """The anchor of a stack; every stack has a torch."""
    assert stack.torch is not None
    return Anchor(
        stack.name, stack.title, stack.torch, stack.python, stack.python_reason, stack.hardware
    )


def against_hardware(stack: Anchor, target: Target) -> Reason | None:
    """Why a stack that nobody named is not for the target's hardware; None when it is."""
    meant = stack.hardware
    if meant is None:
        return None
    capabilities = {gpu.compute_capability for gpu in target.gpus}
    if target.arch in meant.arch and not capabilities.isdisjoint(meant.capabilities):
        return None
    text = (
        f"{stack.name} is for {' or '.join(meant.arch)} with a GPU of compute capability "
        f"{' or '.join(meant.capabilities)}: {meant.reason}"
    )
    return Reason("hardware", text)


def against_build(
    stack: Anchor, variant: str, target: Target, allow: tuple[str, ...], *, forced: bool
) -> Reason | None:
    """Why this torch build cannot be used on the target; None when it can.

    `forced`: the user asked for this very build, with `--variant` or by a stack that has no other.
    """
    version = stack.torch.version
    label = f"torch {version}+{variant}"
    try:
        release = tables.torch_release(version)
    except tables.UnknownRelease as error:
        return Reason("torch-unknown", str(error))
    published = release.publishes(variant, target.os, target.arch)
    if variant != "cpu" and not target.gpus and not (forced and "no-gpu" in allow):
        text = f"{label} needs an NVIDIA GPU, and {target.gpus_note or 'there is none'}"
        if forced and published:
            text += " (override: --allow no-gpu)"
        elif "no-gpu" in allow and published:
            text += f" (--allow no-gpu counts together with --variant, such as {variant})"
        return Reason("no-gpu", text, "no-nvidia-gpu")
    if not published:
        text = f"{label} is not published for {target.os} {target.arch}{_ended(version, target)}"
        return Reason("platform", text, "no-wheel-for-platform")
    if no := _against_python(label, release, stack, target):
        return no
    if target.os == "linux" and (no := _against_libc(label, release, variant, target)):
        return no
    if variant == "cpu":
        if target.gpus and not forced:
            return Reason("gpu-unused", f"{label} would leave {target.gpus[0].name} unused")
        return None
    if not target.gpus:  # for another machine, whose GPUs and driver are not known here
        return None
    # A driver can be replaced, a GPU cannot: what no driver helps is said before what one does.
    return (
        _without_kernels(label, release, variant, target)
        or against_driver(label, variant, target)
        or _unknown_gpu(target)
    )


def _ended(version: str, target: Target) -> str:
    """Which torch was the last for a platform, where there was an earlier one at all."""
    platform = f"{target.os}-{target.arch}"
    last = max(
        (item.version for item in tables.torch_releases() if platform in item.pypi),
        key=numbers,
        default=None,
    )
    if last is None or numbers(last) >= numbers(version):
        return ""
    named = "Intel Macs" if platform == "macos-x86_64" else platform.replace("-", " ")
    return f": torch ended {named} with {last}"


def _against_python(
    label: str, release: tables.TorchRelease, stack: Anchor, target: Target
) -> Reason | None:
    cause = "no-wheel-for-python"
    if is_free_threaded(target.python):
        text = f"Python {target.python} is free-threaded, for which no profile has been proven"
        return Reason("python", text, cause)
    if not in_range(target.python, stack.python):
        text = f"Python {target.python} is outside {stack.python} ({stack.python_reason})"
        return Reason("python", text, cause)
    has = release.python_on(target.os, target.arch)
    if target.python not in has:
        text = f"{label} has wheels for Python {', '.join(has)}, not for {target.python}"
        return Reason("python", text, cause)
    return None


def _against_libc(
    label: str, release: tables.TorchRelease, variant: str, target: Target
) -> Reason | None:
    needed = release.glibc(target.arch, variant)
    if target.musl:
        return Reason(
            "libc", f"{label} needs glibc, and this system uses musl", "no-wheel-for-platform"
        )
    if needed and target.glibc and numbers(target.glibc) < numbers(needed):
        return Reason(
            "libc", f"{label} needs glibc {needed}, this system has {target.glibc}", "glibc-too-old"
        )
    return None


def _without_kernels(
    label: str, release: tables.TorchRelease, variant: str, target: Target
) -> Reason | None:
    compiled = release.architectures(variant, target.os, target.arch)
    if compiled is None:
        return Reason("architectures-unknown", f"what {label} is compiled for is not in the table")
    lost = [
        (gpu.name, gpu.compute_capability)
        for gpu in target.gpus
        if gpu.compute_capability
        and not serves(release, variant, target.os, target.arch, gpu.compute_capability)
    ]
    if not lost:
        return None
    names = [f"{name} (compute capability {capability})" for name, capability in lost]
    oldest = min(compiled, key=numbers)
    dropped = any(numbers(capability) < numbers(oldest) for _, capability in lost)
    return Reason(
        "gpu-architecture",
        f"{label} has no kernels for {' and '.join(dict.fromkeys(names))}: "
        f"it is compiled for {', '.join(compiled)}",
        # Between the oldest and the newest lie chips that code for their neighbours does not run on
        # (Jetson): what they lack is a build that carries them, not the past.
        "gpu-dropped-by-torch" if dropped else "gpu-too-new-for-torch",
    )


def serves(release: tables.TorchRelease, variant: str, os: str, arch: str, capability: str) -> bool:
    """Whether a build for a system has code that runs on a compute capability."""
    compiled = release.architectures(variant, os, arch)
    return bool(compiled) and tables.any_runs_on(
        compiled or (), capability, tables.cuda_of_variant(variant)
    )


def _unknown_gpu(target: Target) -> Reason | None:
    for gpu in target.gpus:
        if gpu.compute_capability is None:
            return Reason("gpu-unknown", f"the compute capability of {gpu.name} is not known")
    return None


def for_build(stack: Anchor, variant: str, target: Target) -> tuple[Reason, ...]:
    """Why the chosen build fits, in the words of the facts."""
    release = tables.torch_release(stack.torch.version)
    reasons = [
        Reason("stack", f"{stack.name}: {stack.title}"),
        Reason("python", f"Python {target.python} is in {stack.python}"),
    ]
    if variant == "cpu":
        none = target.gpus_note or "no NVIDIA GPU is there"
        text = "the CPU build was asked for" if target.gpus else none
        if target.os == "macos":
            text = "macOS has no CUDA; the build uses the CPU and Metal (MPS)"
        return (*reasons, Reason("variant", f"cpu: {text}"))
    compiled = ", ".join(release.architectures(variant, target.os, target.arch) or ())
    if not target.gpus:
        why = target.gpus_note or "no NVIDIA GPU is there"
        text = (
            f"{why}, so nothing here can prove {variant}: it is for a machine with a driver from "
            f"{driver_needed(variant, target)} on and a GPU that it is compiled for ({compiled})"
        )
        return (*reasons, Reason("no-gpu", text), Reason("variant", f"{variant}: it was asked for"))
    reasons += for_driver(variant, target)
    for gpu in target.gpus:
        text = f"{gpu.name} has compute capability {gpu.compute_capability}"
        reasons.append(Reason("gpu", f"{text}; {variant} is compiled for {compiled}"))
    return (*reasons, Reason("variant", f"{variant}: {stack.torch.reason}"))


@functools.lru_cache(maxsize=1024)
def in_range(python: str, spec: str) -> bool:
    """Whether a PEP 440 specifier allows a Python; an empty one allows any.

    The ranges are those of the usual Pythons: a free-threaded one ("3.13t") is in none.
    """
    from packaging.specifiers import SpecifierSet

    return not is_free_threaded(python) and SpecifierSet(spec).contains(python)


def is_free_threaded(python: str) -> bool:
    """Whether this is a Python without the global lock, for which wheels have tags of their own."""
    return python.endswith("t")
