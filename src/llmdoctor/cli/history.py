"""`llmdoctor history` and `llmdoctor undo`: what was done, and taking it back."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import afterwards, ask, emit, say
from llmdoctor.errors import RollbackIncompleteError

if TYPE_CHECKING:
    from llmdoctor.render.terminal import Paper


def history(parser: Parser, words: Sequence[str]) -> int:
    """List what llmdoctor did on this machine, newest first."""
    parser.flag("--prune", text="Remove former environments; lists them, and asks.")
    parser.add_argument(
        "--older-than", metavar="DAYS", type=_days, help="Those of runs before that alone."
    )
    parser.flag("--yes", "-y", text="Do not ask.")
    parser.report()
    parser.examples("llmdoctor history --verbose", "llmdoctor history --prune --older-than 30")
    options = parser.read(words)
    if options.prune:
        return _prune(options)
    if options.older_than is not None or options.yes:
        parser.error("--older-than and --yes belong to --prune")

    from llmdoctor import undo as taking_back
    from llmdoctor.render import documents
    from llmdoctor.system.local import Local

    runs, backups = taking_back.runs(Local())

    def write(paper: Paper) -> None:
        for entry in runs:
            outcome = entry.outcome or "cut off"
            paper.line(f"{entry.id}  {outcome}  {entry.title}", "bold")
            paper.verbatim(entry.environment, indent=2)
            if entry.id in backups:
                paper.verbatim(f"former environment: {backups[entry.id]}", indent=2)
            for step in entry.begun if options.verbose else ():
                paper.line(f"· {step.text}", indent=2)
        if not runs:
            paper.line("nothing yet")

    newest = f"{runs[0].id} {runs[0].outcome or 'cut off'}" if runs else "nothing yet"
    emit(
        documents.history(runs, backups),
        write,
        format=options.format,
        output=options.output,
        line=newest if options.quiet else None,
    )
    return 0


def _prune(options: Namespace) -> int:
    from llmdoctor import prune
    from llmdoctor.render import documents
    from llmdoctor.render.plans import megabytes
    from llmdoctor.system.local import Local

    system = Local()
    found = prune.backups(system, options.older_than or 0)
    frees = sum(item.frees for item in found)

    days = options.older_than
    of = f"of more than {days} day{'s' if days > 1 else ''} ago" if days else "that has ended"
    why = f"no run {of} keeps a former environment"

    def report(outcome: str) -> None:
        told = f"{outcome}: {len(found)}, {megabytes(frees)}" if found else f"{outcome}: {why}"

        def write(paper: Paper) -> None:
            for item in found:
                paper.line(f"{item.run}  {megabytes(item.frees)}", "bold")
                paper.verbatim(item.path, indent=2)
            paper.line(told)

        emit(
            documents.prune(found, outcome),
            write,
            format=options.format,
            output=options.output,
            line=told if options.quiet else None,
        )

    if not found:
        report("nothing to prune")
        return 0
    if not options.yes:
        for item in found:
            say(f"{item.path}  ({megabytes(item.frees)})")
    question = f"remove these {len(found)} for good? Their runs cannot be undone then."
    if not ask(question, options):
        report("declined")
        return 1
    for item in found:
        prune.remove(system, item)
    afterwards(lambda: report("pruned"))
    return 0


def _days(word: str) -> int:
    if word.isdecimal() and len(word) <= 5:
        return int(word)
    raise ArgumentTypeError(f"{word!r} is no number of days")


def undo(parser: Parser, words: Sequence[str]) -> int:
    """Put an environment back as it was before a run."""
    parser.add_argument("run", nargs="?", metavar="ID", help="Default: the newest in --env.")
    parser.add_argument("--env", metavar="DIR", help="The environment; default: the project's.")
    parser.flag("--yes", "-y", text="Do not ask.")
    parser.report(verbose=False)
    parser.examples("llmdoctor undo --env .venv", "llmdoctor undo 20261120180000-0417 --yes")
    options = parser.read(words)

    from llmdoctor import undo as taking_back
    from llmdoctor.install import usual_environment
    from llmdoctor.render import documents
    from llmdoctor.system.local import Local

    system = Local()
    place = options.env or usual_environment(system, ".", "auto")
    project = None if options.env else "."
    entry = taking_back.find(system, options.run, place, project)

    def report(outcome: str, text: str, error: str | None = None) -> None:
        emit(
            documents.undo(entry, outcome, error),
            lambda paper: paper.verbatim(text),
            format=options.format,
            output=options.output,
            line=text if options.quiet else None,
        )

    places = " and ".join(taking_back.places(system, entry))
    if taking_back.removes(entry):
        question = f"remove {entry.environment}, which run {entry.id} made?"
    else:
        question = f"put {places} back as before {entry.id}?"
    if taking_back.changes_environment(entry):
        question += " Everything done in the environment since then goes away too."
    if not ask(question, options):
        report("declined", f"nothing was changed: {places}")
        return 1
    try:
        taking_back.undo(system, entry)
    except RollbackIncompleteError as error:
        message = error.message
        afterwards(lambda: report("incomplete", f"incomplete: {places}", message))
        raise
    afterwards(lambda: report("undone", f"as before {entry.id}: {places}"))
    return 0
