"""`llmdoctor history` and `llmdoctor undo`: what was done, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import ask, emit, say

if TYPE_CHECKING:
    from llmdoctor.render.terminal import Paper


def history(parser: Parser, words: Sequence[str]) -> int:
    """List what llmdoctor did on this machine, newest first."""
    parser.report(quiet=False, verbose=False)
    parser.examples("llmdoctor history")
    options = parser.read(words)

    from llmdoctor import undo as taking_back
    from llmdoctor.render import documents
    from llmdoctor.system.local import Local

    runs, backups = taking_back.runs(Local())

    def write(paper: Paper) -> None:
        for entry in runs:
            outcome = entry.outcome or "cut off"
            paper.line(f"{entry.id}  {outcome}  {' + '.join(entry.profiles)}", "bold")
            paper.verbatim(entry.environment, indent=2)
            if entry.id in backups:
                paper.verbatim(f"former environment: {backups[entry.id]}", indent=2)
        if not runs:
            paper.line("nothing yet")

    emit(documents.history(runs, backups), write, format=options.format, output=options.output)
    return 0


def undo(parser: Parser, words: Sequence[str]) -> int:
    """Put an environment back as it was before a run."""
    parser.add_argument("run", nargs="?", metavar="ID", help="Default: the newest.")
    parser.flag("--yes", "-y", text="Do not ask.")
    parser.examples("llmdoctor undo", "llmdoctor undo 20261120180000-0417 --yes")
    options = parser.read(words)

    from llmdoctor import undo as taking_back
    from llmdoctor.system.local import Local

    system = Local()
    entry = taking_back.find(system, options.run)
    if not ask(f"put {entry.environment} back as it was before {entry.id}?", yes=options.yes):
        return 1
    taking_back.undo(system, entry)
    say(f"{entry.environment} is as it was before {entry.id}")
    return 0
