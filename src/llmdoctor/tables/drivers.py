"""CUDA versions and the NVIDIA drivers they need."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import zip_longest
from typing import Any

from llmdoctor.tables.read import numbers, read_table


@dataclass(frozen=True)
class DriverFloor:
    """A lowest driver version. ``exact`` is False where only the branch ("580") is known."""

    version: str
    exact: bool
    status: str
    source: str
    checked: str


@lru_cache(maxsize=256)
def cuda_of_variant(variant: str) -> str:
    """The CUDA of a variant: "cu126" -> "12.6". Raises ValueError for one without, as "cpu"."""
    match = re.fullmatch(r"cu(\d{2})(\d+)", variant)
    if match is None:
        raise ValueError(f"{variant!r} is not a CUDA variant; one looks like cu126")
    return f"{match[1]}.{match[2]}"


@lru_cache(maxsize=256)
def driver_floor(cuda: str, os: str) -> DriverFloor | None:
    """The driver a program of that CUDA *major* needs to load (minor-version compatibility).

    ``cuda`` may be "12.6", "12" or a variant, "cu126"; ``os`` is linux or windows. Under WSL the
    driver is the Windows one, also as nvidia-smi shows it there. None where the table is silent.
    """
    version = cuda_of_variant(cuda) if cuda.startswith("cu") else cuda
    major = version.partition(".")[0]
    for row in read_table("driver")["floor"]:
        if row["cuda"] in (major, version) and os in row:
            return _floor(row[os], row)
    return None


@lru_cache(maxsize=256)
def gpu_driver(capability: str, os: str) -> DriverFloor | None:
    """The first driver branch that knows GPUs of a compute capability; `os` as in `driver_floor`.

    None where no source says: Jetson chips have drivers of their own, and what every CUDA that
    the tables know asks for is newer than the first driver of the older generations.
    """
    for row in read_table("driver")["gpu"]:
        if capability in row["capabilities"] and os in row:
            return _floor(row[os], row)
    return None


@lru_cache(maxsize=256)
def last_driver_branch(capability: str) -> str | None:
    """The last driver branch ("580") that knows GPUs of a compute capability; None: not ended."""
    for row in read_table("driver")["last"]:
        if capability in row["capabilities"]:
            branch: str = row["branch"]
            return branch
    return None


@lru_cache(maxsize=256)
def driver_of_jetpack(capability: str) -> bool:
    """Whether the driver of such a GPU comes with JetPack: only its branch can be compared."""
    return any(capability in row["capabilities"] for row in read_table("driver")["jetpack"])


def toolkit_driver(cuda: str, os: str) -> DriverFloor | None:
    """The driver a CUDA toolkit was released with; "12.6" means its first release, 12.6.0.

    None where the release notes print none (Windows since 13.0) or were not read.
    """
    version = cuda_of_variant(cuda) if cuda.startswith("cu") else cuda
    row = _toolkits().get(version if version.count(".") > 1 else f"{version}.0")
    if row is None or not row.get(os):
        return None
    return _floor(row[os], row)


def compare_driver(a: str, b: str) -> int:
    """-1, 0 or 1 as driver ``a`` is older than, equal to or newer than ``b``, part by part."""
    for left, right in zip_longest(numbers(a), numbers(b), fillvalue=0):
        if left != right:
            return -1 if left < right else 1
    return 0


def is_older_driver(driver: str, needed: str, capabilities: Iterable[str | None]) -> bool:
    """Whether a driver is older than what GPUs of these compute capabilities need.

    "525" names a branch, not its first build; of JetPack's drivers the rest is no number either.
    """
    if "." not in driver or any(each and driver_of_jetpack(each) for each in capabilities):
        driver, needed = driver.partition(".")[0], needed.partition(".")[0]
    return compare_driver(driver, needed) < 0


@cache
def _toolkits() -> dict[str, dict[str, Any]]:
    return {
        cuda: {**group, "linux": linux, "windows": windows}
        for group in read_table("driver")["toolkit"]
        for cuda, linux, windows in group["rows"]
    }


def _floor(version: str, row: dict[str, Any]) -> DriverFloor:
    return DriverFloor(
        version=version,
        exact=row.get("exact", True),
        status=row["status"],
        source=row["source"],
        checked=row["checked"],
    )
