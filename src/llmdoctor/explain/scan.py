"""Find many templates in a log of any size, in one pass and bounded memory.

The log goes by in blocks. Most templates' longest fixed part is in no block at all, which a plain
substring search tells, of many templates at once by what their fixed parts have in common; only
around where it is does the template's pattern run, within a window of fixed length, so that no log
and no template makes the search superlinear.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate

from llmdoctor.explain.template import Template
from llmdoctor.explain.text import dropped, squeezed

BLOCK = 1 << 18  # characters of the log in one block
CARRIED = 2048  # characters that a block repeats of the one before: messages lie across the seam
KEPT = 40  # sightings of one template that are remembered
TRIED = 50  # places in one block where one template is looked for
SHOWN = 400  # characters of a line that are quoted
_BEFORE, _AFTER = 600, 1600  # squeezed characters around a literal in which its message lies
_FRAMES = 8192  # squeezed characters before a message in which its traceback lies
_SHARED = 6  # characters that the fixed parts of several templates have in common
_PACKAGES = ("site-packages/", "site-packages\\", "dist-packages/")


@dataclass(frozen=True)
class Sighting:
    """A message where it stands. `captures` has the variable parts as they are written there.

    `frame` is captured besides: the package of the last traceback line before the message. `cut`:
    the log holds no more than its beginning.
    """

    line: int
    text: str
    captures: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class _Block:
    numbers: list[int]
    texts: list[str]
    carried: int = 0  # squeezed characters at the start that the block before had too

    def __post_init__(self) -> None:
        parts = [squeezed(text) for text in self.texts]
        self.joined = "".join(parts)
        self.ends = list(accumulate(map(len, parts)))

    def row(self, place: int) -> int:
        """Which line the squeezed character at `place` is on."""
        return min(bisect.bisect_right(self.ends, place), len(self.ends) - 1)

    def start(self, row: int) -> int:
        return self.ends[row - 1] if row else 0

    def written(self, start: int, end: int) -> str:
        """Squeezed characters as the log writes them, with its white space and line ends."""
        pieces = []
        for row in range(self.row(start), self.row(end - 1) + 1):
            offset, text = self.start(row), self.texts[row]
            kept = [place for place, character in enumerate(text) if not dropped(character)]
            first, last = max(start - offset, 0), min(end - offset, len(kept)) - 1
            if first <= last:
                pieces.append(text[kept[first] : kept[last] + 1])
        return "\n".join(pieces)


class Scanner:
    """Feed it lines, then ask what was seen."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self._groups = _grouped(tuple(dict.fromkeys(templates)))
        self._seen: dict[Template, list[Sighting]] = {}
        self._numbers: list[int] = []
        self._texts: list[str] = []
        self._size = 0
        self._carried = 0
        self.lines = 0

    def feed(self, number: int, text: str) -> None:
        """Take in the next line."""
        self.lines = number
        self._numbers.append(number)
        self._texts.append(text)
        self._size += len(text) + 1
        if self._size >= BLOCK:
            self._search()

    def sightings(self) -> Mapping[Template, Sequence[Sighting]]:
        """All that was seen, each template's first sightings in the log's order."""
        if self._size:
            self._search()
        return self._seen

    def _search(self) -> None:
        block = _Block(self._numbers, self._texts, self._carried)
        for shared, templates in self._groups.items():
            if shared in block.joined:
                for template in templates:
                    if template.literal in block.joined:
                        self._look(block, template)
        keep, size = len(self._texts), 0
        while keep and size + len(self._texts[keep - 1]) < CARRIED:
            keep -= 1
            size += len(self._texts[keep])
        self._numbers, self._texts = self._numbers[keep:], self._texts[keep:]
        self._carried = sum(len(squeezed(text)) for text in self._texts)
        self._size = 0

    def _look(self, block: _Block, template: Template) -> None:
        found = self._seen.setdefault(template, [])
        joined, literal = block.joined, template.literal
        done = place = tried = 0
        while len(found) < KEPT and tried < TRIED and (place := joined.find(literal, place)) >= 0:
            tried += 1
            begin = max(done, place - _BEFORE)
            if template.opens_with_hole:
                row = block.row(place)
                begin = max(begin, block.start(row if place > block.start(row) else row - 1))
            match = template.pattern.search(joined, begin, place + len(literal) + _AFTER)
            place += len(literal)
            if match is None:
                continue
            done = place = max(place, match.end())
            if match.end() > block.carried:
                found.append(_sighting(block, match, template.words))
        if not found:
            del self._seen[template]


@cache
def _grouped(templates: tuple[Template, ...]) -> Mapping[str, Sequence[Template]]:
    """Templates by a few characters that they share: where those are not, none of them is.

    There are many more templates than such groups, and most blocks of a log have none. To find the
    groups takes longer than to search a usual log, hence the cache.
    """
    parts = {template: _pieces(template.literal) for template in templates}
    common = Counter(piece for pieces in parts.values() for piece in pieces)
    groups: dict[str, list[Template]] = {}
    for template, pieces in parts.items():
        groups.setdefault(max(pieces, key=lambda piece: (common[piece], piece)), []).append(
            template
        )
    return groups


def _pieces(literal: str) -> set[str]:
    return {literal[at : at + _SHARED] for at in range(max(len(literal) - _SHARED + 1, 1))}


def _sighting(block: _Block, match: re.Match[str], words: frozenset[str]) -> Sighting:
    captures = {
        name: block.written(*match.span(name)) for name, value in match.groupdict().items() if value
    }
    for name, value in captures.items():
        parts = value.split()
        captures[name] = parts[0].rstrip(".") if name in words else " ".join(parts)
    before = block.joined[max(0, match.start() - _FRAMES) : match.start()]
    place = max(before.rfind(package) for package in _PACKAGES)
    if place >= 0 and (package := re.match(r"\w+", before[place + len(_PACKAGES[0]) :])):
        captures["frame"] = package[0]
    row = block.row(match.start())
    return Sighting(block.numbers[row], block.texts[row].strip()[:SHOWN], captures)
