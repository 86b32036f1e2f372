"""Package tools on PATH: Poetry, uv, pip, pipx, conda and mamba."""

from __future__ import annotations

import re

from llmdoctor.machine import Tool
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.launchers import find_tool
from llmdoctor.probe.paths import join, parent
from llmdoctor.system import System


def read_tools(system: System, guard: Guard) -> tuple[Tool, ...]:
    """The tools that PATH finds. Only uv is ever run, which takes milliseconds.

    Poetry's version stays None where no dist-info tells it: starting Poetry takes seconds, and some
    of its commands make environments.
    """
    found = [guard(None, find_tool, system, name) for name in ("poetry", "pip", "pipx")]
    found.append(guard(None, _uv, system))
    found += [guard(None, _conda, system, name) for name in ("conda", "mamba")]
    return tuple(tool for tool in found if tool)


def parse_uv_version(text: str) -> str | None:
    """The version in "uv 0.9.1 (abc 2025-01-01)"."""
    match = re.match(r"uv (\d+(?:\.\w+)+)", text)
    return match[1] if match else None


def _uv(system: System) -> Tool | None:
    tool = find_tool(system, "uv")
    if tool is None or tool.version:
        return tool
    done = system.run([tool.path, "--version"], timeout=5.0)
    return Tool("uv", tool.path, parse_uv_version(done.out), tool.prefix)


def _conda(system: System, name: str) -> Tool | None:
    """Conda keeps one JSON file for each package in the conda-meta folder of its base."""
    path = system.which(name)
    if path is None:
        return None
    real = system.real_path(path)
    for prefix in dict.fromkeys((parent(system, path, 2), parent(system, real, 2))):
        for entry in system.names(join(system, prefix, "conda-meta")) or ():
            if match := re.fullmatch(rf"{name}-(\d[^-]*)-[^-]+\.json", entry):
                return Tool(name, path, match[1], prefix)
    return Tool(name, path)
