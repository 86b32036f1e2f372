"""What is written into a project: for a person at a terminal, and as a document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmdoctor.render import plans
from llmdoctor.render.terminal import command

if TYPE_CHECKING:
    from llmdoctor.render.terminal import Paper
    from llmdoctor.write import WritePlan


def document(
    planned: Mapping[str, Any], made: WritePlan | None, outcome: str, **more: object
) -> dict[str, Any]:
    """A write: its plan's document, and what came of it.

    outcome: not feasible, declined, already written, written, restored, interrupted or incomplete.
    What files will hold stays out.
    """
    return {
        **planned,
        "schema": "write/1",
        "outcome": outcome,
        "project": made.project if made else None,
        "files": list(made.files) if made else [],
        "changes": list(made.changes) if made else [],
        "moves": list(made.moves) if made else [],
        **dict.fromkeys(("run", "error", "log", "cause")),
        **more,
    }


def planned(made: WritePlan, paper: Paper) -> None:
    """What would be written."""
    choice = made.plan.choice
    paper.verbatim(f"{' + '.join(choice.profiles)} into {made.project}", "bold")
    paper.line(f"torch {choice.torch}, build {choice.variant}")
    if made.plan.source:
        paper.verbatim(f"from {made.plan.source.text}", indent=2)
    whose = "the machine that is assumed" if choice.target.assumed else "this machine"
    paper.line(f"for {whose}: {plans.machine(choice.target)}", indent=2)
    for title, lines in (("pyproject.toml", made.changes), ("the lock", made.moves)):
        if lines:
            paper.line(f"{title}:")
        for text in lines:
            paper.verbatim(f"· {text}", indent=2)


def written(made: WritePlan, paper: Paper, run: str | None) -> None:
    """What came of it, and what to type next."""
    paper.line(f"✓ {one_line(made)}", "green")
    for argv in _next(made):
        paper.verbatim(f"$ {command(argv)}", "bold", 2)
    if run:
        paper.verbatim(f"$ {command(('llmdoctor', 'undo', run))}", "bold", 2)


def one_line(made: WritePlan) -> str:
    """The result in a line."""
    outcome = "written" if made.steps else "already written"
    return f"{outcome}: {' + '.join(made.subjects)} in {made.project}; nothing was installed"


def _next(made: WritePlan) -> list[tuple[str, ...]]:
    """How the environment is made to be what was written; of another machine it is not known."""
    if made.plan.choice.target.assumed:
        return []
    groups = tuple(word for name in made.groups for word in ("--group", name))
    if made.tool == "uv":
        return [("uv", "sync", "--project", made.project, *groups)]
    profiles = (word for name in made.subjects for word in ("--profile", name))
    return [("llmdoctor", "install", *profiles, "--project", made.project)]
