"""From what was seen in a log to the causes, root first. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from llmdoctor.explain.causes import CONFIDENCES, Cause, Confidence, Sign, symptoms
from llmdoctor.explain.scan import Sighting
from llmdoctor.explain.template import Template
from llmdoctor.finding import Remedy

SHOWN = 4  # lines of evidence for one cause
_CUT = "Of the message the log holds only the beginning: see the whole line to be sure."

Seen = Mapping[Template, Sequence[Sighting]]
Facts = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Evidence:
    """A line of the log, counted from 1."""

    line: int
    text: str


@dataclass(frozen=True)
class Named:
    """One cause of a failure, and where the log shows it; `rivals` would show in the same way."""

    cause: str
    title: str
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    explanation: str
    remedy: Remedy
    url: str
    rivals: tuple[str, ...] = ()


def judge(seen: Seen, facts: Facts, known: Mapping[str, Cause]) -> tuple[Named, ...]:
    """The causes that the log shows, best first.

    A cause that another one's consequences list comes after it, however certain it is: it is only
    its symptom. What is merely possible has no symptoms. Then the more certain ones come first,
    then those that show earlier.
    """
    found: dict[str, Named] = {}
    for slug, cause in known.items():
        shown = [match for sign in cause.sign if (match := _match(sign, seen, facts))]
        if shown:
            found[slug] = _named(slug, cause, shown, facts)
    # The log names the rival by other words, so the shared ones are its own.
    found = {slug: named for slug, named in found.items() if not set(named.rivals) & found.keys()}
    roots = [slug for slug, named in found.items() if named.confidence != "possible"]
    followed = {name for slug in roots for name in symptoms(slug, known)}
    return tuple(
        sorted(
            found.values(),
            key=lambda named: (
                named.cause in followed,
                CONFIDENCES.index(named.confidence),
                named.evidence[0].line,
            ),
        )
    )


@dataclass(frozen=True)
class _Match:
    sign: Sign
    sightings: tuple[Sighting, ...]  # of `text` first

    @property
    def cut(self) -> bool:
        return any(sighting.cut for sighting in self.sightings)

    @property
    def confidence(self) -> Confidence:
        """A message that is not there to its end makes its cause possible, no more."""
        return "possible" if self.cut else self.sign.confidence


def _match(sign: Sign, seen: Seen, facts: Facts) -> _Match | None:
    """Where a sign shows, if it does."""
    said = [sighting for template in sign.shows for sighting in seen.get(template, ())]
    if not said or any(template in seen for template in sign.against):
        return None
    beside = [seen.get(template, ()) for template in sign.beside]
    if not all(beside):
        return None
    for sighting in sorted(said, key=lambda sighting: sighting.line):
        support = tuple(sightings[0] for sightings in beside)
        values = dict(facts)
        for other in (*support, sighting):
            values.update({name: (value,) for name, value in other.captures.items()})
        if all(condition.holds(values) for condition in sign.conditions):
            return _Match(sign, (sighting, *support))
    return None


def _named(slug: str, cause: Cause, shown: Sequence[_Match], facts: Facts) -> Named:
    best = sorted(
        shown,
        key=lambda match: (CONFIDENCES.index(match.confidence), match.sightings[0].line),
    )
    values = {name: said[0] for name, said in facts.items() if said}
    for match in reversed(best):
        for sighting in reversed(match.sightings):
            values.update(sighting.captures)
    lines = {s.line: s.text for match in best for s in match.sightings}
    first = best[0].sightings[0].line
    evidence = [Evidence(line, text) for line, text in lines.items()][:SHOWN]
    evidence.sort(key=lambda item: (item.line != first, item.line))
    sign = best[0].sign
    own = replace(
        cause,
        title=sign.title or cause.title,
        explanation=sign.explanation or cause.explanation,
    )
    said = worded(own, values)
    return Named(
        cause=slug,
        title=said.title,
        confidence=best[0].confidence,
        evidence=tuple(evidence),
        explanation=f"{said.explanation} {_CUT}" if best[0].cut else said.explanation,
        remedy=said.remedy,
        url=cause.url,
        rivals=sign.rivals,
    )


def worded(cause: Cause, values: Mapping[str, str]) -> Cause:
    """The cause with what was captured in its words."""
    return replace(
        cause,
        title=fill(cause.title, values),
        explanation=" ".join(fill(cause.explanation, values).split()),
        remedy=replace(
            cause.remedy,
            summary=fill(cause.remedy.summary, values),
            commands=tuple(
                tuple(fill(word, values) for word in argv) for argv in cause.remedy.commands
            ),
        ),
    )


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put captured values into ``{name}`` and ``{name|words where it is not known}``."""

    def value(hole: re.Match[str]) -> str:
        return values.get(hole[1], hole[2] if hole[2] is not None else f"<{hole[1]}>")

    return re.sub(r"\{([a-z][a-z_0-9]*)(?:\|([^{}]*))?\}", value, text)
