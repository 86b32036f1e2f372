"""The content-hash of poetry.lock, by each of the rules that Poetry has had.

It covers what a lock depends on, and nothing else: an equal hash means that the lock is fresh, not
that it fits the platform or is whole.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from llmdoctor.probe.toml import as_table

_LEGACY = ("dependencies", "source", "extras", "dev-dependencies")
_PROJECT = ("requires-python", "dependencies", "optional-dependencies")


def manifest_hashes(manifest: dict[str, Any]) -> dict[str, str]:
    """The hash that each generation of Poetry computes, under the first release that hashes so.

    "1.x" knows `[tool.poetry]` alone, "2.0" adds `[project]`, "2.3" adds `[dependency-groups]`. The
    form with nested tables is used only once there is something to nest.

    Raises:
        TypeError: the manifest holds a date there, which Poetry cannot hash either.
    """
    poetry = as_table(as_table(manifest.get("tool")).get("poetry"))
    project = _present(as_table(manifest.get("project")), _PROJECT)
    groups = manifest.get("dependency-groups")
    present = _present(poetry, (*_LEGACY, "group"))
    first = {**dict.fromkeys(_LEGACY), **present}
    second = {"project": project, "tool": {"poetry": present}} if project else first
    third: dict[str, Any] = second
    if groups:
        third = {"dependency-groups": groups, "tool": {"poetry": present}}
        if project:
            third["project"] = project
    return {"1.x": _hash(first), "2.0": _hash(second), "2.3": _hash(third)}


def _present(table: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: table[key] for key in keys if table.get(key) is not None}


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
