"""Comparisons that a sign's ``when`` may state between captured values, facts and constants.

``"nvcc older '12.8'"``, ``"capability above architectures"``, ``"os is 'windows'"``. A value that
the log does not say makes a condition false: nothing is concluded from silence. `missing` and
`known` ask about just that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Values = Mapping[str, Sequence[str]]

_FORM = re.compile(
    r"(?P<left>[a-z_0-9]+) (?P<relation>[a-z-]+)(?: (?:'(?P<word>[^']*)'|(?P<right>[a-z_0-9]+)))?"
)


@dataclass(frozen=True)
class Condition:
    """`left` is a name; `right` a name, or None and `word` a constant, or neither."""

    left: str
    relation: str
    right: str | None = None
    word: str | None = None

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read ``left relation [right | 'word']``.

        Raises:
            ValueError: says what was expected.
        """
        form = _FORM.fullmatch(text)
        if form is None:
            raise ValueError(f"expected `name relation name` or `name relation 'word'`: {text!r}")
        relation = form["relation"]
        alone = form["right"] is None and form["word"] is None
        if relation not in (_UNARY if alone else _BINARY):
            known = ", ".join((*_UNARY, *_BINARY))
            raise ValueError(f"no relation is called {relation!r} here (there are: {known})")
        return cls(form["left"], relation, form["right"], form["word"])

    def holds(self, values: Values) -> bool:
        """Whether some value of the left stands so to some value of the right."""
        left = values.get(self.left, ())
        if self.relation in _UNARY:
            return bool(left) is (self.relation == "known")
        right = (self.word,) if self.word is not None else values.get(self.right or "", ())
        relate = _BINARY[self.relation]
        return any(relate(one, other) for one in left for other in right)


def numbers(text: str) -> tuple[int, ...]:
    """The numbers of a version's release part: "v12.4.1+cu" -> (12, 4, 1)."""
    release = re.match(r"v?\d+(?:\.\d+)*", text.strip())
    return tuple(map(int, re.findall(r"\d+", release[0]))) if release else ()


def capability(text: str) -> tuple[int, int] | None:
    """A compute capability in any spelling: "sm_120", "8.6", "compute_89", "121a"."""
    found = re.search(r"(\d+)\.(\d+)|(\d{2,3})[a-z]?\b", text)
    if found is None:
        return None
    if found[1]:
        return int(found[1]), int(found[2])
    return int(found[3][:-1]), int(found[3][-1])


def _listed(text: str) -> list[tuple[int, int]]:
    words = re.split(r"[\s,;'\"\[\]()]+|(?=sm_)|(?=compute_)", text)
    return [pair for word in words if (pair := capability(word)) is not None]


def _above(one: str, listed: str) -> bool:
    """A compute capability above every one that is listed."""
    mine, theirs = capability(one), _listed(listed)
    return mine is not None and bool(theirs) and mine > max(theirs)


def _below(one: str, listed: str) -> bool:
    mine, theirs = capability(one), _listed(listed)
    return mine is not None and bool(theirs) and mine < min(theirs)


def _at_least(one: str, other: str) -> bool:
    mine, theirs = capability(one), capability(other)
    return mine is not None and theirs is not None and mine >= theirs


def _too_new(version: str, allowed: str) -> bool:
    """A version at or above an upper bound of a PEP 440 range: "3.11.8", "<3.10,>=3.8"."""
    bounds = [part.strip() for part in allowed.split(",")]
    return any(
        numbers(version) > numbers(bound[2:])
        if bound.startswith("<=")
        else numbers(version) >= numbers(bound[1:])
        for bound in bounds
        if bound.startswith("<")
    )


def _ordered(one: str, other: str) -> int:
    mine, theirs = numbers(one), numbers(other)
    length = min(len(mine), len(theirs))  # "12" is neither older nor newer than "12.4"
    mine, theirs = mine[:length], theirs[:length]
    return (mine > theirs) - (mine < theirs)


_UNARY = ("known", "missing")
_BINARY: dict[str, Callable[[str, str], bool]] = {
    "is": lambda one, other: one.lower() == other.lower(),
    "is-not": lambda one, other: one.lower() != other.lower(),
    "in": lambda one, words: one.lower() in words.lower().split(),
    "not-in": lambda one, words: one.lower() not in words.lower().split(),
    "starts": lambda one, other: one.lower().startswith(other.lower()),
    "holds": lambda one, other: other.lower() in one.lower(),
    "holds-not": lambda one, other: other.lower() not in one.lower(),
    "older": lambda one, other: _ordered(one, other) < 0,
    "newer": lambda one, other: _ordered(one, other) > 0,
    "other-major": lambda one, other: numbers(one)[:1] != numbers(other)[:1],
    "same-major": lambda one, other: numbers(one)[:1] == numbers(other)[:1],
    "too-new-for": _too_new,
    "at-least": _at_least,
    "above": _above,
    "below": _below,
}
