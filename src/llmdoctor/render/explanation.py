"""What a log shows, for a person at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmdoctor.render.terminal import Paper, command

if TYPE_CHECKING:
    from llmdoctor.explain import Explanation, Named


def explain(found: Explanation, paper: Paper, *, verbose: bool) -> None:
    """The root cause in full; the others by name, or in full too where asked."""
    if not found.causes:
        paper.line(_unknown(found), "bold")
        paper.line("→ look at the machine itself, or give the log from its first line on:")
        paper.verbatim("$ llmdoctor check", "bold", 2)
        return
    for number, named in enumerate(found.causes):
        if number == 0 or verbose:
            _named(named, paper, root=number == 0)
    if len(found.causes) > 1 and not verbose:
        paper.line("also in this log", "bold")
        for named in found.causes[1:]:
            paper.line(f"· {named.cause}: {named.title} (line {named.evidence[0].line})", indent=2)


def one_line(found: Explanation) -> str:
    """The whole result in a line."""
    if not found.causes:
        return _unknown(found)
    first = found.causes[0]
    return f"{first.cause}: {first.title}"


def _unknown(found: Explanation) -> str:
    where = "this line" if found.lines == 1 else f"these {found.lines} lines"
    return f"no known cause shows in {where}"


def brief(named: Named) -> str:
    """A cause in front of the message of what it made fail."""
    why = " ".join(named.explanation.split())
    lines = [f"{named.title} ({named.cause}, {named.confidence})", f"  {why}"]
    lines += [
        f"→ {named.remedy.summary}",
        *(f"  $ {command(argv)}" for argv in named.remedy.commands),
    ]
    return "\n".join(lines)


def _named(named: Named, paper: Paper, *, root: bool) -> None:
    paper.line(f"{'✗' if root else '·'} {named.title}", "bold red" if root else "bold")
    paper.line(f"{named.cause}, {named.confidence}", "dim", 2)
    paper.line()
    for item in named.evidence:
        paper.verbatim(f"line {item.line}: {item.text}", "dim", 2)
    paper.line()
    paper.line(" ".join(named.explanation.split()), indent=2)
    paper.line(f"→ {named.remedy.summary}", indent=2)
    for argv in named.remedy.commands:
        paper.verbatim(f"$ {command(argv)}", "bold", 4)
    paper.verbatim(named.url, "dim", 2)
    paper.line()
