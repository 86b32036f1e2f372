"""`llmdoctor plan` and `llmdoctor install`: the same plan, shown or carried out."""

from __future__ import annotations

import contextlib
import re
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from llmdoctor import export
from llmdoctor.cli import writing
from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.failures import ended
from llmdoctor.cli.output import Progress, afterwards, ask, deliver, emit, say
from llmdoctor.cli.requests import declare, declare_assume, door, read_request
from llmdoctor.errors import LlmdoctorError, RolledBackError, UsageError

if TYPE_CHECKING:
    from llmdoctor.finding import Finding
    from llmdoctor.install import Prepared, Request
    from llmdoctor.plan import Plan
    from llmdoctor.render.plans import Asked
    from llmdoctor.render.terminal import Paper
    from llmdoctor.system import System


def plan(parser: Parser, words: Sequence[str]) -> int:
    """Show what `install` would do, here or on an assumed machine, and why."""
    declare(parser)
    declare_assume(parser)
    parser.flag(
        "--resolve",
        text="Ask the indexes and list every package with --assume too, as is done without it.",
    )
    parser.choice(
        "--export",
        export.FORMATS,
        "The choice for a new environment, as that tool's file.",
        optional=True,
    )
    parser.flag("--write", text="Write the choice into the project's pyproject.toml and lock.")
    parser.flag("--yes", "-y", text="With --write: do not ask.")
    parser.examples(
        "llmdoctor plan --profile mainline --profile flashattn",
        "llmdoctor plan --profile mainline --assume os=windows,gpu='RTX 4090',driver=560.94",
        "llmdoctor plan --profile cpu --export pylock --output pylock.toml",
        "llmdoctor plan --profile legacy --write",
    )
    options = parser.read(words)
    writing.see_options(options)
    if options.export and options.format != "terminal":
        parser.error(f"--export {options.export} has a format of its own: leave out --format")

    from llmdoctor import install as road
    from llmdoctor import tables
    from llmdoctor.render import documents, github
    from llmdoctor.target import assume as assumed_target

    request = read_request(options)
    if options.write:
        return writing.write(request, options, lambda made: _shown(made.plan, (), request, options))
    if options.export:  # the file is to hold every package, not only what this one lacks
        request = replace(request, environment=f"{request.environment}.new")
    blocked: tuple[Finding, ...] = ()
    with _told_in_json(request, options):
        if options.assume and options.resolve:
            made = road.resolved(door(options), request, assumed_target(options.assume))
        elif options.assume:
            made = road.assumed(request, assumed_target(options.assume))
        else:
            progress = Progress(quiet=options.quiet)
            prepared = road.prepare(door(options), request, _say(options), progress.bytes)
            progress.clear()
            made, blocked = prepared.plan, prepared.blocked
    feasible = made.choice.feasible and not blocked
    names = " + ".join(made.choice.profiles)
    line = f"{'feasible' if feasible else 'not feasible'}: {names}"
    if options.export and feasible:
        deliver(_exported(made, options, words), options.output)
        return 0
    emit(
        documents.plan(made, tables.dates_read(), blocked),
        _shown(made, blocked, request, options),
        format=options.format,
        output=None if options.export else options.output,  # a reason is no such file
        line=line if options.quiet else None,
        more={"github": lambda: github.plan(made, blocked, line)},
    )
    return int(not feasible)


def install(parser: Parser, words: Sequence[str]) -> int:
    """Install a profile, prove it, and keep it; or leave everything as it was."""
    declare(parser)
    parser.flag("--yes", "-y", text="Do not ask.")
    parser.examples(
        "llmdoctor install --profile cpu --yes",
        "llmdoctor install --profile flashattn --env .venv",
        "llmdoctor install --profile cpu --find-links ~/wheels --installer pip",
        "llmdoctor install --bundle ~/bundle",
    )
    options = parser.read(words)

    from llmdoctor import install as road

    request = read_request(options)
    from llmdoctor.rollback import unclear

    system = door(options)
    with road.hold(system, request.environment):
        for entry in road.recover_cut_off(system, request.environment):
            what = (
                "is as it was before it" if entry.outcome == "restored" else "is not its any more"
            )
            say(f"run {entry.id} had been cut off; {entry.environment} {what}")
            if system.kind(unclear(entry)) is not None:
                say(f"what lay there is kept, since nobody can tell whose it was: {unclear(entry)}")
        with _told_in_json(request, options, "not feasible"):
            progress = Progress(quiet=options.quiet)
            prepared = road.prepare(system, request, _say(options), progress.bytes)
            progress.clear()
        return _carry_out(system, request, prepared, options)


def _say(options: Namespace) -> Callable[[str], None]:
    return (lambda _: None) if options.quiet else say


def _shown(
    made: Plan, blocked: Sequence[Finding], request: Request, options: Namespace
) -> Callable[[Paper], None]:
    """How the plan is shown at a terminal, with commands in the words that were typed."""

    def write(paper: Paper) -> None:
        from llmdoctor import tables
        from llmdoctor.render import plans, terminal
        from llmdoctor.system.local import Local

        asked = _asked(request, options)
        plans.plan(made, paper, asked, blocked=blocked, verbose=options.verbose)
        dates = tables.dates_read()
        terminal.ages(dates, Local().now(), paper, verbose=options.verbose)

    return write


def _asked(request: Request, options: Namespace) -> Asked:
    """What was typed. An alternative keeps everything but the profiles and the build of torch."""
    from llmdoctor.render.plans import Asked

    assumed = getattr(options, "assume", ())  # what fits that machine is no install for this one
    kept: list[tuple[str, ...]] = [("--assume", value) for value in assumed]
    kept += [option for option in request.options() if option[0] != "--variant"]
    return Asked(
        profiles=tuple(profile.name for profile in request.profiles),
        words=("llmdoctor", "plan" if assumed else "install"),
        options=tuple(word for option in kept for word in option),
        spelled={
            profile.name: word
            for profile, word in zip(request.profiles, options.profile, strict=True)
        },
        forced=request.variant != "auto",
    )


def _exported(made: Plan, options: Namespace, words: Sequence[str]) -> str:
    """The plan as the asked file; what works instead is the same line, typed differently."""
    if options.find_links and not made.changes:
        say("--find-links was not looked into: with --assume that takes --resolve")
    try:
        return export.export(made, options.export)
    except UsageError as error:
        if error.next_command:
            raise
        if options.export == "pylock" and options.assume and not options.resolve:
            again = [*words, "--resolve"]
        elif options.export == "dockerfile" and options.assume and made.choice.target.os != "linux":
            again = [re.sub(r"\bos\s*=\s*\w+", "os=linux", word) for word in words]
        else:
            again = [
                word.replace(options.export, "requirements")
                if word in (options.export, f"--export={options.export}")
                else word
                for word in words
            ]
        error.next_command = shlex.join(["llmdoctor", "plan", *again])
        raise


@contextlib.contextmanager
def _told_in_json(
    request: Request, options: Namespace, outcome: str | None = None
) -> Iterator[None]:
    """Whoever reads JSON gets a document where no packages meet the requirements, too."""
    try:
        yield
    except LlmdoctorError as error:
        if error.exit_code == 1 and options.format == "json":
            from llmdoctor import tables
            from llmdoctor.render import documents

            names = [profile.name for profile in request.profiles]
            dates = tables.dates_read()
            planned = documents.unsolved(names, options.env, request.tool, error.message, dates)
            if outcome:
                planned = documents.install(planned, outcome, error=error.message)
            emit(planned, lambda _: None, format="json", output=options.output)
        raise


def _carry_out(system: System, request: Request, prepared: Prepared, options: Namespace) -> int:
    """Show the plan, ask, carry it out, show what came of it; gives the exit code."""
    from llmdoctor import tables
    from llmdoctor.render import documents, github

    made, blocked = prepared.plan, prepared.blocked
    planned = documents.plan(made, tables.dates_read(), blocked)
    names = " + ".join(made.choice.profiles)
    write_plan = _shown(made, blocked, request, options)

    def report(
        write: Callable[[Paper], None],
        outcome: str,
        line: str,
        *,
        error: str | None = None,
        **more: object,
    ) -> None:
        def whole(paper: Paper) -> None:
            if write is not write_plan and options.format != "terminal":  # there it was shown
                write_plan(paper)
            write(paper)
            if error and options.format != "terminal":
                paper.line(error)

        emit(
            documents.install(planned, outcome, error=error, **more),
            whole,
            format=options.format,
            output=options.output,
            line=line if options.quiet else None,
            more={"github": lambda: github.plan(made, blocked, line, error)},
        )

    if not made.choice.feasible or blocked:
        codes = ", ".join(dict.fromkeys(finding.code for finding in blocked))
        line = f"blocked by {codes}: {names}" if codes else f"not feasible: {names}"
        report(write_plan, "not feasible", line)
        return 1
    if not made.steps:
        line = f"already right: {names} in {made.environment}"
        again = f"{line} (prove it again: {request.again('--smoke')})"
        report(lambda paper: paper.verbatim(again), "kept", line)
        return 0
    return _act(system, prepared, options, write_plan, report)


def _act(
    system: System,
    prepared: Prepared,
    options: Namespace,
    write_plan: Callable[[Paper], None],
    report: Callable[..., None],
) -> int:
    """Ask, carry out, show what came of it."""
    from llmdoctor import install as road
    from llmdoctor import tables
    from llmdoctor.render import documents, terminal

    made = prepared.plan
    names = " + ".join(made.choice.profiles)
    if options.format == "terminal" and not options.quiet:
        planned = documents.plan(made, tables.dates_read(), prepared.blocked)
        emit(planned, write_plan, format="terminal", output=None)
    gone = ", ".join(f"{item.name} {item.version}" for item in made.removals)
    more = f", and remove {gone}" if gone else ""
    if prepared.request.in_place:
        say(
            f"{made.environment} is changed in place: a program that runs from it sees some files "
            "of before and some of after. `llmdoctor undo` puts every file back as it was, one by "
            "one, and takes away what came into it since; conda's own history knows of neither."
        )
    if not ask(f"make these changes to {made.environment}{more}?", options):
        if options.format != "terminal":
            report(write_plan, "declined", f"declined: {names}")
        return 1
    progress = Progress(quiet=options.quiet)
    try:
        done = road.carry_out(system, prepared, progress)
    except LlmdoctorError as error:
        progress.clear()
        if isinstance(error, RolledBackError):
            other = road.another(system, prepared, error, _say(options), progress.bytes)
            progress.clear()
            if other is not None:
                say(error.message)
                return _carry_out(system, other.request, other, options)
        proof = error.proof if isinstance(error, RolledBackError) else None

        def write_proof(paper: Paper) -> None:
            if proof:
                from llmdoctor.render import proof as shown

                shown.smoke(proof, paper, verbose=options.verbose)

        ended(
            error,
            lambda outcome, **told: report(
                write_proof,
                outcome,
                f"{outcome}: {made.environment}",
                run=prepared.journal.id,
                smoke=documents.smoke(proof) if proof else None,
                **told,
            ),
        )
        raise
    progress.clear()
    standing = terminal.standing(made, done)
    afterwards(
        lambda: report(
            lambda paper: terminal.installed(made, done, paper, verbose=options.verbose),
            "kept",
            f"{standing}: {names} in {made.environment}",
            run=done.run,
            backup=done.backup,
            smoke=documents.smoke(done.proof) if done.proof else None,
        )
    )
    return int(done.proof is not None and not done.proof.passed)
