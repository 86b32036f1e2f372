"""A pyproject.toml for Poetry 2."""

from __future__ import annotations

from llmdoctor.export._lines import from_torch_index, project, torch_index
from llmdoctor.plan import Plan


def poetry(plan: Plan) -> str:
    """A Poetry project: torch from its explicit source, wheels by address."""
    settings: dict[str, object] = {"package-mode": False}
    if index := torch_index(plan):
        settings["dependencies"] = {name: {"source": "torch"} for name in from_torch_index(plan)}
        settings["source"] = [{"name": "torch", "url": index, "priority": "explicit"}]
    return project(plan, "poetry", settings)
