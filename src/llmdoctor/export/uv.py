"""A pyproject.toml for uv."""

from __future__ import annotations

from llmdoctor.export._lines import from_torch_index, headline, torch_index, wanted
from llmdoctor.plan import Plan

_PLATFORMS = {"linux": "linux", "windows": "win32", "macos": "darwin"}


def uv(plan: Plan) -> str:
    """A uv project: torch from its explicit index, locked for the plan's platform alone."""
    import tomlkit

    target = plan.choice.target
    document = tomlkit.document()
    document.add(tomlkit.comment(headline(plan)))
    document["project"] = {
        "name": "llm-stack",
        "version": "0",
        "requires-python": f"=={target.python}.*",
        "dependencies": [item.text for item in wanted(plan)],
    }
    settings: dict[str, object] = {
        "environments": [f"sys_platform == '{_PLATFORMS.get(target.os, target.os)}'"]
    }
    if index := torch_index(plan):
        settings["sources"] = {name: {"index": "torch"} for name in from_torch_index(plan)}
        settings["index"] = [{"name": "torch", "url": index, "explicit": True}]
    document["tool"] = {"uv": settings}
    return tomlkit.dumps(document)
