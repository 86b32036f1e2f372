"""For which machines a wheel was made, by the tags in its WHEEL file or in its name.

`packaging` knows it all and costs more to import than every check. What it would list is not asked
here, only whether the wheel can run at all.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from llmdoctor.machine import Host, minor_of

_PYTHON = re.compile(r"(?:cp|py)3(\d+)")
_GLIBC = re.compile(r"manylinux_(\d+)_(\d+)_(.+)")
# The glibc that PEP 600 gives the older names.
_OLD = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_SYSTEMS = {"linux": "linux", "manylin": "linux", "musllin": "linux", "win": "windows"}
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "win32": "i686", "universal2": "any"}
_NAMES = {"linux": "Linux", "windows": "Windows", "macos": "macOS"}


class Misfit(NamedTuple):
    """Why it cannot work there: made for another Python or platform (libc too), a newer glibc."""

    kind: Literal["python", "platform", "glibc"]
    made_for: str


def misfit(tags: tuple[str, ...], python: str | None, host: Host) -> Misfit | None:
    """What is wrong with a wheel of these tags there; None when one of them fits.

    Also None where that cannot be said: no tags, or an unknown Python or system. The wrong that
    is told is the slightest: a tag whose platform fits is nearer than one for another system.
    """
    if not re.match(r"3\.\d", python or "") or "unknown" in (host.system, host.arch):
        return None
    found = [_misfit(single, str(python), host) for tag in tags for single in _singles(tag)]
    if not found or None in found:
        return None
    order = ("glibc", "python", "platform")
    return min((wrong for wrong in found if wrong), key=lambda wrong: order.index(wrong.kind))


def tag_of(file: str) -> str | None:
    """The tag in the name of a wheel ("cp312-cp312-win_amd64"); None for any other file."""
    parts = file.removesuffix(".whl").split("-")
    return "-".join(parts[-3:]) if file.endswith(".whl") and len(parts) in (5, 6) else None


def _singles(tag: str) -> list[tuple[str, str, str]]:
    """A tag may hold sets: "py2.py3-none-any"."""
    parts = tag.split("-")
    if len(parts) != 3:
        return []
    pythons, abis, places = (part.split(".") for part in parts)
    return [(python, abi, place) for python in pythons for abi in abis for place in places]


def _misfit(tag: tuple[str, str, str], python: str, host: Host) -> Misfit | None:
    interpreter, abi, place = tag
    wrong = _wrong_place(place, host)
    if wrong is None and not _runs(interpreter, abi, python):
        return Misfit("python", _python_words(interpreter, abi))
    return wrong


def _runs(interpreter: str, abi: str, python: str) -> bool:
    free_threaded = minor_of(python).endswith("t")
    number = int(re.findall(r"\d+", python)[1])
    if interpreter in ("py3", "cp3"):
        return True
    match = _PYTHON.fullmatch(interpreter)
    if match is None:
        return False  # Python 2, PyPy
    if abi in ("none", "abi3", "abi3t"):  # abi3t is the stable ABI of both builds (PEP 803)
        return int(match[1]) <= number and not (abi == "abi3" and free_threaded)
    return int(match[1]) == number and abi.endswith("t") is free_threaded


def _wrong_place(place: str, host: Host) -> Misfit | None:
    if place == "any":
        return None
    system, arch = _place(place)
    here = "aarch64" if host.arch == "arm64" else host.arch
    if system is None:
        return None  # a platform that is not known here proves nothing
    if system != host.system or arch not in (here, "any"):
        return Misfit("platform", f"{_NAMES[system]}" + ("" if arch == "any" else f" {arch}"))
    needed = _glibc(place)
    libc = host.libc
    family = "glibc" if needed else "musl" if place.startswith("musllinux") else None
    if family and libc and libc.name != family:
        return Misfit("platform", f"{_NAMES[system]} {arch} with {family}")
    if needed and libc and libc.name == "glibc":
        has = tuple(int(part) for part in re.findall(r"\d+", libc.version)[:2])
        if has and has < needed:
            return Misfit("glibc", f"glibc {needed[0]}.{needed[1]}")
    return None


def _place(place: str) -> tuple[str | None, str]:
    """System and processor of a platform tag."""
    if place.startswith("macosx_"):
        arch = re.sub(r"macosx_\d+_\d+_", "", place)
        return "macos", _ARCHITECTURES.get(arch, arch)
    system = next((name for start, name in _SYSTEMS.items() if place.startswith(start)), None)
    arch = re.sub(r"^(?:linux|manylinux\d*|musllinux|win)_?(?:\d+_\d+_)?", "", place)
    arch = arch if place != "win32" else "win32"
    return system, _ARCHITECTURES.get(arch, arch)


def _glibc(place: str) -> tuple[int, int] | None:
    match = _GLIBC.fullmatch(place)
    return (int(match[1]), int(match[2])) if match else _OLD.get(place.partition("_")[0])


def _python_words(interpreter: str, abi: str) -> str:
    match = _PYTHON.fullmatch(interpreter)
    if match is None:
        return f"the interpreter {interpreter}"
    free_threaded = "t" if abi.startswith("cp") and abi.endswith("t") else ""
    return f"Python 3.{match[1]}{free_threaded}"
