"""`llmdoctor plan --write`: the choice goes into the project's manifest and lock."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmdoctor.cli.failures import carry_out
from llmdoctor.cli.output import afterwards, ask, emit, say
from llmdoctor.cli.requests import door
from llmdoctor.errors import LlmdoctorError, UsageError

if TYPE_CHECKING:
    from llmdoctor.install import Request
    from llmdoctor.render.terminal import Paper
    from llmdoctor.system import System
    from llmdoctor.write import WritePlan


def see_options(options: Namespace) -> None:
    """See that what was given goes together.

    Raises:
        UsageError: it does not.
    """
    if options.yes and not options.write:
        raise UsageError("--yes belongs to --write: a plan alone changes nothing")
    if not options.write:
        return
    reasons = {
        "export": "--export makes a new file, --write changes the project: give one of them",
        "bundle": "a bundle lies on this machine, and a manifest is shared: leave out --bundle",
        "build": "a lock cannot say what is compiled after it: leave out --build",
        "find_links": "a manifest cannot say --find-links: name an index by --index-url",
    }
    for name, why in reasons.items():
        if getattr(options, name):
            raise UsageError(why, next_command="llmdoctor plan --help")
    if options.format == "github":
        raise UsageError("--write has no report for a GitHub job: give another --format")


def write(
    request: Request, options: Namespace, infeasible: Callable[[WritePlan], Callable[[Paper], None]]
) -> int:
    """Plan, show, ask, write; gives the exit code. `infeasible` shows why a plan cannot be."""
    from llmdoctor import install as road
    from llmdoctor import write as writing
    from llmdoctor.probe.paths import absolute
    from llmdoctor.target import assume

    system = door(options)
    writing.project(system, absolute(system, request.project))  # refused before anything is held
    machine = assume(options.assume) if options.assume else None
    with road.hold(system, request.environment):
        for entry in road.recover_cut_off(system, request.environment):
            say(f"run {entry.id} had been cut off; what it changed is as it was ({entry.outcome})")
        try:
            made = writing.prepare(
                system, request, machine, (lambda _: None) if options.quiet else say
            )
        except LlmdoctorError as error:
            if error.exit_code == 1 and options.format == "json":
                _unsolved(request, options, error.message)
            raise
        return _carry_out(system, made, options, infeasible)


def _unsolved(request: Request, options: Namespace, why: str) -> None:
    """Whoever reads JSON gets a document where the project cannot be locked so, too."""
    from llmdoctor import tables
    from llmdoctor.render import documents, written

    names = [profile.name for profile in request.profiles]
    planned = documents.unsolved(names, options.env, request.tool, why, tables.dates_read())
    document = written.document(planned, None, "not feasible", error=why)
    emit(document, lambda _: None, format="json", output=options.output)


def _carry_out(
    system: System,
    made: WritePlan,
    options: Namespace,
    infeasible: Callable[[WritePlan], Callable[[Paper], None]],
) -> int:
    from llmdoctor.render import written

    names = " + ".join(made.subjects)
    if not made.plan.choice.feasible:
        _report(made, options, "not feasible", infeasible(made), f"not feasible: {names}")
        return 1
    if not made.steps:
        _report(made, options, "already written", lambda paper: written.written(made, paper, None))
        return 0
    if options.format == "terminal" and not options.quiet:
        emit({}, lambda paper: written.planned(made, paper), format="terminal", output=None)
    if not ask(f"write this into {' and '.join(made.files)}?", options):
        if options.format != "terminal":
            _report(made, options, "declined", lambda paper: paper.line("declined"))
        return 1

    def failed(outcome: str, *, error: str, **told: Any) -> None:  # noqa: ANN401 - log, cause
        _report(
            made, options, outcome, lambda paper: paper.line(error), f"{outcome}: {names}",
            run=made.run, error=error, **told,
        )  # fmt: skip

    done = carry_out(system, made, made.run, failed, quiet=options.quiet)
    afterwards(
        lambda: _report(
            made, options, "written", lambda paper: written.written(made, paper, done.run),
            run=done.run,
        )
    )  # fmt: skip
    return 0


def _report(
    made: WritePlan,
    options: Namespace,
    outcome: str,
    show: Callable[[Paper], None],
    line: str | None = None,
    **more: Any,  # noqa: ANN401 - run, error, log, cause: several types
) -> None:
    from llmdoctor import tables
    from llmdoctor.render import documents, written

    def whole(paper: Paper) -> None:
        if options.format != "terminal" and outcome not in ("not feasible", "already written"):
            written.planned(made, paper)
        show(paper)

    emit(
        written.document(documents.plan(made.plan, tables.dates_read()), made, outcome, **more),
        whole,
        format=options.format,
        output=options.output,
        line=(line or written.one_line(made)) if options.quiet else None,
    )
