"""The project in a folder: its manifest and its lock file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llmdoctor.machine import Lock, Project
from llmdoctor.probe.paths import join
from llmdoctor.probe.toml import get, parse_toml
from llmdoctor.system import System

_LOCKS = {"poetry": "poetry.lock", "uv": "uv.lock", "pip": "pylock.toml"}
LARGEST = 8 * 2**20  # characters; the locks of a thousand packages have two millions


def read_project(system: System, folder: str) -> Project | None:
    """The project in `folder`, or None where there is no manifest.

    Raises:
        UnreadableError: a file of it is denied.
    """
    text = system.read_text(join(system, folder, "pyproject.toml"))
    if text is None:
        names = system.names(folder) or ()
        return Project(folder, "requirements.txt", "pip") if "requirements.txt" in names else None
    manifest, problem = parse_toml(text, "pyproject.toml")
    tool, locked = _tool(manifest, system.names(folder) or ())
    lock = None
    if locked:
        lock, unhashable = _lock(system, join(system, folder, _LOCKS[tool]), tool, manifest)
        problem = problem or unhashable
    project = Project(folder, "pyproject.toml", tool, requires_python(manifest), lock, problem)
    if not manifest or tool == "pip":
        return project
    from llmdoctor.probe import manifest as said

    project = replace(
        project,
        groups=said.groups(manifest),
        extras=said.extras(manifest),
        torch_places=said.torch_places(manifest, tool, text),
    )
    if tool != "poetry":
        return project
    from llmdoctor.probe.quoted import asks_keyring, poetry_commands

    return replace(
        project,
        commands=poetry_commands(system, folder),
        keyring=asks_keyring(system, folder) if system.uname().system == "linux" else None,
    )


def requires_python(manifest: dict[str, Any]) -> str | None:
    """The range of Python versions that `[project]` or else `[tool.poetry.dependencies]` gives."""
    wanted = get(manifest, "project", "requires-python")
    if wanted is None:
        wanted = get(manifest, "tool", "poetry", "dependencies", "python")
        if isinstance(wanted, dict):
            wanted = wanted.get("version")
    return wanted if isinstance(wanted, str) else None


def _tool(manifest: dict[str, Any], names: tuple[str, ...]) -> tuple[str, bool]:
    """Whose project it is, and whether its lock file is there.

    With two locks the manifest's own table decides; a table alone is weaker than a lock. A
    pylock.toml is for any installer, and counts where none of the others is.
    """
    tables = [tool for tool in _LOCKS if isinstance(get(manifest, "tool", tool), dict)]
    locks = [tool for tool in _LOCKS if _LOCKS[tool] in names]
    both = [tool for tool in tables if tool in locks]
    chosen = (both or locks or tables or ["pip"])[0]
    return chosen, chosen in locks


def _lock(
    system: System, path: str, tool: str, manifest: dict[str, Any]
) -> tuple[Lock | None, str | None]:
    text = system.read_text(path, LARGEST + 1)
    if text is None:
        return None, None
    if len(text) > LARGEST:  # its reader says so: see `lock_fit`
        return Lock(path, tool), None
    from llmdoctor.probe.locks import parse_poetry_lock, parse_pylock, parse_uv_lock

    if tool != "poetry":
        return (parse_uv_lock if tool == "uv" else parse_pylock)(text, path), None
    if not manifest:  # unreadable: nothing to hash
        return parse_poetry_lock(text, path, {}), None
    from llmdoctor.probe.content_hash import manifest_hashes

    try:
        return parse_poetry_lock(text, path, manifest_hashes(manifest)), None
    except TypeError as error:
        problem = f"pyproject.toml cannot be hashed as Poetry does it: {error}"
        return parse_poetry_lock(text, path, {}), problem
