"""Which wheel tags an interpreter takes; it and its system need not be the ones at hand."""

from __future__ import annotations

import functools

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from llmdoctor.plan import Target
from llmdoctor.tables.read import numbers, read_table

# Oldest glibc that each older manylinux name stands for: PEP 513, 571 and 599.
_MANYLINUX_NAMES = {"2.5": "manylinux1", "2.12": "manylinux2010", "2.17": "manylinux2014"}


def platforms(target: Target) -> tuple[str, ...]:
    """Platform tags of a target, best first."""
    if target.os == "windows":
        return ("win_arm64",) if target.arch in ("aarch64", "arm64") else ("win_amd64",)
    if target.os == "macos":
        major, minor = numbers(macos_version())
        arch = "x86_64" if target.arch == "x86_64" else "arm64"
        return tuple(mac_platforms((major, minor), arch))
    if target.musl or target.glibc is None:
        return (f"linux_{target.arch}",)
    major, minor = (int(part) for part in target.glibc.split(".")[:2])
    oldest = 5 if target.arch in ("x86_64", "i686") else 17
    names = []
    for number in range(minor, oldest - 1, -1):
        names.append(f"manylinux_{major}_{number}_{target.arch}")
        if old := _MANYLINUX_NAMES.get(f"{major}.{number}"):
            names.append(f"{old}_{target.arch}")
    return (*names, f"linux_{target.arch}")


def macos_version() -> str:
    """The macOS that is taken for one that does not say its version: "15.0"."""
    return str(read_table("platform")["macos"]["version"])


def glibc_for_uv(glibc: str | None) -> str:
    """The newest glibc that uv knows by name and the target has; without one, a common old one."""
    known: list[str] = read_table("platform")["uv"]["glibc"]
    mine = numbers(glibc or read_table("platform")["uv"]["usual"])
    return max((one for one in known if numbers(one) <= mine), key=numbers, default=known[0])


@functools.lru_cache(maxsize=8)
def supported(target: Target) -> frozenset[Tag]:
    """Every tag that pip would take on the target's CPython."""
    major, minor = (int(part) for part in target.python.split(".")[:2])
    where = platforms(target)
    return frozenset(
        [
            # the ABI named: left out, packaging takes the doctor's own (free-threaded, debug)
            *cpython_tags((major, minor), [f"cp{major}{minor}"], where),
            *compatible_tags((major, minor), f"cp{major}{minor}", where),
        ]
    )


def fits(filename: str, target: Target) -> bool:
    """Whether a wheel of that name installs on the target; a name that is no wheel's does not."""
    try:
        tags = parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return False
    return not tags.isdisjoint(supported(target))
