"""What a CUDA build and the GPUs ask of the NVIDIA driver, and whether a target has it."""

from __future__ import annotations

from llmdoctor import tables
from llmdoctor.plan import Reason, Target
from llmdoctor.tables.read import numbers


def driver_needed(variant: str, target: Target) -> str | None:
    """The oldest driver for a CUDA build and every GPU; None where no table row says."""
    needs = _needs(f"torch {variant}", variant, target)
    return needs[-1][0] if needs else None


def last_branch(target: Target) -> tuple[str, str] | None:
    """The last driver branch that knows every GPU, and the GPU that ends it; None: it goes on."""
    ends = [
        (branch, gpu.name)
        for gpu in target.gpus
        if gpu.compute_capability
        and (branch := tables.last_driver_branch(gpu.compute_capability)) is not None
    ]
    return min(ends, key=lambda end: numbers(end[0]), default=None)


def is_jetson(target: Target) -> bool:
    """Whether a GPU is a Jetson's: its driver is a part of JetPack and cannot be changed alone."""
    return any(
        gpu.compute_capability and tables.driver_of_jetpack(gpu.compute_capability)
        for gpu in target.gpus
    )


def against_driver(label: str, variant: str, target: Target) -> Reason | None:
    """Why the driver does not do for a build that serves the GPUs; None when it does."""
    if target.wsl == 1:
        return Reason("wsl1", f"{label} needs WSL 2: WSL 1 has no GPU", "wsl1-no-gpu")
    if target.driver_missing:
        text = f"{target.gpus[0].name} is there, but no NVIDIA driver answers"
        return Reason("driver-missing", text + _of_jetpack(target), "driver-missing")
    needs = _needs(label, variant, target)
    if not needs:
        cuda = tables.cuda_of_variant(variant)
        return Reason("driver-unknown", f"no table row says what driver CUDA {cuda} needs")
    version, who, what = needs[-1]
    capabilities = [gpu.compute_capability for gpu in target.gpus]
    if target.driver and tables.is_older_driver(target.driver, version, capabilities):
        return Reason(
            "driver-too-old",
            f"{who} needs driver {version} or newer ({what}), this one is {target.driver}"
            + _of_jetpack(target),
            "driver-too-old",
        )
    return None


def for_driver(variant: str, target: Target) -> list[Reason]:
    """What the build needs of the driver, and a GPU where that needs a newer one."""
    needs = _needs(variant, variant, target)
    cuda = tables.cuda_of_variant(variant).partition(".")[0]
    has = f"driver {target.driver}" if target.driver else "the driver is not known; it"
    verb = "runs" if target.driver else "must run"
    of_build = next(version for version, who, _ in needs if who == variant)
    text = f"{has} {verb} every CUDA {cuda} build: they need {of_build} or newer"
    if target.driver and numbers(target.driver) < numbers(of_build):
        branch = target.driver.partition(".")[0]
        text += f" (it is judged as its branch, {branch})"
    version, who, _ = needs[-1]
    more = [] if who == variant else [Reason("driver", f"{who} needs driver {version} or newer")]
    return [Reason("driver", text), *more]


def _of_jetpack(target: Target) -> str:
    return "; a Jetson's driver comes with JetPack" if is_jetson(target) else ""


def _needs(label: str, variant: str, target: Target) -> list[tuple[str, str, str]]:
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
