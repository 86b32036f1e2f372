"""`llmdoctor plan` and `llmdoctor install`: the same plan, shown or carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from llmdoctor.cli.output import (
    Format,
    FormatOption,
    OutputOption,
    Progress,
    QuietOption,
    VerboseOption,
    ask,
    emit,
    say,
    shown_errors,
)
from llmdoctor.errors import LlmdoctorError, RolledBackError, UsageError

if TYPE_CHECKING:
    from llmdoctor.finding import Finding
    from llmdoctor.install import Prepared, Request
    from llmdoctor.render.documents import Document
    from llmdoctor.render.terminal import Paper
    from llmdoctor.system import System

PLAN_EXAMPLES = """Examples:

llmdoctor plan --profile mainline --profile flashattn

llmdoctor plan --profile mainline --assume os=windows,gpu='RTX 4090',driver=560.94
"""

EXAMPLES = """Examples:

llmdoctor install --profile cpu --yes

llmdoctor install --profile flashattn --env .venv

llmdoctor install --profile cpu --find-links ~/wheels --installer pip
"""

ProfileOption = Annotated[
    list[str],
    typer.Option("--profile", metavar="P", help="A stack, or add-ons; repeatable. See `profiles`."),
]
EnvOption = Annotated[str, typer.Option("--env", metavar="DIR", help="The environment.")]
PythonOption = Annotated[
    str | None,
    typer.Option("--python", metavar="X.Y|EXE", help="The Python of a new environment."),
]
InstallerOption = Annotated[
    str, typer.Option("--installer", metavar="auto|uv|pip", help="The tool that installs.")
]
VariantOption = Annotated[
    str, typer.Option("--variant", metavar="auto|cpu|cuXXX", help="The build of torch.")
]
IndexOption = Annotated[
    str | None, typer.Option("--index-url", metavar="URL", help="The index to take torch from.")
]
LinksOption = Annotated[
    list[str],
    typer.Option("--find-links", metavar="DIR|URL", help="Where wheels lie as well; repeatable."),
]
AllowOption = Annotated[
    list[str], typer.Option("--allow", metavar="CODE", help="Override this exclusion.")
]
NoSmokeOption = Annotated[bool, typer.Option("--no-smoke", help="Do not run the smoke test.")]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Set the environment aside and build it anew.")
]


def plan(
    profile: ProfileOption = [],  # noqa: B006 - typer reads it and never changes it
    env: EnvOption = ".venv",
    python: PythonOption = None,
    installer: InstallerOption = "auto",
    variant: VariantOption = "auto",
    index_url: IndexOption = None,
    find_links: LinksOption = [],  # noqa: B006
    allow: AllowOption = [],  # noqa: B006
    assume: Annotated[
        list[str],
        typer.Option(
            "--assume",
            metavar="KEY=VALUE",
            help="For that machine: os, arch, glibc, python, driver, gpu, cc, ram, wsl.",
        ),
    ] = [],  # noqa: B006
    resolve: Annotated[
        bool, typer.Option("--resolve", help="With --assume: ask the indexes, list every package.")
    ] = False,
    no_smoke: NoSmokeOption = False,
    fresh: FreshOption = False,
    format: FormatOption = Format.terminal,  # noqa: A002
    output: OutputOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what `install` would do, here or on an assumed machine, and why."""
    with shown_errors():
        from llmdoctor import install as road
        from llmdoctor.render import documents, terminal
        from llmdoctor.system.local import Local
        from llmdoctor.target import assume as assumed_target

        request = _request(
            profile, env, python, installer, variant, index_url, find_links, allow,
            smoke=not no_smoke, fresh=fresh,
        )  # fmt: skip
        blocked: tuple[Finding, ...] = ()
        if assume and resolve:
            made = road.resolved(Local(), request, assumed_target(assume))
        elif assume:
            made = road.assumed(request, assumed_target(assume))
        else:
            prepared = road.prepare(Local(), request, (lambda _: None) if quiet else say)
            made, blocked = prepared.plan, prepared.blocked
        feasible = made.choice.feasible and not blocked
        if quiet and format is Format.terminal:
            typer.echo(f"{'feasible' if feasible else 'not feasible'}: {', '.join(profile)}")
        else:
            emit(
                documents.plan(made, blocked),
                lambda paper: terminal.plan(made, paper, blocked=blocked, verbose=verbose),
                format=format,
                output=output,
            )
        if not feasible:
            raise typer.Exit(1)


def install(
    profile: ProfileOption = [],  # noqa: B006
    env: EnvOption = ".venv",
    python: PythonOption = None,
    installer: InstallerOption = "auto",
    variant: VariantOption = "auto",
    index_url: IndexOption = None,
    find_links: LinksOption = [],  # noqa: B006
    allow: AllowOption = [],  # noqa: B006
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    no_smoke: NoSmokeOption = False,
    fresh: FreshOption = False,
    format: FormatOption = Format.terminal,  # noqa: A002
    output: OutputOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Install a profile, prove it, and keep it; or leave everything as it was."""
    with shown_errors():
        from llmdoctor import install as road
        from llmdoctor.system.local import Local

        request = _request(
            profile, env, python, installer, variant, index_url, find_links, allow,
            smoke=not no_smoke, fresh=fresh,
        )  # fmt: skip
        system = Local()
        with road.hold(system, env):
            for entry in road.recover_cut_off(system, env):
                say(f"run {entry.id} had been cut off; {entry.environment} is as it was before it")
            prepared = road.prepare(system, request, (lambda _: None) if quiet else say)
            manner = _Manner(format, output, quiet, verbose)
            done = _carry_out(system, prepared, manner, yes=yes)
        if not done:
            raise typer.Exit(1)


@dataclass(frozen=True)
class _Manner:
    """How this run speaks."""

    format: Format
    output: str | None
    quiet: bool
    verbose: bool

    def emit(self, document: Document, write: Callable[[Paper], None]) -> None:
        emit(document, write, format=self.format, output=self.output)


def _carry_out(system: System, prepared: Prepared, manner: _Manner, *, yes: bool) -> bool:
    """Show the plan, ask, carry it out, show what came of it; False when nothing was done."""
    from llmdoctor import install as road
    from llmdoctor.render import documents, terminal

    made, blocked = prepared.plan, prepared.blocked
    planned = documents.plan(made, blocked)

    def write_plan(paper: Paper) -> None:
        terminal.plan(made, paper, blocked=blocked, verbose=manner.verbose)

    if not made.choice.feasible or blocked:
        manner.emit(documents.install(planned, "not feasible"), write_plan)
        return False
    if manner.format is Format.terminal and not manner.quiet:
        emit(planned, write_plan, format=Format.terminal, output=None)
    if not ask(f"make these changes to {made.environment}?", yes=yes):
        return False
    progress = Progress(quiet=manner.quiet)
    try:
        done = road.carry_out(system, prepared, progress)
    except LlmdoctorError as error:
        progress.clear()
        proof = error.proof if isinstance(error, RolledBackError) else None
        outcome = {4: "restored", 130: "interrupted"}.get(error.exit_code, "incomplete")
        shown = documents.smoke(proof) if proof else None
        document = documents.install(planned, outcome, error=error.message, smoke=shown)
        manner.emit(
            document,
            lambda paper: terminal.smoke(proof, paper, verbose=manner.verbose) if proof else None,
        )
        raise
    progress.clear()
    shown = documents.smoke(done.proof) if done.proof else None
    manner.emit(
        documents.install(planned, "kept", run=done.run, backup=done.backup, smoke=shown),
        lambda paper: terminal.installed(
            made, done, paper, quiet=manner.quiet, verbose=manner.verbose
        ),
    )
    return True


def _request(
    profile: list[str], env: str, python: str | None, installer: str, variant: str,
    index_url: str | None, find_links: list[str], allow: list[str], *, smoke: bool, fresh: bool,
) -> Request:  # fmt: skip
    from llmdoctor import profiles
    from llmdoctor.install import Request

    if not profile:
        raise UsageError("which profile? give --profile", next_command="llmdoctor profiles")
    if installer not in ("auto", "uv", "pip"):
        raise UsageError(
            f"--installer {installer}: this version drives auto, uv and pip",
            next_command="llmdoctor install --installer uv --profile " + profile[0],
        )
    return Request(
        profiles=tuple(profiles.find(name) for name in profile),
        known=tuple(profiles.builtin().values()),
        environment=env,
        python=python,
        installer=installer,
        variant=variant,
        index_url=index_url,
        find_links=tuple(find_links),
        allow=tuple(allow),
        smoke=smoke,
        fresh=fresh,
    )
