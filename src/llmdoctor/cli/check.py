"""`llmdoctor check`: look and judge. No network, no writing, no import from the patient."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from llmdoctor.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    QuietOption,
    VerboseOption,
    emit,
    shown_errors,
)

EXAMPLES = """Examples:

llmdoctor check

llmdoctor check --profile mainline --profile flashattn

llmdoctor check --env ~/comfy/.venv --format json

llmdoctor check --select TORCH --fail-on warning
"""


class FailOn(str, Enum):
    """From which severity on the exit code is 1."""

    error = "error"
    warning = "warning"
    never = "never"


def check(
    profile: Annotated[
        list[str],
        typer.Option("--profile", metavar="P", help="Judge for this profile; repeatable."),
    ] = [],  # noqa: B006 - typer reads it and never changes it
    env: Annotated[
        str | None, typer.Option("--env", metavar="DIR", help="The environment to look at.")
    ] = None,
    python: Annotated[
        str | None, typer.Option("--python", metavar="EXE", help="The interpreter to look at.")
    ] = None,
    project: Annotated[
        str, typer.Option("--project", metavar="DIR", help="The project to look at.")
    ] = ".",
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="Judge a saved look instead (- is stdin)."),
    ] = None,
    select: Annotated[
        list[str], typer.Option("--select", metavar="CODE", help="Only these checks (a prefix).")
    ] = [],  # noqa: B006
    ignore: Annotated[
        list[str], typer.Option("--ignore", metavar="CODE", help="Not these checks (a prefix).")
    ] = [],  # noqa: B006
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="From where on the exit code is 1.")
    ] = FailOn.error,
    list_: Annotated[bool, typer.Option("--list", help="List the checks and exit.")] = False,
    format: FormatOption = Format.terminal,  # noqa: A002
    output: OutputOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Say what is wrong on this machine, why, and what to type next."""
    with shown_errors():
        from llmdoctor import diagnose
        from llmdoctor.render import documents
        from llmdoctor.system.local import Local
        from llmdoctor.system.readonly import ReadOnly

        if list_:
            for declared in diagnose.catalogue():
                typer.echo(f"{declared.code}  {declared.severity:7}  {declared.title}")
            return
        system = ReadOnly(Local())
        report = diagnose.diagnose(
            system,
            diagnose.Question(
                profiles=tuple(profile),
                environment=env,
                python=python,
                project=project,
                snapshot=from_,
                select=tuple(select),
                ignore=tuple(ignore),
            ),
        )
        document = documents.check(report)
        if quiet and format is Format.terminal:
            typer.echo(diagnose.one_line(report))
        else:
            from llmdoctor.render import terminal

            emit(
                document,
                lambda paper: terminal.check(report, paper, verbose=verbose),
                format=format,
                output=output,
            )
        failing = {"error": ("error",), "warning": ("error", "warning"), "never": ()}
        if report.worst in failing[fail_on.value]:
            raise typer.Exit(1)
