"""LOG: what the messages in a pasted report say."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from llmdoctor.checks._framework import ANY, Answer, Case, Skip, check, finding
from llmdoctor.finding import Severity, Verdict

_SEVERITIES: dict[str, Severity] = {"certain": "error", "likely": "warning"}


@check("LOG001", cause=None, also=(ANY,))
def message_names_cause(case: Case) -> Answer:
    """A message in the report names a cause.

    What: Looks in a pasted report for error messages whose meaning is known, as `llmdoctor explain`
    does with a log.

    Why: People paste the error together with the report, and it says what the versions alone do
    not: a symbol that is missing, a library that is too old, an error number of CUDA.

    Remedy: That of the cause, which `llmdoctor explain` gives in full for the log itself.

    Known problems: An old message that was cured since is taken as it stands. A live look has no
    messages to read.
    """
    said = [item for item in case.machine.said if item.confidence in _SEVERITIES]
    if not said:
        return Skip("no message of a known cause was given")
    from llmdoctor.explain.causes import causes
    from llmdoctor.explain.judge import worded

    known = causes()
    named = [(item, worded(known[item.cause], {})) for item in said if item.cause in known]
    return [
        finding(
            message_names_cause,
            cause.explanation,
            title=cause.title,
            cause=item.cause,
            severity=_SEVERITIES[item.confidence],
            evidence=(f"line {item.line}: {item.text}",),
            remedy=cause.remedy,
            url=cause.url,
        )
        for item, cause in named
    ]


def once(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """Leave out of LOG001 what another check found too: that one has seen the machine's facts."""
    verdicts = tuple(verdicts)
    code = message_names_cause.code
    seen = {item.cause for verdict in verdicts if verdict.code != code for item in verdict.findings}
    return tuple(
        _beyond(verdict, seen) if verdict.code == code else verdict for verdict in verdicts
    )


def _beyond(verdict: Verdict, seen: Collection[str | None]) -> Verdict:
    """The verdict without findings of causes that are known otherwise."""
    rest = tuple(item for item in verdict.findings if item.cause not in seen)
    if verdict.findings and not rest:
        return Verdict(verdict.code, "skip", reason="other checks found what the messages say")
    return replace(verdict, findings=rest)
