"""A run that failed, for its user: the cause on top of the message, and where its log lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llmdoctor.cli.output import Progress, afterwards
from llmdoctor.errors import FailedRunError, LlmdoctorError

if TYPE_CHECKING:
    from llmdoctor.execute import Done, Work
    from llmdoctor.system import System


def carry_out(
    system: System, work: Work, run: str, failed: Callable[..., None], *, quiet: bool
) -> Done:
    """Carry out under the journal of that run, with its progress; see `ended` for `failed`.

    Raises:
        LlmdoctorError: it failed, and that was reported.
    """
    from llmdoctor.execute import execute
    from llmdoctor.journal import Journal

    progress = Progress(quiet=quiet)
    try:
        done = execute(system, work, Journal(system, run), progress)
    except LlmdoctorError as error:
        progress.clear()
        ended(error, failed)
        raise
    progress.clear()
    return done


def ended(error: LlmdoctorError, failed: Callable[..., None]) -> None:
    """Report on a run that failed, by a function of its outcome and what a document has of it."""
    outcome = {4: "restored", 130: "interrupted"}.get(error.exit_code, "incomplete")
    message = error.message
    told = tell(error)
    afterwards(lambda: failed(outcome, error=message, **told))


def tell(error: LlmdoctorError) -> dict[str, Any]:
    """Put the cause and the log into the error's message; gives both as a document has them."""
    if not isinstance(error, FailedRunError) or not error.said:
        return {}
    from llmdoctor import failure, wire
    from llmdoctor.render import explanation

    named = failure.cause(error)
    lines = [explanation.brief(named)] if named else []
    lines.append(error.message)
    if error.log:
        lines.append(f"the whole log: {error.log}")
    error.message = "\n".join(lines)
    return {"log": error.log, "cause": wire.dump(named) if named else None}
