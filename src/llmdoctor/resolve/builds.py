"""Whether a build of torch runs on a target, and why it does or does not."""

from __future__ import annotations

import functools
from typing import NamedTuple

from llmdoctor import tables
from llmdoctor.plan import Reason, Target
from llmdoctor.profile import Hardware, Profile, TorchPin
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
        return Reason(
            "platform",
            f"{label} is not published for {target.os} {target.arch}",
            "no-wheel-for-platform",
        )
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
    return _against_driver(label, variant, target) or _against_gpus(label, release, variant, target)


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


def driver_needed(variant: str, target: Target) -> str | None:
    """The oldest driver for a CUDA build and every GPU; None where no table row says."""
    needs = _driver_needs(f"torch {variant}", variant, target)
    return needs[-1][0] if needs else None


def _driver_needs(label: str, variant: str, target: Target) -> list[tuple[str, str, str]]:
    """Who needs which driver, and for what: (version, who, what for), the newest last.

    Empty where the build's own need is not known. Under WSL the driver is the one of Windows.
    """
    os = "windows" if target.wsl else target.os
    floor = tables.driver_floor(variant, os)
    if floor is None:
        return []
    cuda = tables.cuda_of_variant(variant).partition(".")[0]
    needs = [(floor.version, label, f"CUDA {cuda}.x")]
    for gpu in target.gpus:
        capability = gpu.compute_capability
        if capability and (known := tables.gpu_driver(capability, os)):
            needs.append((known.version, gpu.name, f"compute capability {capability}"))
    return sorted(needs, key=lambda need: numbers(need[0]))


def _against_driver(label: str, variant: str, target: Target) -> Reason | None:
    if target.wsl == 1:
        return Reason("wsl1", f"{label} needs WSL 2: WSL 1 has no GPU", "wsl1-no-gpu")
    if target.driver_missing:
        return Reason(
            "driver-missing",
            f"{target.gpus[0].name} is there, but no NVIDIA driver answers",
            "driver-missing",
        )
    needs = _driver_needs(label, variant, target)
    if not needs:
        cuda = tables.cuda_of_variant(variant)
        return Reason("driver-unknown", f"no table row says what driver CUDA {cuda} needs")
    version, who, what = needs[-1]
    # "525" names the branch and not its first build: it is judged as the branch
    needed = version if "." in (target.driver or "") else version.partition(".")[0]
    if target.driver and tables.compare_driver(target.driver, needed) < 0:
        return Reason(
            "driver-too-old",
            f"{who} needs driver {version} or newer ({what}), this one is {target.driver}",
            "driver-too-old",
        )
    return None


def _against_gpus(
    label: str, release: tables.TorchRelease, variant: str, target: Target
) -> Reason | None:
    compiled = release.architectures(variant, target.os, target.arch)
    cuda = tables.cuda_of_variant(variant)
    if compiled is None:
        return Reason("architectures-unknown", f"what {label} is compiled for is not in the table")
    for gpu in target.gpus:
        capability = gpu.compute_capability
        if capability is None:
            return Reason("gpu-unknown", f"the compute capability of {gpu.name} is not known")
        if not tables.any_runs_on(compiled, capability, cuda):
            newest = max(compiled, key=numbers)
            too_new = numbers(capability) > numbers(newest)
            return Reason(
                "gpu-architecture",
                f"{label} has no kernels for {gpu.name} (compute capability {capability}): "
                f"it is compiled for {', '.join(compiled)}",
                "gpu-too-new-for-torch" if too_new else "gpu-dropped-by-torch",
            )
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
    reasons += _for_driver(variant, target)
    for gpu in target.gpus:
        text = f"{gpu.name} has compute capability {gpu.compute_capability}"
        reasons.append(Reason("gpu", f"{text}; {variant} is compiled for {compiled}"))
    return (*reasons, Reason("variant", f"{variant}: {stack.torch.reason}"))


def _for_driver(variant: str, target: Target) -> list[Reason]:
    """What the build needs of the driver, and a GPU where that needs a newer one."""
    needs = _driver_needs(variant, variant, target)
    cuda = tables.cuda_of_variant(variant).partition(".")[0]
    has = f"driver {target.driver}" if target.driver else "the driver is not known; it"
    verb = "runs" if target.driver else "must run"
    of_build = next(version for version, who, _ in needs if who == variant)
    text = f"{has} {verb} every CUDA {cuda} build: they need {of_build} or newer"
    version, who, _ = needs[-1]
    more = [] if who == variant else [Reason("driver", f"{who} needs driver {version} or newer")]
    return [Reason("driver", text), *more]


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
