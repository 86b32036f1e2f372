"""File names of prebuilt torch extensions: both grammars, and what the tags in them admit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from llmdoctor.tables.read import numbers

_WHEEL = re.compile(
    r"(?P<package>[A-Za-z0-9_.]+)-(?P<version>[^-+]+)\+(?P<local>[^-+]+)"
    r"(?:-(?P<build>\d[^-]*))?-(?P<python>cp3\d+)-(?P<abi>cp3\d+t?|abi3)-(?P<platform>[^-]+)\.whl"
)
# Official names carry the CUDA major and the C++ ABI; the others the CUDA minor, mostly no ABI,
# some the patch of torch, and flash-attn 3 the commit it was built from.
_LOCAL = re.compile(
    r"cu(?P<cuda>\d{2,3})torch(?P<torch>\d+\.\d+)(?:\.\d+)?"
    r"(?:cxx11abi(?P<abi>TRUE|FALSE))?(?:git(?P<commit>[0-9a-f]+))?"
)
# PEP 600 gives the older names their glibc.
_OLD_MANYLINUX = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}


@dataclass(frozen=True)
class WheelName:
    """What the file name of a torch extension's wheel says.

    ``torch`` is the minor ("2.9"); ``cuda`` is "12.6", or a major "12" in official names;
    ``cxx11_abi`` is None where the name does not say.
    """

    filename: str
    package: str
    version: str
    torch: str
    cuda: str
    cxx11_abi: bool | None
    build: str | None
    commit: str | None
    python_tag: str
    abi_tag: str
    platform_tag: str

    def runs_python(self, python: str) -> bool:
        """Whether the tags admit a CPython, such as "3.12" or "3.13t" (free-threaded)."""
        tag = "cp" + python.replace(".", "")
        if self.abi_tag == "abi3":  # the stable ABI: that Python and later, never free-threaded
            return not tag.endswith("t") and int(tag[3:]) >= int(self.python_tag[3:])
        return self.abi_tag == tag

    def runs_platform(self, os: str, arch: str) -> bool:
        """Whether the tags name this system (linux or windows) and processor."""
        return _runs_platform(self.platform_tag, os, arch)

    @property
    def glibc(self) -> str | None:
        """The oldest glibc the manylinux tags promise, or None where they promise none."""
        floors = []
        for tag in self.platform_tag.split("."):
            if match := re.match(r"manylinux_(\d+)_(\d+)_", tag):
                floors.append(f"{match[1]}.{match[2]}")
            elif old := _OLD_MANYLINUX.get(tag.partition("_")[0]):
                floors.append(old)
        return min(floors, key=numbers, default=None)


def parse_wheel_name(filename: str) -> WheelName:
    """Read a wheel's file name ("%2B" for "+" is understood).

    Raises ValueError, saying what was expected, for a name of neither grammar.
    """
    name = filename.replace("%2B", "+").replace("%2b", "+")
    wheel = _WHEEL.fullmatch(name)
    local = _LOCAL.fullmatch(wheel["local"]) if wheel else None
    if wheel is None or local is None:
        raise ValueError(
            f"{filename!r} is not the name of a torch extension's wheel. Expected "
            "NAME-VERSION+cu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl or "
            "NAME-VERSION+cu128torch2.9-cp312-cp312-linux_x86_64.whl"
        )
    cuda = local["cuda"]
    return WheelName(
        filename=name,
        package=wheel["package"].replace("_", "-"),
        version=wheel["version"],
        torch=local["torch"],
        cuda=cuda if len(cuda) == 2 else f"{cuda[:2]}.{cuda[2:]}",
        cxx11_abi=None if local["abi"] is None else local["abi"] == "TRUE",
        build=wheel["build"],
        commit=local["commit"],
        python_tag=wheel["python"],
        abi_tag=wheel["abi"],
        platform_tag=wheel["platform"],
    )


@lru_cache(maxsize=1024)
def _runs_platform(platform_tag: str, os: str, arch: str) -> bool:
    tags = platform_tag.split(".")
    if os == "windows":
        return {"x86_64": "win_amd64", "aarch64": "win_arm64"}.get(arch) in tags
    return os == "linux" and any(
        tag.endswith(f"_{arch}") and tag.startswith(("linux_", "manylinux")) for tag in tags
    )
