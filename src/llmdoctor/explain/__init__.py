"""Name the root cause of a failing log: rules are data, the search is one bounded pass.

`text` cleans what terminals and services left in the log, `scan` finds the templates of messages
(`template`), `cut` those that are there in part, `facts` gathers what is said in passing, and
`judge` ranks the `causes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from llmdoctor.errors import UsageError
from llmdoctor.explain.causes import Cause, causes
from llmdoctor.explain.cut import CutLines, cut_messages
from llmdoctor.explain.facts import gather, known_facts
from llmdoctor.explain.judge import Evidence, Named, judge
from llmdoctor.explain.scan import Scanner
from llmdoctor.explain.text import lines
from llmdoctor.finding import Remedy, Report
from llmdoctor.redact import redact_text

__all__ = ["LIMIT", "Evidence", "Explanation", "Named", "explain", "on_this_machine", "redacted"]

LIMIT = 1 << 29  # bytes of a log that are read: one that never ends must end somewhere


@dataclass(frozen=True)
class Explanation:
    """What a log shows. `cut`: it is longer than LIMIT, and the rest was not read."""

    causes: tuple[Named, ...]
    lines: int
    cut: bool = False


def explain(
    chunks: Iterable[bytes], known: Mapping[str, Cause] | None = None, *, limit: int = LIMIT
) -> Explanation:
    """Read a log to its end, or to `limit` bytes, and name its causes, best first.

    Raises:
        UsageError: it is empty, or no text.
        ProfileError: a rule cannot be read.
    """
    known = causes() if known is None else known
    signs = [
        template for cause in known.values() for sign in cause.sign for template in sign.templates
    ]
    scanner = Scanner([*signs, *(item for fact in known_facts() for item in fact.templates)])
    meter = _Meter(chunks, limit)
    cut = CutLines()
    for number, text in lines(meter.chunks()):
        if text and not text.isspace():
            scanner.feed(number, text)
            cut.feed(number, text)
            meter.filled = True
    if not meter.filled:
        raise UsageError(
            "the log is empty", next_command="pip install PACKAGE 2>&1 | llmdoctor explain -"
        )
    whole = scanner.sightings()
    told = {sighting.line for sign in signs for sighting in whole.get(sign, ())}
    begun = cut_messages((line for line in cut if line.number not in told), known)
    seen = {**begun, **whole}
    return Explanation(judge(seen, gather(seen), known), scanner.lines, meter.cut)


def on_this_machine(found: Explanation, report: Report) -> Explanation:
    """Take the remedy from a check of the machine itself, where it finds the same cause.

    Of causes that show in the same words it is the one that the machine has. Where the checks that
    know a cause pass, the cure of the log's words is none for this machine.
    """
    live = {item.cause: item for item in reversed(report.findings) if item.cause and item.remedy}

    def exact(named: Named) -> Named:
        meant = next((slug for slug in (named.cause, *named.rivals) if slug in live), None)
        if meant is None:
            return _unconfirmed(named, report)
        finding = live[meant]
        assert finding.remedy is not None
        title, explanation = named.title, named.explanation.strip()
        if named.rivals:
            title, explanation = finding.title, ""
        detail = f"On this machine: {finding.detail or finding.title}"
        return replace(
            named,
            cause=meant,
            title=title,
            confidence="certain",
            explanation=f"{explanation} {detail}".strip(),
            remedy=finding.remedy,
            url=finding.url or (named.url if meant == named.cause else causes()[meant].url),
        )

    return replace(found, causes=tuple(map(exact, found.causes)))


def _unconfirmed(named: Named, report: Report) -> Named:
    """A cause that no check found here: refuted, not to be judged, or never seen by a look."""
    from llmdoctor.checks import CHECKS

    slugs = {named.cause, *named.rivals}
    knowing = {check.code for check in CHECKS if slugs & {check.cause, *check.also}}
    verdicts = [verdict for verdict in report.verdicts if verdict.code in knowing]
    if any(item.cause in slugs for verdict in verdicts for item in verdict.findings):
        return named
    if passed := [verdict.code for verdict in verdicts if verdict.outcome == "pass"]:
        patient = report.machine.environment
        place = f", with the environment {patient.path}," if patient.executable else ""
        return replace(
            named,
            explanation=f"{named.explanation.strip()} If the log is of another machine or moment: "
            f"{named.remedy.summary}.",
            remedy=Remedy(
                f"This machine{place} does not show it now ({', '.join(passed)} found nothing): "
                "see what it does show",
                "safe",
                (("llmdoctor", "check"),),
            ),
        )
    cause = causes().get(named.cause)
    why = next((verdict.reason for verdict in verdicts if verdict.reason), cause and cause.unseen)
    if not why:
        return named
    unknown = f"{named.explanation.strip()} Whether this machine shows it is not known: {why}."
    return replace(named, explanation=unknown)


def redacted(found: Explanation, home: str) -> Explanation:
    """The same without the names of people in what is quoted from the log."""
    return replace(found, causes=tuple(_redacted(named, home) for named in found.causes))


def _redacted(named: Named, home: str) -> Named:
    def words(argv: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(redact_text(word, home) for word in argv)

    return replace(
        named,
        title=redact_text(named.title, home),
        explanation=redact_text(named.explanation, home),
        evidence=tuple(replace(item, text=redact_text(item.text, home)) for item in named.evidence),
        remedy=replace(
            named.remedy,
            summary=redact_text(named.remedy.summary, home),
            commands=tuple(map(words, named.remedy.commands)),
        ),
    )


class _Meter:
    """Hands chunks on up to a limit."""

    def __init__(self, chunks: Iterable[bytes], limit: int) -> None:
        self._chunks = chunks
        self._left = limit
        self.cut = False
        self.filled = False

    def chunks(self) -> Iterable[bytes]:
        for chunk in self._chunks:
            if len(chunk) > self._left:
                self.cut = True
                yield chunk[: self._left]
                return
            self._left -= len(chunk)
            yield chunk
