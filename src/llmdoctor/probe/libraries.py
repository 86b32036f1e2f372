"""Shared libraries that decide which CUDA a program gets: looked up by their names, never loaded.

The folders of LD_LIBRARY_PATH come before those that a wheel's own libraries name (RUNPATH), and
the loader's cache comes last. So one old file in such a folder replaces the one of the wheel.
"""

from __future__ import annotations

import re

from llmdoctor.machine import Environment, Library
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.paths import is_windows, join, name_of
from llmdoctor.system import System

# Those whose wrong version is known to break torch or what stands beside it.
_NAMES = ("cuda", "cublas", "cublasLt", "cudart", "cudnn", "cusparse", "nccl", "nvJitLink")
_FILE = re.compile(rf"(lib(?:{'|'.join(_NAMES)}|stdc\+\+))\.so(?:\.(\d+))?")
_VERSION = re.compile(r"\.so\.([0-9][0-9.]*)$")
_LOADER_CONFIG = "/etc/ld.so.conf.d"
_MOST = 64  # folders of LD_LIBRARY_PATH that are read


def read_libraries(system: System, environment: Environment, guard: Guard) -> tuple[Library, ...]:
    """The libraries by place, most preferred first; none on Windows and macOS."""
    if is_windows(system) or system.uname().system != "linux":
        return ()
    found: list[Library] = []
    for folder in _search_path(system):
        found += guard([], _in_folder, system, "LD_LIBRARY_PATH", folder)
    for folder in guard([], _compat_folders, system):
        found += guard([], _in_folder, system, "compat", folder)
    if environment.kind == "conda" and environment.path:
        folder = join(system, environment.path, "lib")
        found += guard([], _named, system, "conda", folder, ("libstdc++.so.6",))
    for folder in _system_folders(system):
        names = ("libcuda.so", "libcuda.so.1", "libstdc++.so.6")
        found += guard([], _named, system, "system", folder, names)
    return tuple(dict.fromkeys(found))


def _search_path(system: System) -> list[str]:
    """Absolute folders only: an empty entry is the working folder, which is another every time."""
    folders = system.environ.get("LD_LIBRARY_PATH", "").split(":")
    return [folder for folder in dict.fromkeys(folders) if folder.startswith("/")][:_MOST]


def _in_folder(system: System, found: str, folder: str) -> list[Library]:
    """One entry for each library, by the shortest name that carries a number."""
    names = sorted(filter(_FILE.match, system.names(folder) or ()), key=len)
    libraries: dict[str, Library] = {}
    for name in names:
        match = _FILE.match(name)
        if match and match.end() == len(name) and match[2]:
            library = _library(system, found, join(system, folder, name))
            libraries.setdefault(library.name, library)
    return list(libraries.values())


def _named(system: System, found: str, folder: str, names: tuple[str, ...]) -> list[Library]:
    places = (join(system, folder, name) for name in names)
    return [_library(system, found, place) for place in places if system.exists(place)]


def _library(system: System, found: str, path: str) -> Library:
    """The version is the file's behind the links; where that has none, the name's own number."""
    real = name_of(system, system.real_path(path))
    match = _VERSION.search(real) or _VERSION.search(name_of(system, path))
    name = name_of(system, path).partition(".so")[0]
    return Library(name, found, path, match[1] if match else None)


def _compat_folders(system: System) -> list[str]:
    """Folders of cuda-compat in the loader's configuration: images for CUDA bring them so."""
    folders = []
    for name in system.names(_LOADER_CONFIG) or ():
        if "cuda" in name or "compat" in name:
            text = system.read_text(f"{_LOADER_CONFIG}/{name}", 4096) or ""
            folders += [line.strip() for line in text.splitlines() if "compat" in line]
    return [folder for folder in folders if folder.startswith("/")]


def _system_folders(system: System) -> tuple[str, ...]:
    """The loader's own folders for this processor, Debian's layout and Red Hat's."""
    machine = system.uname().machine
    return (f"/usr/lib/{machine}-linux-gnu", "/usr/lib64", "/usr/lib/wsl/lib")
