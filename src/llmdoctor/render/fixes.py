"""A fix at a terminal: what is repaired, by problem, how safe that is, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdoctor.render.terminal import command, finding

if TYPE_CHECKING:
    from llmdoctor.finding import Finding
    from llmdoctor.fix import FixPlan, Repair
    from llmdoctor.render.terminal import Paper

_MOST = 20  # lines of detail for one repair, unless all are asked for


def fix(
    made: FixPlan,
    paper: Paper,
    outcome: str,
    *,
    run: str | None,
    backup: str | None,
    left: Sequence[Finding],
    verbose: bool = False,
) -> None:
    """The plan before it is carried out, and what came of it afterwards."""
    if outcome != "kept":
        for repair in (*made.mends, *made.left):
            _repair(repair, paper, None if verbose else _MOST)
        for number, step in enumerate(made.steps if verbose else (), 1):
            paper.item(f"{number}.", step.text)
        paper.line(one_line(made, outcome), "bold")
        return
    paper.line(f"✓ {one_line(made, outcome)}", "green")
    if backup:
        paper.verbatim(f"the former environment is kept: {backup}")
    paper.verbatim(f"$ llmdoctor undo {run}", "bold", 4)
    for item in left:
        finding(item, paper)


def one_line(made: FixPlan, outcome: str) -> str:
    """The whole result in a line."""
    mended, left = len(made.mends), len(made.left)
    if outcome == "nothing to repair":
        return "nothing to repair" + (f"; {left} left to you" if left else "")
    done = {"kept": "repaired", "planned": "to repair"}.get(outcome, outcome)
    codes = f" ({', '.join(made.subjects)})" if made.subjects else ""
    return f"{mended} {done}{codes}" + (f"; {left} left to you" if left else "")


def _repair(repair: Repair, paper: Paper, most: int | None) -> None:
    paper.line(f"· {repair.finding}", "bold")
    word = "left to you" if not repair.steps else repair.safety
    paper.line(f"{word}: {repair.summary}", indent=2)
    for text in repair.details[:most]:
        paper.verbatim(text, "dim", 4)
    if most is not None and len(repair.details) > most:
        paper.line(f"and {len(repair.details) - most} more: see them with --verbose", "dim", 4)
    for argv in repair.commands:
        paper.verbatim(f"$ {command(argv)}", "bold", 4)
    paper.line()
