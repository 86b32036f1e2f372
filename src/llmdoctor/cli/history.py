"""`llmdoctor history` and `llmdoctor undo`: what was done, and taking it back."""

from __future__ import annotations

from typing import Annotated

import typer

from llmdoctor.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    ask,
    emit,
    say,
    shown_errors,
)

EXAMPLES = """Examples:

llmdoctor history
"""

UNDO_EXAMPLES = """Examples:

llmdoctor undo

llmdoctor undo 20261120180000-0 --yes
"""


def history(format: FormatOption = Format.terminal, output: OutputOption = None) -> None:  # noqa: A002
    """List what llmdoctor did on this machine, newest first."""
    with shown_errors():
        from llmdoctor import undo as taking_back
        from llmdoctor.render import documents, terminal
        from llmdoctor.system.local import Local

        runs, backups = taking_back.runs(Local())

        def write(paper: terminal.Paper) -> None:
            for entry in runs:
                outcome = entry.outcome or "cut off"
                paper.line(f"{entry.id}  {outcome}  {' + '.join(entry.profiles)}", "bold")
                paper.verbatim(entry.environment, indent=2)
                if entry.id in backups:
                    paper.verbatim(f"former environment: {backups[entry.id]}", indent=2)
            if not runs:
                paper.line("nothing yet")

        emit(documents.history(runs, backups), write, format=format, output=output)


def undo(
    run: Annotated[str | None, typer.Argument(metavar="ID", help="Default: the newest.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put an environment back as it was before a run."""
    with shown_errors():
        from llmdoctor import undo as taking_back
        from llmdoctor.system.local import Local

        system = Local()
        entry = taking_back.find(system, run)
        if not ask(f"put {entry.environment} back as it was before {entry.id}?", yes=yes):
            raise typer.Exit(1)
        taking_back.undo(system, entry)
        say(f"{entry.environment} is as it was before {entry.id}")
