"""Whether a build of torch runs on a target, and why it does or does not."""

from __future__ import annotations

import functools

from llmdoctor import tables
from llmdoctor.plan import Reason, Target
from llmdoctor.profile import Profile
from llmdoctor.tables.read import numbers


def against_build(stack: Profile, variant: str, target: Target, *, forced: bool) -> Reason | None:
    """Why this torch build cannot be used on the target; None when it can."""
    assert stack.torch is not None
    version = stack.torch.version
    label = f"torch {version}+{variant}"
    try:
        release = tables.torch_release(version)
    except tables.UnknownRelease as error:
        return Reason("torch-unknown", str(error))
    if variant != "cpu" and not target.gpus:
        but = target.gpus_note or "there is none"
        return Reason("no-gpu", f"{label} needs an NVIDIA GPU, and {but}", "no-nvidia-gpu")
    if not release.publishes(variant, target.os, target.arch):
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
    return _against_driver(label, variant, target) or _against_gpus(label, release, variant, target)


def _against_python(
    label: str, release: tables.TorchRelease, stack: Profile, target: Target
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


def driver_floor_of(variant: str, target: Target) -> tables.DriverFloor | None:
    """The oldest driver for a build. Under WSL the driver is the one of Windows."""
    return tables.driver_floor(variant, "windows" if target.wsl else target.os)


def _against_driver(label: str, variant: str, target: Target) -> Reason | None:
    floor = driver_floor_of(variant, target)
    cuda = tables.cuda_of_variant(variant)
    if target.wsl == 1:
        return Reason("wsl1", f"{label} needs WSL 2: WSL 1 has no GPU", "wsl1-no-gpu")
    if target.driver_missing:
        return Reason(
            "driver-missing",
            f"{target.gpus[0].name} is there, but no NVIDIA driver answers",
            "driver-missing",
        )
    if floor is None:
        return Reason("driver-unknown", f"no table row says what driver CUDA {cuda} needs")
    # "525" names the branch and not its first build: it is judged as the branch
    needed = floor.version if "." in (target.driver or "") else floor.version.partition(".")[0]
    if target.driver and tables.compare_driver(target.driver, needed) < 0:
        return Reason(
            "driver-too-old",
            f"{label} needs driver {floor.version} or newer (CUDA {cuda.split('.')[0]}.x), "
            f"this one is {target.driver}",
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


def for_build(stack: Profile, variant: str, target: Target) -> tuple[Reason, ...]:
    """Why the chosen build fits, in the words of the facts."""
    assert stack.torch is not None
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
    floor = driver_floor_of(variant, target)
    cuda = tables.cuda_of_variant(variant)
    assert floor is not None
    has = f"driver {target.driver}" if target.driver else "the driver is not known; it"
    verb = "runs" if target.driver else "must run"
    reasons.append(
        Reason(
            "driver",
            f"{has} {verb} every CUDA {cuda.split('.')[0]} build: they need {floor.version} "
            "or newer",
        )
    )
    compiled = ", ".join(release.architectures(variant, target.os, target.arch) or ())
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
