"""Installed distributions, from the headers in their dist-info folders.

Read by hand: it takes a tenth of what importlib.metadata takes, and that lists the leftovers of an
interrupted pip ("~orch-2.9.1.dist-info") as packages.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Package
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.paths import separator
from llmdoctor.system import System

_HEAD = 16 * 1024  # characters; most headers end far earlier, and the description behind is long
_END = re.compile(r"\n\r?\n")
_FIELD = re.compile(r"^(Name|Version|Requires-Dist):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_TAG = re.compile(r"^Tag:[ \t]*(\S+)", re.MULTILINE)
_ADDRESS = re.compile(r'"url"\s*:\s*"[^"]*?([^"/\\]+\.whl)"')

# What the packages that decide over a stack are imported as. Others are not looked for: a
# distribution need not be imported under its own name, or at all.
MODULES = {
    "accelerate": "accelerate",
    "bitsandbytes": "bitsandbytes",
    "flash-attn": "flash_attn",
    "huggingface-hub": "huggingface_hub",
    "mamba-ssm": "mamba_ssm",
    "numpy": "numpy",
    "peft": "peft",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "torchaudio": "torchaudio",
    "torchvision": "torchvision",
    "transformers": "transformers",
    "triton": "triton",
    "xformers": "xformers",
}


class Installed(NamedTuple):
    """What lies in site-packages folders. `leftovers` are paths.

    `unreadable` are packages whose metadata is denied.
    """

    packages: tuple[Package, ...] = ()
    leftovers: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


def read_packages(
    system: System, folders: tuple[str, ...], guard: Guard, own: str | None = None
) -> Installed:
    """Everything installed in these folders, the earlier ones hiding the same names in later ones.

    Two distributions of one name in the *same* folder both stay: that is a diagnosis. What does not
    lie below `own`, where that is given, is borrowed.
    """
    packages: list[Package] = []
    leftovers: list[str] = []
    unreadable: list[str] = []
    for folder in folders:
        found = guard(Installed(), _scan, system, folder)
        hidden = {package.name for package in packages}
        borrowed = own is not None and not folder.startswith(f"{own}{separator(system)}")
        packages += [
            replace(package, borrowed=True) if borrowed else package
            for package in found.packages
            if package.name not in hidden
        ]
        leftovers += found.leftovers
        unreadable += found.unreadable
    if unreadable:
        more = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        guard.note("denied", f"package metadata: {unreadable[0]}{more}")
    return Installed(tuple(packages), tuple(leftovers), tuple(unreadable))


def normalise(name: str) -> str:
    """A distribution's name as the simple index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def parse_metadata(text: str) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Name, version and requirements of core metadata; the description below is not looked at."""
    end = _END.search(text)
    name = version = None
    requires = []
    for field, value in _FIELD.findall(text, 0, end.start() if end else len(text)):
        if field == "Requires-Dist":
            requires.append(value)
        elif field == "Name":
            name = name or value
        else:
            version = version or value
    return name or None, version or None, tuple(requires)


def parse_wheel_tags(text: str) -> tuple[str, ...]:
    """The tags in a WHEEL file: what platform the installed files are for."""
    return tuple(_TAG.findall(text))


def parse_origin(text: str) -> str | None:
    """The file name of the wheel that a direct_url.json names; its folders are left out."""
    match = _ADDRESS.search(text)
    return re.sub("%2b", "+", match[1], flags=re.IGNORECASE) if match else None


def parse_folder_name(name: str) -> tuple[str, str] | None:
    """Name and version in "torch-2.9.1.dist-info"."""
    match = re.fullmatch(r"(.+?)-([^-]+)(?:-py3\.\d+)?\.(?:dist|egg)-info", name, re.DOTALL)
    return (match[1], match[2]) if match else None


def _scan(system: System, folder: str) -> Installed:
    packages: list[Package] = []
    leftovers: list[str] = []
    unreadable: list[str] = []
    sep = separator(system)
    names = system.names(folder) or ()
    for name in names:
        if name.startswith("~") or (name.startswith("-") and name.endswith("-info")):
            leftovers.append(f"{folder}{sep}{name}")
            continue
        if not name.endswith(("-info", ".egg-link")):
            continue
        place = f"{folder}{sep}{name}"
        try:
            if name.endswith(".dist-info"):
                package = _dist_info(system, place + sep, name)
            elif name.endswith(".egg-info"):
                package = _egg_info(system, place, sep, name)
            else:
                continue
        except UnreadableError as error:
            unreadable.append(str(error))
            package = _by_name(name)
        if package:
            packages.append(_with_files(system, folder + sep, names, package))
    return Installed(tuple(packages), tuple(leftovers), tuple(unreadable))


def _with_files(system: System, place: str, names: tuple[str, ...], package: Package) -> Package:
    """The same with what lies beside its dist-info, for the packages of which that is asked."""
    module = MODULES.get(package.name)
    if module is None or package.editable:
        return package
    if module not in names and not any(name.startswith(f"{module}.") for name in names):
        return replace(package, present=False)
    if package.name == "bitsandbytes":
        files = system.names(place + module) or ()
        found = tuple(name for name in files if name.startswith("libbitsandbytes_"))
        return replace(package, libraries=found)
    return package


def _dist_info(system: System, place: str, name: str) -> Package | None:
    files = system.names(place[:-1]) or ()
    head = _head(system, place + "METADATA") if "METADATA" in files else ""
    found, version, requires = parse_metadata(head)
    if not (found and version):
        if (by_name := parse_folder_name(name)) is None:
            return None
        found, version = found or by_name[0], version or by_name[1]
    wheel = system.read_text(place + "WHEEL") if "WHEEL" in files else None
    installer = system.read_text(place + "INSTALLER", 64) if "INSTALLER" in files else None
    origin = system.read_text(place + "direct_url.json") if "direct_url.json" in files else None
    return Package(
        name=normalise(found),
        version=version,
        requires=requires,
        tags=parse_wheel_tags(wheel or ""),
        installer=(installer or "").strip() or None,
        record="RECORD" in files,
        editable=bool(origin and re.search(r'"editable"\s*:\s*true', origin)),
        metadata="METADATA" in files,
        origin=parse_origin(origin or ""),
    )


def _egg_info(system: System, place: str, sep: str, name: str) -> Package | None:
    """Setuptools' older form: a folder, or (from distutils) the metadata file itself."""
    files = system.names(place) if system.kind(place) != "file" else ()
    head = _head(system, f"{place}{sep}PKG-INFO" if files else place)
    found, version, requires = parse_metadata(head)
    if not (found and version):
        if (by_name := parse_folder_name(name)) is None:
            return None
        found, version = found or by_name[0], version or by_name[1]
    return Package(
        name=normalise(found),
        version=version,
        requires=requires,
        record="installed-files.txt" in (files or ()),
    )


def _by_name(name: str) -> Package | None:
    known = parse_folder_name(name)
    return Package(normalise(known[0]), known[1]) if known else None


def _head(system: System, path: str) -> str:
    text = system.read_text(path, _HEAD) or ""
    if len(text) >= _HEAD and not _END.search(text):
        text = system.read_text(path) or ""
    return text
