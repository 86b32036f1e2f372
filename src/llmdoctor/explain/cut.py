"""Messages of which a log holds the beginning alone: lines were cut at a width, or it ends there.

Nothing is guessed from what is left. It counts for a message where most of the message's fixed
words are there, and where all known messages that begin so belong to one cause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from llmdoctor.explain.causes import Cause
from llmdoctor.explain.scan import SHOWN, Sighting
from llmdoctor.explain.template import Template
from llmdoctor.explain.text import squeezed

KEPT = 100  # lines of a kind that are remembered: the first ones, and as many of the last
_WINDOW = 1200  # squeezed characters before a cut in which its message lies
_HEAD = 8  # characters that tell a message's beginning from others
_SHARE = 0.6  # of a message's fixed characters: with less, more that is wrong was named
_NEAR = 3  # characters by which lines that were cut at one width differ: white space is trimmed
_MARKS = ("...", "…", "[truncated]", "(truncated)", "<truncated>", "[...]", "[…]")


@dataclass(frozen=True)
class _Line:
    number: int
    text: str


class CutLines:
    """The lines of a log that may be cut: those that a mark ends, the longest, and the last."""

    def __init__(self) -> None:
        self._marked = _Some()
        self._longest = _Some()
        self._width = 0
        self._last: _Line | None = None

    def feed(self, number: int, text: str) -> None:
        """Take in the next line."""
        line = self._last = _Line(number, text)
        if len(text) > self._width + _NEAR:
            self._longest = _Some()
        self._width = max(self._width, len(text))
        if text.rstrip().endswith(_MARKS):
            self._marked.add(line)
        elif len(text) >= self._width - _NEAR:
            self._longest.add(line)

    def __iter__(self) -> Iterator[_Line]:
        """Each of them once."""
        last = () if self._last is None else (self._last,)
        return iter(dict.fromkeys((*self._marked, *self._longest, *last)))


class _Some:
    """The first lines and the last ones, in bounded memory."""

    def __init__(self) -> None:
        self._first: list[_Line] = []
        self._last: deque[_Line] = deque(maxlen=KEPT)

    def add(self, line: _Line) -> None:
        (self._first if len(self._first) < KEPT else self._last).append(line)

    def __iter__(self) -> Iterator[_Line]:
        yield from self._first
        yield from self._last


def cut_messages(
    lines: Iterable[_Line], known: Mapping[str, Cause]
) -> dict[Template, list[Sighting]]:
    """The messages that those lines hold the beginning of, as far as that tells their cause."""
    owners: dict[Template, set[str]] = {}
    for slug, cause in known.items():
        for sign in cause.sign:
            for template in sign.shows:
                owners.setdefault(template, set()).add(slug)
    heads: dict[str, list[Template]] = {}
    for template in owners:
        if len(template.head) >= _HEAD:
            heads.setdefault(template.head[:_HEAD], []).append(template)
    found: dict[Template, list[Sighting]] = {}
    for line in lines:
        text = _left(line.text)
        near = {text[at : at + _HEAD] for at in range(len(text) - _HEAD + 1)} & heads.keys()
        begun = {
            template: beginning
            for head in near
            for template in heads[head]
            if (beginning := template.begins_at_the_end_of(text)) and beginning.length >= _HEAD
        }
        if len(set().union(*(owners[template] for template in begun))) != 1:
            continue
        for template, beginning in begun.items():
            if beginning.share >= _SHARE:
                said = line.text.strip()[:SHOWN]
                sighting = Sighting(line.number, said, beginning.captures, cut=True)
                found.setdefault(template, []).append(sighting)
    return found


def _left(text: str) -> str:
    """What is left of a cut line, without the mark of the cut."""
    text = text.rstrip()
    for mark in _MARKS:
        text = text.removesuffix(mark)
    return squeezed(text[-4 * _WINDOW :])[-_WINDOW:]
