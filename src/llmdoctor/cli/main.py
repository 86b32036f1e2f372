"""The program: commands and their order in `--help`."""

from __future__ import annotations

from typing import Annotated

import typer

from llmdoctor import __version__
from llmdoctor.cli import check, history, install, profiles, smoke

app = typer.Typer(
    name="llmdoctor",
    help="From any machine to a working, proven local LLM stack.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(*, value: bool) -> None:
    if value:
        typer.echo(f"llmdoctor {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda value: _version(value=value),
            is_eager=True,
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """From any machine to a working, proven local LLM stack."""


app.command(epilog=check.EXAMPLES)(check.check)
app.command(epilog=profiles.EXAMPLES)(profiles.profiles)
app.command(epilog=install.PLAN_EXAMPLES)(install.plan)
app.command(epilog=install.EXAMPLES)(install.install)
app.command(epilog=smoke.EXAMPLES)(smoke.smoke)
app.command(epilog=history.UNDO_EXAMPLES)(history.undo)
app.command(epilog=history.EXAMPLES)(history.history)


def main() -> None:
    """Entry point of the console script."""
    app()
