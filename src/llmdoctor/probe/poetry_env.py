"""Where Poetry keeps a project's environment, by its settings and naming rule alone."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

from llmdoctor.probe.paths import absolute, is_windows, join
from llmdoctor.probe.toml import parse_toml
from llmdoctor.system import System

_SUFFIX = re.compile(r".*-py(\d+)\.(\d+)")


def poetry_environment(system: System, project: str) -> str | None:
    """The folder of the environment that Poetry would use for `project`, if Poetry has a say.

    None where Poetry would take `<project>/.venv` because it exists, or has made none yet. With
    `virtualenvs.in-project = true` that is `<project>/.venv`, existing or not.
    """
    settings = _settings(system, project)
    dot_venv = join(system, project, ".venv")
    in_project = settings.get("in-project")
    if in_project is True or (in_project is None and system.exists(dot_venv)):
        return dot_venv
    root = _root(system, project, settings)
    # The folder is called <project's name>-<hash of its place>-py3.12: the hash is what tells.
    digest = folder_hash(system, project)
    found = [
        n for n in system.names(root) or () if re.search(rf"-{re.escape(digest)}-py\d+\.\d+$", n)
    ]
    if not found:
        return None
    chosen = _chosen_minor(system, root, digest)

    def rank(entry: str) -> tuple[bool, bool, int]:
        match = _SUFFIX.fullmatch(entry)
        minor = f"{match[1]}.{match[2]}" if match else ""
        # Poetry 1 uses this name where there is no [tool.poetry]; Poetry 2 has its own beside it.
        old = entry.startswith("non-package-mode-")
        return minor == chosen, not old, int(match[2]) if match else 0

    return join(system, root, max(found, key=rank))


def folder_hash(system: System, project: str) -> str:
    """The eight characters that Poetry derives from the project's real path."""
    real = system.real_path(project)
    if is_windows(system):
        real = real.replace("/", "\\").lower()
    return base64.urlsafe_b64encode(hashlib.sha256(real.encode()).digest()).decode()[:8]


def _root(system: System, project: str, settings: dict[str, Any]) -> str:
    cache = settings.get("cache-dir") or _cache(system)
    path = settings.get("path") or "{cache-dir}/virtualenvs"
    path = str(path).replace("{cache-dir}", str(cache)).replace("{project-dir}", project)
    return absolute(system, path)


def _settings(system: System, project: str) -> dict[str, Any]:
    """`cache-dir` and the keys of `virtualenvs` in force: the later source wins."""
    merged: dict[str, Any] = {}
    for path in (
        join(system, _config(system), "config.toml"),
        join(system, project, "poetry.toml"),
    ):
        text = system.read_text(path)
        tables = parse_toml(text, path)[0] if text else {}
        if "cache-dir" in tables:
            merged["cache-dir"] = tables["cache-dir"]
        virtualenvs = tables.get("virtualenvs")
        if isinstance(virtualenvs, dict):
            merged.update(virtualenvs)
    environ = system.environ
    if cache := environ.get("POETRY_CACHE_DIR"):
        merged["cache-dir"] = cache
    if root := environ.get("POETRY_VIRTUALENVS_PATH"):
        merged["path"] = root
    if in_project := environ.get("POETRY_VIRTUALENVS_IN_PROJECT"):
        merged["in-project"] = in_project.lower() in ("true", "1")
    return merged


def _config(system: System) -> str:
    environ, home = system.environ, system.home()
    if folder := environ.get("POETRY_CONFIG_DIR"):
        return folder
    if is_windows(system):
        return join(
            system, environ.get("APPDATA") or join(system, home, "AppData", "Roaming"), "pypoetry"
        )
    if system.uname().system == "macos":
        return join(system, home, "Library", "Application Support", "pypoetry")
    return join(system, environ.get("XDG_CONFIG_HOME") or join(system, home, ".config"), "pypoetry")


def _cache(system: System) -> str:
    environ, home = system.environ, system.home()
    if is_windows(system):
        local = environ.get("LOCALAPPDATA") or join(system, home, "AppData", "Local")
        return join(system, local, "pypoetry", "Cache")
    if system.uname().system == "macos":
        return join(system, home, "Library", "Caches", "pypoetry")
    return join(system, environ.get("XDG_CACHE_HOME") or join(system, home, ".cache"), "pypoetry")


def _chosen_minor(system: System, root: str, digest: str) -> str | None:
    """What `poetry env use` has written down for the project."""
    text = system.read_text(join(system, root, "envs.toml"))
    # Poetry's own bookkeeping: where it cannot be read, the newest environment is meant.
    tables = parse_toml(text, "envs.toml")[0] if text else {}
    for name, entry in tables.items():
        if name.endswith(f"-{digest}") and isinstance(entry, dict):
            minor = entry.get("minor")
            return minor if isinstance(minor, str) else None
    return None
