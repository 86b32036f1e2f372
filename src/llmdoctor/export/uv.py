"""A pyproject.toml for uv."""

from __future__ import annotations

from llmdoctor.export._lines import from_torch_index, project, torch_index
from llmdoctor.plan import Plan

_PLATFORMS = {"linux": "linux", "windows": "win32", "macos": "darwin"}


def uv(plan: Plan) -> str:
    """A uv project: torch from its explicit index, locked for the plan's platform alone."""
    os = plan.choice.target.os
    settings: dict[str, object] = {"environments": [f"sys_platform == '{_PLATFORMS.get(os, os)}'"]}
    if index := torch_index(plan):
        settings["sources"] = {name: {"index": "torch"} for name in from_torch_index(plan)}
        settings["index"] = [{"name": "torch", "url": index, "explicit": True}]
    return project(plan, "uv", settings)
