"""Choosing a prebuilt extension wheel, or saying of each release why it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from itertools import groupby

from llmdoctor.tables.drivers import cuda_of_variant
from llmdoctor.tables.gpus import any_runs_on
from llmdoctor.tables.read import numbers
from llmdoctor.tables.releases import TorchRelease, torch_release
from llmdoctor.tables.wheels import Wheel, wheels_of


@dataclass(frozen=True)
class WheelMatch:
    """The wheel to take, or None.

    ``rejected`` pairs each release that was not taken ("flash-attn 2.8.3, official") with its
    reason. ``notes`` say what is worth knowing about ``best``, its caveat included.
    """

    best: Wheel | None
    rejected: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Demand:
    """One thing a wheel has to fit, and how to speak of it."""

    wanted: str
    fits: Callable[[Wheel], bool]
    shows: Callable[[Wheel], str]
    known: Callable[[Wheel], bool] = lambda _: True  # whether it can be told


# Machines differ in ways that no wheel asks about, so a few thousand of them ask a few questions.
@lru_cache(maxsize=4096)
def find_wheel(
    package: str,
    torch: str,
    variant: str,
    python: str,
    os: str,
    arch: str,
    glibc: str | None,
    capabilities: tuple[str, ...] = (),
    avoid: tuple[str, ...] = (),
) -> WheelMatch:
    """The best prebuilt wheel of a package for a torch build: ("flash-attn", "2.9.1", "cu126", …).

    ``package`` is flash-attn (2), flash-attn-3, mamba-ssm or causal-conv1d. ``capabilities`` are
    the compute capabilities of every GPU that has to be served; without any, GPUs play no part.
    ``glibc`` is None where it is unknown, and plays no part on Windows. ``avoid`` are files that
    were tried before and did not come or load.

    A wheel whose GPUs nobody knows comes last, and never where ``capabilities`` are given. Then
    official wheels come before community ones, a wheel of torch's own CUDA before one of the same
    major, a newer release before an older. Raises UnknownRelease for a torch that the table lacks.
    """
    release = torch_release(torch)
    if not variant.startswith("cu"):
        return WheelMatch(None, ((package, f"it needs a CUDA build of torch; this is {variant}"),))
    if not _releases(package):
        return WheelMatch(None, ((package, "the catalogue has no wheels of that name"),))

    cuda = cuda_of_variant(variant)
    demands = (
        _Demand(
            "a file that is at hand and loads",
            lambda w: w.filename not in avoid,
            lambda w: f"{w.filename} is not",
        ),
        *_libc_demands(os, glibc),
        *_kernel_demands(release, cuda, capabilities),
    )
    rejected = []
    survivors: list[Wheel] = []
    for label, named in _named_for(package, torch, variant, python, os, arch):
        fitting = named if isinstance(named, str) else _fitting(named, demands)
        if isinstance(fitting, str):
            rejected.append((label, fitting))
        else:
            survivors.append(max(fitting, key=lambda wheel: _preference(wheel, cuda)))

    best = max(survivors, key=lambda wheel: _preference(wheel, cuda), default=None)
    if best is None:
        return WheelMatch(None, tuple(rejected))
    rejected += [(_label(wheel), _why_second(wheel, best)) for wheel in survivors if wheel != best]
    return WheelMatch(best, tuple(rejected), tuple(_notes(best, cuda, os, glibc)))


# The catalogue is long, and which of it is built for a torch hangs on neither libc nor GPUs.
@lru_cache(maxsize=1024)
def _named_for(
    package: str, torch: str, variant: str, python: str, os: str, arch: str
) -> tuple[tuple[str, tuple[Wheel, ...] | str], ...]:
    """The wheels of each release that are built for a torch build, or why there is none."""
    demands = _demands(torch_release(torch), variant, python, os, arch)
    return tuple((label, _fitting(wheels, demands)) for label, wheels in _releases(package))


def _fitting(wheels: Sequence[Wheel], demands: Sequence[_Demand]) -> tuple[Wheel, ...] | str:
    """The wheels that meet every demand, or the first demand that none of the last ones meets."""
    for demand in demands:
        kept = [wheel for wheel in wheels if demand.fits(wheel)]
        if not kept:
            there_are = sorted({demand.shows(wheel) for wheel in wheels}, key=_natural)
            none = "none" if all(map(demand.known, wheels)) else "none known"
            return f"{none} for {demand.wanted} ({', '.join(there_are)})"
        wheels = kept
    return tuple(wheels)


def _demands(
    release: TorchRelease, variant: str, python: str, os: str, arch: str
) -> tuple[_Demand, ...]:
    major = cuda_of_variant(variant).partition(".")[0]
    abi = release.cxx11_abi(variant, arch)
    everything = [
        _Demand(f"{os} {arch}", lambda w: w.runs_platform(os, arch), lambda w: w.platform_tag),
        _Demand(f"torch {release.minor}", lambda w: w.torch == release.minor, lambda w: w.torch),
        _Demand(
            f"CUDA {major}", lambda w: w.cuda.partition(".")[0] == major, lambda w: f"cu {w.cuda}"
        ),
        _Demand(f"Python {python}", lambda w: w.runs_python(python), lambda w: w.abi_tag),
    ]
    if os == "linux":
        everything.append(
            _Demand(
                f"the C++ ABI of torch {release.version}+{variant}, {_abi_name(abi)}",
                lambda w: abi is not None and _abi_of(w, release, arch) == abi,
                lambda w: f"cu {w.cuda}: {_abi_name(_abi_of(w, release, arch))}",
            )
        )
    return tuple(everything)


def _libc_demands(os: str, glibc: str | None) -> Iterable[_Demand]:
    if os == "linux" and glibc is not None:
        yield _Demand(
            f"glibc {glibc}",
            lambda w: w.needs_glibc is None or numbers(w.needs_glibc) <= numbers(glibc),
            lambda w: f"needs {w.needs_glibc}",
        )


def _kernel_demands(
    release: TorchRelease, cuda: str, capabilities: tuple[str, ...]
) -> Iterable[_Demand]:
    for capability in dict.fromkeys(capabilities):
        yield _Demand(
            f"compute capability {capability}",
            partial(_serves, capability, cuda),
            lambda w: f"cu {w.cuda}: {', '.join(w.architectures or ('GPUs not known',))}",
            lambda w: w.architectures is not None,
        )
        yield _Demand(
            f"right numbers on compute capability {capability}",
            partial(_computes_right, capability),
            lambda w: f"cu {w.cuda}",
        )
    yield _Demand(
        f"the Triton of torch {release.version}, {release.triton}",
        lambda w: not w.triton or numbers(w.triton) <= numbers(release.triton),
        lambda w: f"needs {w.triton} or newer",
    )


def _serves(capability: str, cuda: str, wheel: Wheel) -> bool:
    own = wheel.cuda if "." in wheel.cuda else cuda
    return wheel.architectures is not None and any_runs_on(wheel.architectures, capability, own)


def _computes_right(capability: str, wheel: Wheel) -> bool:
    return capability not in wheel.wrong


def _abi_of(wheel: Wheel, release: TorchRelease, arch: str) -> bool | None:
    """The C++ ABI a wheel was compiled for: what it says, or that of the torch it was built with.

    A wheel may name a CUDA that release was never published for; then the torch it was
    built with is only known where all builds of the release share one ABI.
    """
    if wheel.cxx11_abi is not None:
        return wheel.cxx11_abi
    built_with = release.cxx11_abi("cu" + wheel.cuda.replace(".", ""), arch)
    if built_with is not None:
        return built_with
    abis = {release.cxx11_abi(name, arch) for name in release.variants if name.startswith("cu")}
    return abis.pop() if len(abis) == 1 else None


def _preference(wheel: Wheel, cuda: str) -> tuple[object, ...]:
    own_cuda = wheel.cuda in (cuda, cuda.partition(".")[0])
    step = 0 if own_cuda else numbers(wheel.cuda)[1] - numbers(cuda)[1]
    return (
        wheel.architectures is not None,
        wheel.origin == "official",
        own_cuda,
        numbers(wheel.version),
        # An older toolkit asks less of the driver than a newer one; then the nearest.
        step <= 0,
        -abs(step),
        # A manylinux tag is a promise about glibc, linux_x86_64 is none.
        wheel.glibc is not None,
        wheel.url,
    )


def _why_second(wheel: Wheel, best: Wheel) -> str:
    if wheel.architectures is None and best.architectures is not None:
        return "it fits, but nobody knows which GPUs it was compiled for"
    if wheel.origin != best.origin:
        return "it fits, but an official wheel comes first"
    if wheel.cuda != best.cuda:
        return f"it fits, but is built with CUDA {wheel.cuda}, the chosen one with {best.cuda}"
    return f"it fits, but {best.version} is newer"


def _notes(wheel: Wheel, cuda: str, os: str, glibc: str | None) -> Iterable[str]:
    yield wheel.caveat
    if "." in wheel.cuda and wheel.cuda != cuda:
        yield (
            f"built with CUDA {wheel.cuda} for a torch of CUDA {cuda}: "
            "CUDA's libraries are compatible within one major version"
        )
    if os == "linux" and wheel.glibc is None:
        known = f"by what is known of its build {wheel.built_glibc}" if wheel.built_glibc else ""
        text = f"its name does not say which glibc it needs{known and ', ' + known}"
        yield f"{text} (here: {glibc or 'unknown'})"


@cache
def _releases(package: str) -> tuple[tuple[str, list[Wheel]], ...]:
    """A package's wheels by origin and version: official first, the newest first."""
    ordered = sorted(
        wheels_of(package),
        key=lambda w: (w.origin == "official", numbers(w.version)),
        reverse=True,
    )
    return tuple((label, list(group)) for label, group in groupby(ordered, key=_label))


def _label(wheel: Wheel) -> str:
    return f"{wheel.package} {wheel.version}, {wheel.origin}"


def _abi_name(abi: bool | None) -> str:
    return {True: "the C++11 one", False: "the old one", None: "unknown"}[abi]


def _natural(text: str) -> tuple[tuple[int, ...], str]:
    return numbers(text), text
