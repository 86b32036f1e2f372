"""Packages whose version follows from torch: which release to require, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from llmdoctor.tables.drivers import cuda_of_variant
from llmdoctor.tables.gpus import any_runs_on
from llmdoctor.tables.read import numbers, read_table, table_date
from llmdoctor.tables.releases import TorchRelease, torch_release
from llmdoctor.tables.triton_pins import NoTriton, triton_for


@dataclass(frozen=True)
class Place:
    """Where a package is to work: a torch build and the machine under it.

    ``capabilities`` are those of every GPU that has to be served; without any, GPUs play no part.
    ``glibc`` is None where it is unknown. On macOS ``arch`` is arm64 or aarch64, or x86_64.
    """

    torch: str
    variant: str
    python: str
    os: str
    arch: str
    glibc: str | None = None
    capabilities: tuple[str, ...] = ()

    @property
    def platform(self) -> str:
        """The platform as the tables write it: linux-x86_64, macos-arm64."""
        return (
            f"{self.os}-{'arm64' if self.os == 'macos' and self.arch == 'aarch64' else self.arch}"
        )


@dataclass(frozen=True)
class Pin:
    """The release to require. ``torch_index``: from the index of torch's own variant.

    ``notes`` say what a user should know of it, such as that a source was not checked.
    """

    package: str
    specifier: str
    reason: str
    torch_index: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoPin:
    """No release of the package fits there, and why."""

    package: str
    reason: str
    cause: str = "no-wheel-for-platform"


@lru_cache(maxsize=4096)
def pin_for(package: str, place: Place) -> Pin | NoPin:
    """The release of a package that goes with a torch build.

    Packages: triton (triton-windows on Windows), xformers, bitsandbytes, torchao, torchvision,
    torchaudio. Raises UnknownRelease for a torch that the table lacks, KeyError for another
    package.
    """
    if package not in _PINS:
        raise KeyError(f"no pins for {package!r} in the tables; they know {', '.join(_PINS)}")
    return _PINS[package](package, place, torch_release(place.torch))


def pinned_packages() -> tuple[str, ...]:
    """The packages that `pin_for` knows."""
    return tuple(_PINS)


def _triton(package: str, place: Place, release: TorchRelease) -> Pin | NoPin:
    found = triton_for(release.version, place.os, place.arch, place.python)
    if isinstance(found, NoTriton):
        return NoPin(package, found.reason, found.cause)
    return Pin(found.package, found.specifier, found.reason)


def _companion(package: str, _: Place, release: TorchRelease) -> Pin | NoPin:
    row = next(row for row in read_table("companions")["package"] if row["name"] == package)
    spec = row["for"].get(release.version)
    if spec is None:
        when = table_date("companions")
        text = f"the table of {when} does not say which {package} goes with torch {release.version}"
        return NoPin(package, text)
    return Pin(package, spec, f"torch {release.version} goes with {package}{spec}")


def _xformers(package: str, place: Place, release: TorchRelease) -> Pin | NoPin:
    """The release made for that very torch; only the index of torch's variant has its build."""
    fitting = [row for row in read_table("xformers")["release"] if _admits(row["torch"], release)]
    if not fitting:
        text = f"no {package} release of the table of {table_date('xformers')} is for torch"
        return NoPin(package, f"{text} {release.version}")
    # One made for this torch alone before one that takes any later torch; then the newest.
    row = max(fitting, key=lambda r: (r["torch"].startswith("=="), numbers(r["version"])))
    label = f"{package} {row['version']}, the one for torch {release.version},"
    if place.platform not in row["on"]:
        return NoPin(package, f"{label} has wheels for {' and '.join(row['on'])} only")
    if not _has_python(row, place.python):
        return NoPin(package, f"{label} has no wheel for Python {place.python}")
    if place.os == "linux" and _older(place.glibc, row["glibc"]):
        return NoPin(package, f"{label} needs glibc {row['glibc']}, here is {place.glibc}")
    if place.variant not in row["builds"]:
        known = ", ".join(row["builds"])
        return NoPin(package, f"{label} is published for {known}, not for {place.variant}")
    notes: tuple[str, ...] = ()
    if row["builds"][place.variant] == "unverified":
        notes = (f"that the index of {place.variant} has {package} {row['version']} is unverified",)
    reason = f"{package} {row['version']} is built for torch {row['torch']} and {place.variant}"
    return Pin(package, f"=={row['version']}", reason, torch_index=True, notes=notes)


def _bitsandbytes(package: str, place: Place, release: TorchRelease) -> Pin | NoPin:
    """The newest release with a library for the CUDA of torch's variant."""
    if not place.variant.startswith("cu"):
        return NoPin(package, f"{package} is taken for CUDA builds of torch; not {place.variant}")
    cuda = cuda_of_variant(place.variant)
    why = ""
    rows = sorted(read_table("bitsandbytes")["release"], key=lambda r: numbers(r["version"]))
    for row in reversed(rows):
        against = _against_bitsandbytes(row, place, release, cuda)
        if not against:
            reason = f"{package} {row['version']} has a library for CUDA {cuda}"
            return Pin(package, f"=={row['version']}", reason)
        why = why or f"{package} {row['version']} {against}"
    return NoPin(package, why)


def _against_bitsandbytes(
    row: dict[str, Any], place: Place, release: TorchRelease, cuda: str
) -> str:
    """Why this release does not do there; "" when it does."""
    if place.platform not in row["on"]:
        return f"has no wheel for {place.os} {place.arch}"
    if not _admits(row["torch"], release):
        return f"asks for torch{row['torch']}"
    if not _in(row["python"], place.python.removesuffix("t")):
        return f"asks for Python {row['python']}"
    if place.os == "linux" and _older(place.glibc, row["on"][place.platform]):
        return f"needs glibc {row['on'][place.platform]}, here is {place.glibc}"
    if cuda not in row["cuda"]:
        return f"has no library for CUDA {cuda} (it has: {', '.join(row['cuda'])})"
    codes: list[str] = []
    for code in read_table("bitsandbytes")["code"]:
        if code["arch"] == place.arch and numbers(code["cuda"]) <= numbers(cuda):
            codes = code["architectures"]
    for capability in place.capabilities:
        if not any_runs_on(codes, capability, cuda):
            return f"for CUDA {cuda} has no kernels for compute capability {capability}"
    return ""


_PINS: dict[str, Callable[[str, Place, TorchRelease], Pin | NoPin]] = {
    "triton": _triton,
    "xformers": _xformers,
    "bitsandbytes": _bitsandbytes,
    "torchao": _companion,
    "torchvision": _companion,
    "torchaudio": _companion,
}


def _admits(specifier: str, release: TorchRelease) -> bool:
    return _in(specifier, release.version)


@lru_cache(maxsize=1024)
def _in(specifier: str, version: str) -> bool:
    from packaging.specifiers import SpecifierSet  # only a plan needs it

    return SpecifierSet(specifier).contains(version)


def _has_python(row: dict[str, Any], python: str) -> bool:
    """A list of Pythons, or the first that the stable ABI serves; never free-threaded ones."""
    if "python" in row:
        return python in row["python"]
    return not python.endswith("t") and numbers(python) >= numbers(row["python_since"])


def _older(here: str | None, needed: str) -> bool:
    return here is not None and numbers(here) < numbers(needed)
