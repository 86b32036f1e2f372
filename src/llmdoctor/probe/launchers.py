"""Which Python environment a program on PATH belongs to, and the version its dist-info gives.

Nothing is run: `poetry --version` alone takes seconds.
"""

from __future__ import annotations

import re

from llmdoctor.machine import Tool
from llmdoctor.probe.paths import is_windows, join, parent
from llmdoctor.system import System

_HEAD = 1024  # bytes of a launcher that are read
_MINOR = re.compile(r"python3\.\d+t?")  # t: free-threaded


def find_tool(system: System, name: str, *, distribution: str | None = None) -> Tool | None:
    """The program that PATH finds, with version and prefix where a dist-info tells them."""
    path = system.which(name)
    if path is None:
        return None
    prefixes = []
    for prefix in launcher_prefixes(system, path):
        version = installed_version(system, prefix, distribution or name)
        if version:
            return Tool(name, path, version, prefix)
        if system.exists(join(system, prefix, "pyvenv.cfg")):
            prefixes.append(prefix)
    return Tool(name, path, None, prefixes[0] if prefixes else None)


def launcher_prefixes(system: System, path: str) -> list[str]:
    """The environments that a launcher may belong to, most certain first.

    The interpreter in its first lines; the environment in whose bin it lies; the one in whose bin
    the file lies that it links to (pipx and `uv tool` link from ~/.local/bin).
    """
    real = system.real_path(path)
    prefixes = []
    head = system.read_bytes(real, _HEAD) or b""
    if head.startswith(b"#!"):
        interpreter = parse_shebang(head.decode("utf-8", "replace"))
        if interpreter:
            prefixes.append(parent(system, interpreter, 2))
    prefixes += [parent(system, path, 2), parent(system, real, 2)]
    if is_windows(system):  # pipx copies the launcher; its environment has a fixed place
        stem = system.flavour(path).stem
        home = system.environ.get("PIPX_HOME") or join(system, system.home(), "pipx")
        prefixes.append(join(system, home, "venvs", stem))
        prefixes.append(parent(system, path))  # conda keeps python.exe beside Scripts
    return list(dict.fromkeys(prefixes))


def parse_shebang(head: str) -> str | None:
    """The absolute path of the Python that a launcher's first lines name, else None.

    Long paths and paths with spaces stand in a second line, behind `#!/bin/sh`.
    """
    first, _, rest = head.partition("\n")
    word = first.removeprefix("#!").strip()
    if re.search(r"[\\/]python[\w.]*$", word):
        return word
    if word.split(" ")[0] == "/bin/sh":
        match = re.match(r"'''exec'\s+(?:\"([^\"$`]+)\"|'([^']+)'|([^\s\"'$`]+))", rest)
        return next((part for part in match.groups() if part), None) if match else None
    return None


def site_folders(system: System, prefix: str, minor: str | None = None) -> list[str]:
    """The folders below `prefix` in which packages may be installed; `minor` is "3.12", "3.13t".

    Beside site-packages also Debian's dist-packages, which its own interpreters use.
    """
    if is_windows(system):
        folder = join(system, prefix, "Lib", "site-packages")
        return [folder] if system.exists(folder) else []
    folders = []
    for base in (prefix, join(system, prefix, "local")):
        for lib in ("lib", "lib64"):
            names = system.names(join(system, base, lib)) or ()
            for name in sorted(filter(_MINOR.fullmatch, names), key=_number, reverse=True):
                if minor is None or name == f"python{minor}":
                    folders += [join(system, base, lib, name, "site-packages")]
                    folders += [join(system, base, lib, name, "dist-packages")]
    folders.append(join(system, prefix, "lib", "python3", "dist-packages"))
    found = [folder for folder in folders if system.exists(folder)]
    reals = {system.real_path(folder): folder for folder in reversed(found)}
    return [folder for folder in found if reals[system.real_path(folder)] == folder]


def installed_version(system: System, prefix: str, name: str) -> str | None:
    """The version of a distribution below `prefix`, from the name of its dist-info folder."""
    stem = re.escape(name).replace(r"\-", "[-_.]")
    pattern = re.compile(rf"{stem}-([^-]+?)(?:-py3\.\d+)?\.(?:dist|egg)-info", re.IGNORECASE)
    for folder in site_folders(system, prefix):
        for entry in system.names(folder) or ():
            if match := pattern.fullmatch(entry):
                return match[1]
    return None


def _number(name: str) -> int:
    return int(name.rpartition(".")[2].removesuffix("t"))
