"""Messages as templates: the words that a program prints, with names for the parts that vary.

``"found version {found:number}"`` is what a contributor copies from the program's source and
replaces the variable parts of. White space counts nothing, neither in the template nor in the log,
so that a message is recognised however it was wrapped. ``{*}`` is a gap of up to 400 characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

from llmdoctor.explain.text import squeezed
from llmdoctor.tables import gpu_names

GAP = 400  # characters without white space
SHORTEST = 3  # characters of the longest fixed part: less than that is in every log

_HOLE = re.compile(r"\{(?:(?P<gap>\*)|(?P<name>[a-z][a-z_0-9]*)(?::(?P<kind>[a-z]+))?)\}")
_KINDS = {
    "any": r".{1,120}?",
    "number": r"\d+",
    "version": r"v?\d[\w.+!-]*",
    "word": r"[\w.+-]+",
    "path": r"[^'\"<>|*?]{1,300}?",
    "archs": r"(?:(?:sm|compute)_\d{2,3}(?:[af](?![a-z]))?[,;'\"]*)+",  # sm_80, 'compute_90a'
    "gpu": "",  # a name of the GPU table, see `_gpu`
}
_WORDS = ("number", "version", "word")


@dataclass(frozen=True)
class Beginning:
    """The first part of a message: how many of its fixed characters, what share of them."""

    length: int
    share: float
    captures: Mapping[str, str]


@dataclass(frozen=True)
class Template:
    """A message with holes. Two templates of the same text are the same template."""

    text: str

    def __post_init__(self) -> None:
        """Refuse what could not be searched for.

        Raises:
            ValueError: says what is wrong with the template.
        """
        for hole in _HOLE.finditer(self.text):
            kind = hole["kind"] or "any"
            if kind not in _KINDS:
                known = ", ".join(_KINDS)
                raise ValueError(f"no kind of hole is called {kind!r} (there are: {known})")
            if hole.end() == len(self.text.rstrip()) and (hole["gap"] or kind in ("any", "path")):
                raise ValueError(f"nothing says where {hole[0]} ends: give it a kind, or words")
        if len(self.literal) < SHORTEST:
            raise ValueError(
                f"its longest fixed part is {self.literal!r}: less than {SHORTEST} characters are "
                "in every log"
            )

    @cached_property
    def literal(self) -> str:
        """The longest fixed part, squeezed: where it is not, the message is not."""
        return max((squeezed(part) for part in _fixed(self.text)), key=len)

    @cached_property
    def head(self) -> str:
        """The first fixed part, squeezed."""
        return next(filter(None, map(squeezed, _fixed(self.text))))

    @cached_property
    def words(self) -> frozenset[str]:
        """The names of holes that hold one word: it ends where white space is, in the log."""
        holes = _HOLE.finditer(self.text)
        return frozenset(hole["name"] for hole in holes if hole["kind"] in _WORDS)

    @cached_property
    def opens_with_hole(self) -> bool:
        """Whether the message begins with what varies: then it begins with its line."""
        hole = _HOLE.match(self.text)
        return hole is not None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What finds the message in squeezed text; a group for each name."""
        return re.compile("".join(self._parts), re.DOTALL)

    def begins_at_the_end_of(self, text: str) -> Beginning | None:
        """Its beginning, where squeezed text ends within one of its fixed parts.

        Of the holes before that only those of one word are captured: white space is gone.
        """
        fixed = [squeezed(part) for part in _fixed(self.text)]
        first = 0 if fixed[0] else 1  # what varies and opens the message is left aside
        length = sum(map(len, fixed))
        for number in range(len(fixed) - 1, first - 1, -1):
            before = "".join(self._parts[2 * first : 2 * number]) + r"\Z"
            whole = len(fixed[number]) if number < len(fixed) - 1 else len(fixed[number]) - 1
            for size in range(whole, 0, -1):
                if not text.endswith(fixed[number][:size]):
                    continue
                if match := re.search(before, text[: len(text) - size], re.DOTALL):
                    kept = sum(map(len, fixed[:number])) + size
                    captures = {n: v for n, v in match.groupdict().items() if n in self.words}
                    return Beginning(kept, kept / length, captures)
        return None

    @cached_property
    def _parts(self) -> list[str]:
        """The pattern in pieces: a fixed part, a hole, a fixed part, and so on."""
        parts: list[str] = []
        place = 0
        seen: set[str] = set()
        for hole in _HOLE.finditer(self.text):
            parts.append(re.escape(squeezed(self.text[place : hole.start()])))
            place = hole.end()
            name = hole["name"]
            if name is None:
                parts.append(f".{{0,{GAP}}}?")
            elif name in seen:
                parts.append(f"(?P={name})")
            else:
                seen.add(name)
                kind = hole["kind"] or "any"
                parts.append(f"(?P<{name}>{_gpu() if kind == 'gpu' else _KINDS[kind]})")
        parts.append(re.escape(squeezed(self.text[place:])))
        return parts


@cache
def _gpu() -> str:
    """Any name of the GPU table, the longest first: "RTX 4090 D" before "RTX 4090"."""
    names = sorted({squeezed(name) for name, _ in gpu_names()}, key=len, reverse=True)
    return "|".join(map(re.escape, names))


def _fixed(text: str) -> list[str]:
    parts = []
    place = 0
    for hole in _HOLE.finditer(text):
        parts.append(text[place : hole.start()])
        place = hole.end()
    return [*parts, text[place:]]
