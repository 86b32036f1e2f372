"""`llmdoctor smoke`: prove an environment that exists."""

from __future__ import annotations

from typing import Annotated

import typer

from llmdoctor.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    QuietOption,
    VerboseOption,
    emit,
    say,
    shown_errors,
)
from llmdoctor.errors import UsageError

EXAMPLES = """Examples:

llmdoctor smoke

llmdoctor smoke --env ~/lora/.venv --only 'sdpa/*/lora/*'
"""


def smoke(
    env: Annotated[
        str, typer.Option("--env", metavar="DIR", help="The environment to prove.")
    ] = ".venv",
    python: Annotated[
        str | None, typer.Option("--python", metavar="EXE", help="The interpreter to prove.")
    ] = None,
    only: Annotated[
        list[str],
        typer.Option("--only", metavar="GLOB", help="Rows by backend/kernel/mode/dtype."),
    ] = [],  # noqa: B006 - typer reads it and never changes it
    format: FormatOption = Format.terminal,  # noqa: A002
    output: OutputOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Run every attention backend, forward and backward, and check the numbers."""
    with shown_errors():
        from llmdoctor.probe import Subject, look
        from llmdoctor.render import documents, terminal
        from llmdoctor.smoke import prove
        from llmdoctor.system.local import Local

        system = Local()
        subject = Subject(environment=None if python else env, python=python, project=system.cwd())
        environment = look(system, subject).environment
        if environment.executable is None or environment.kind in ("missing", "broken"):
            raise UsageError(
                f"{python or env}: {environment.problem or 'there is no environment'}",
                next_command=f"llmdoctor install --profile cpu --env {env}",
            )
        if not quiet:
            say(f"proving {environment.executable}")
        proof = prove(system, environment.executable, tuple(only))
        if quiet and format is Format.terminal:
            typer.echo(
                "proven" if proof.passed else f"not proven: {proof.problem or 'rows failed'}"
            )
        else:
            emit(
                documents.smoke(proof),
                lambda paper: terminal.smoke(proof, paper, verbose=verbose),
                format=format,
                output=output,
            )
        if not proof.passed:
            raise typer.Exit(1)
