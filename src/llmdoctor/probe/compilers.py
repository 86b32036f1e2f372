"""Compilers and build programs on PATH, each asked for its version once."""

from __future__ import annotations

import re

from llmdoctor.machine import Tool
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.launchers import find_tool
from llmdoctor.probe.paths import join, parent
from llmdoctor.system import System

# GNU's compilers answer -dumpfullversion with nothing but the version, and fastest.
_QUESTIONS: dict[str, tuple[str, ...]] = {
    "gcc": ("-dumpfullversion", "-dumpversion"),
    "g++": ("-dumpfullversion", "-dumpversion"),
    "clang": ("--version",),
    "cl": (),
    "ninja": ("--version",),
    "cmake": ("--version",),
}


def read_compilers(system: System, guard: Guard) -> tuple[Tool, ...]:
    """The programs that PATH finds; `version` is None where a program does not tell it."""
    found = [guard(None, _compiler, system, name) for name in _QUESTIONS]
    return tuple(tool for tool in found if tool)


def parse_version(text: str) -> str | None:
    """The first version number in a program's answer."""
    match = re.search(r"\d+(?:\.\d+)+|(?m:^\d+$)", text)
    return match[0] if match else None


def _compiler(system: System, name: str) -> Tool | None:
    path = system.which(name)
    if path is None:
        return None
    # Installed from an index, ninja and cmake are Python scripts: slow to start, quick to look up.
    if name in ("ninja", "cmake") and (system.read_bytes(path, 2) or b"") == b"#!":
        tool = find_tool(system, name)
        if tool and tool.version:
            return tool
    if name == "cmake" and (version := _cmake_version(system, path)):
        return Tool(name, path, version)
    done = system.run([path, *_QUESTIONS[name]], env={"LC_ALL": "C"}, timeout=5.0)
    return Tool(name, path, parse_version(done.out or done.err))


def _cmake_version(system: System, path: str) -> str | None:
    """From the name of its data folder: starting cmake takes longer than all compilers together."""
    share = join(system, parent(system, system.real_path(path), 2), "share")
    found = [re.fullmatch(r"cmake-(\d+\.\d+)", name) for name in system.names(share) or ()]
    versions = [match[1] for match in found if match]
    return versions[0] if len(versions) == 1 else None
