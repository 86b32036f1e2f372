"""torch releases: what was published, for which platform, and with which GPU code."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

from llmdoctor.tables.read import numbers, read_table, table_date

_VERSION = re.compile(r"(?P<minor>\d+\.\d+)(?P<patch>\.\d+)?(?:\+.*)?")


class UnknownRelease(LookupError):  # noqa: N818 - "unknown" is the answer, not an error
    """A torch version the table does not know."""

    def __init__(self, version: str, known: str) -> None:
        self.version = version
        super().__init__(f"torch {version} is not in the table of {table_date('torch')} ({known})")


@dataclass(frozen=True)
class Build:
    """One variant of one release on one platform.

    ``architectures`` is None where the build exists but nobody read what it was compiled for;
    ``why`` says so. ``confirmed`` is False where a single source lists the build.
    """

    variant: str
    platform: str
    architectures: tuple[str, ...] | None
    why: str
    confirmed: bool
    source: str
    status: str
    checked: str


@dataclass(frozen=True)
class TorchRelease:
    """One torch release. ``version`` is the patch asked for, or the newest of its minor.

    ``python`` lists Python versions ("3.12", "3.13t" for free-threaded) with wheels on at least
    one platform; `python_on` narrows that. ``cpu_index_python`` lists those of the platforms that
    the index of the CPU builds serves and PyPI does not. ``triton`` is the requirement of torch's
    own metadata ("==3.5.1"), which below ``triton_below_python`` only applies to older Pythons.
    ``macos`` is the lowest macOS of the wheels. ``other_variants`` are published for GPUs of other
    makers.
    """

    version: str
    minor: str
    patches: tuple[str, ...]
    python: tuple[str, ...]
    requires_python: str
    triton: str
    triton_below_python: str | None
    cudnn: str
    macos: str
    builds: tuple[Build, ...]
    other_variants: tuple[str, ...]
    note: str
    source: str
    checked: str
    pypi: Mapping[str, str] = field(repr=False)
    python_limits: tuple[Mapping[str, str], ...] = field(repr=False)
    glibc_by_arch: Mapping[str, str] = field(repr=False)
    glibc_by_variant: Mapping[str, str] = field(repr=False)
    abi_by_arch: Mapping[str, bool] = field(repr=False)
    abi_by_variant: Mapping[str, bool] = field(repr=False)
    cudnn_by_variant: Mapping[str, str] = field(repr=False)
    cpu_index_python: Mapping[str, tuple[str, ...]] = field(repr=False)

    @property
    def variants(self) -> tuple[str, ...]:
        """Every variant to offer somewhere: cpu, then CUDA ascending, then other makers'."""
        cuda = {build.variant for build in self.builds if build.confirmed}
        return ("cpu", *sorted(cuda, key=numbers), *self.other_variants)

    @property
    def unconfirmed_variants(self) -> tuple[str, ...]:
        """Variants only one source lists: look at the index before offering one."""
        doubtful = {build.variant for build in self.builds if not build.confirmed}
        return tuple(sorted(doubtful.difference(self.variants), key=numbers))

    def build(self, variant: str, os: str, arch: str) -> Build | None:
        """The row for a CUDA variant, confirmed or not."""
        platform = f"{os}-{arch}"
        for build in self.builds:
            if build.variant == variant and build.platform == platform:
                return build
        return None

    def publishes(self, variant: str, os: str, arch: str) -> bool:
        """Whether wheels of this variant are known to exist for the platform."""
        if variant == "cpu":
            # Where PyPI has a wheel, CUDA or not, the CPU index has one too.
            return f"{os}-{arch}" in self.pypi or f"{os}-{arch}" in self.cpu_index_python
        if variant in self.other_variants:
            return (os, arch) == ("linux", "x86_64")
        build = self.build(variant, os, arch)
        return build is not None and build.confirmed

    def architectures(self, variant: str, os: str, arch: str) -> tuple[str, ...] | None:
        """Compute capabilities with machine code, ascending; none for cpu.

        None: not published for the platform, or unknown (also for other makers' GPUs).
        """
        if not self.publishes(variant, os, arch):
            return None
        if variant == "cpu":
            return ()
        build = self.build(variant, os, arch)
        return build.architectures if build else None

    def architectures_where_unsaid(
        self, variant: str, os: str, arch: str
    ) -> tuple[tuple[str, ...], ...]:
        """`architectures` of each platform it may be, where `os` or `arch` is "unknown"."""
        places = itertools.product(
            ("linux", "windows") if os == "unknown" else (os,),
            ("x86_64", "aarch64") if arch == "unknown" else (arch,),
        )
        found = (self.architectures(variant, *place) for place in places)
        return tuple(dict.fromkeys(codes for codes in found if codes))

    def python_on(self, os: str, arch: str) -> tuple[str, ...]:
        """The Python versions with wheels on one platform; () where torch has none at all."""
        if not self.publishes("cpu", os, arch):
            return ()
        platform = f"{os}-{arch}"
        if platform in self.cpu_index_python:
            return self.cpu_index_python[platform]
        elsewhere = {
            limit["python"] for limit in self.python_limits if limit.get("on", platform) != platform
        }
        return tuple(python for python in self.python if python not in elsewhere)

    def glibc(self, arch: str, variant: str | None = None) -> str | None:
        """The oldest glibc the Linux wheels run on, by their manylinux tag."""
        return self.glibc_by_variant.get(variant or "") or self.glibc_by_arch.get(arch)

    def cxx11_abi(self, variant: str, arch: str = "x86_64") -> bool | None:
        """Whether the Linux build uses the C++11 string ABI; None where unknown or no such build.

        Extensions compiled against the other ABI fail on import with undefined symbols.
        """
        if variant not in self.variants and variant not in self.unconfirmed_variants:
            return None
        if variant in self.abi_by_variant:
            return self.abi_by_variant[variant]
        return self.abi_by_arch.get(arch)

    def cudnn_of(self, variant: str) -> str:
        """The cuDNN a CUDA variant was built with."""
        return self.cudnn_by_variant.get(variant, self.cudnn)


@lru_cache(maxsize=256)
def torch_release(version: str) -> TorchRelease:
    """The release of "2.9.1", "2.9.1+cu126" or "2.9" (its newest patch).

    Raises UnknownRelease for anything else, pre-releases and vendor builds included.
    """
    match = _VERSION.fullmatch(version)
    if match is None or match["minor"] not in _rows():
        minors = list(_rows())
        raise UnknownRelease(version, f"it knows {minors[0]} to {minors[-1]}")
    row = _rows()[match["minor"]]
    patch = match["minor"] + match["patch"] if match["patch"] else row["patches"][-1]
    if patch not in row["patches"]:
        raise UnknownRelease(version, f"of {match['minor']} it knows {', '.join(row['patches'])}")
    return _release(match["minor"], patch)


def torch_releases() -> tuple[TorchRelease, ...]:
    """Every minor release at its newest patch, oldest first."""
    return tuple(_release(minor, row["patches"][-1]) for minor, row in _rows().items())


def pypi_default_variant(version: str, os: str, arch: str) -> str | None:
    """What a plain ``pip install torch`` gives; None where PyPI has no wheel for the platform."""
    return torch_release(version).pypi.get(f"{os}-{arch}")


@cache
def _rows() -> dict[str, dict[str, Any]]:
    return {row["minor"]: row for row in read_table("torch")["release"]}


@cache
def _release(minor: str, patch: str) -> TorchRelease:
    row = _rows()[minor]
    limits = tuple(row.get("python_only", ()))
    dropped = {limit["python"] for limit in limits if limit.get("version", patch) != patch}
    return TorchRelease(
        version=patch,
        minor=minor,
        patches=tuple(row["patches"]),
        python=tuple(python for python in row["python"] if python not in dropped),
        requires_python=row["requires_python"],
        triton=row["triton"][patch],
        triton_below_python=row.get("triton_below_python"),
        cudnn=row["cudnn"],
        macos=row["macos"],
        builds=tuple(_build(build) for build in row["builds"]),
        other_variants=tuple(row["other"]),
        note=row.get("note", ""),
        source=row["source"],
        checked=row["checked"],
        pypi=MappingProxyType(row["pypi"]),
        python_limits=limits,
        glibc_by_arch=MappingProxyType(row["glibc"]),
        glibc_by_variant=MappingProxyType(row.get("glibc_variant", {})),
        abi_by_arch=MappingProxyType(row["cxx11_abi"]),
        abi_by_variant=MappingProxyType(row.get("cxx11_abi_variant", {})),
        cudnn_by_variant=MappingProxyType(row.get("cudnn_variant", {})),
        cpu_index_python=MappingProxyType(
            {place["on"]: tuple(place["python"]) for place in row.get("cpu_index", ())}
        ),
    )


def _build(row: dict[str, Any]) -> Build:
    table = read_table("torch")
    source = table["source"][row["by"]]
    return Build(
        variant=row["variant"],
        platform=row["on"],
        architectures=tuple(table["code"][row["code"]]) if "code" in row else None,
        why=row.get("why", ""),
        confirmed=row.get("confirmed", True),
        source=source["text"],
        status=source["status"],
        checked=source["checked"],
    )
