"""A pyproject.toml for Poetry 2."""

from __future__ import annotations

from llmdoctor.export._lines import from_torch_index, headline, torch_index, wanted
from llmdoctor.plan import Plan


def poetry(plan: Plan) -> str:
    """A Poetry project: torch from its explicit source, wheels by address."""
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
    settings: dict[str, object] = {"package-mode": False}
    if index := torch_index(plan):
        settings["dependencies"] = {name: {"source": "torch"} for name in from_torch_index(plan)}
        settings["source"] = [{"name": "torch", "url": index, "priority": "explicit"}]
    document["tool"] = {"poetry": settings}
    return tomlkit.dumps(document)
