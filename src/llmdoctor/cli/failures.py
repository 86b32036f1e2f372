"""A run that failed, for its user: the cause on top of the message, and where its log lies."""

from __future__ import annotations

from typing import Any

from llmdoctor.errors import FailedRunError, LlmdoctorError


def how_it_ended(error: LlmdoctorError) -> str:
    """The outcome of a run that failed, as documents call it."""
    return {4: "restored", 130: "interrupted"}.get(error.exit_code, "incomplete")


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
