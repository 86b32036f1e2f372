"""`llmdoctor profiles`: what can be installed, and whether it fits this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from llmdoctor.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    QuietOption,
    emit,
    shown_errors,
)

EXAMPLES = """Examples:

llmdoctor profiles

llmdoctor profiles flashattn
"""


def profiles(
    name: Annotated[str | None, typer.Argument(help="Only this profile.")] = None,
    format: FormatOption = Format.terminal,  # noqa: A002
    output: OutputOption = None,
    quiet: QuietOption = False,
) -> None:
    """List every profile: fits this machine, or why not."""
    with shown_errors():
        from llmdoctor import profiles as catalogue
        from llmdoctor.install import fits
        from llmdoctor.render import documents, terminal
        from llmdoctor.system.local import Local
        from llmdoctor.system.readonly import ReadOnly

        wanted = [catalogue.find(name)] if name else list(catalogue.builtin().values())
        if quiet and format is Format.terminal:
            typer.echo("\n".join(profile.name for profile in wanted))
            return
        rows = fits(ReadOnly(Local()), wanted)
        emit(
            documents.profiles(rows),
            lambda paper: terminal.profiles(rows, paper),
            format=format,
            output=output,
        )
