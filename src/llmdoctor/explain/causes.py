"""The causes of failures, one TOML file each: how it shows in a log, what it is, the way out.

A cause is named by its file: ``profiles/tables/causes/nvcc-missing.toml`` is `nvcc-missing`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from llmdoctor import wire
from llmdoctor.errors import ProfileError
from llmdoctor.explain.conditions import Condition
from llmdoctor.explain.template import Template
from llmdoctor.finding import Remedy
from llmdoctor.paths import profiles_dir

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Confidence = Literal["certain", "likely", "possible"]
CONFIDENCES: tuple[Confidence, ...] = ("certain", "likely", "possible")  # best first


@dataclass(frozen=True)
class Sign:
    """One way in which a cause shows.

    Any of `text` is seen; and each of `also` anywhere in the log, none of `unless`, and every
    condition of `when` holds between what was captured and the log's facts. `source` names the
    program, and where in it the message is printed. `rivals` are causes that print the very same:
    `title` and `explanation` then speak of all of them, in the place of the cause's own words.
    """

    text: tuple[str, ...]
    source: str
    confidence: Confidence = "likely"
    also: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    title: str | None = None
    explanation: str | None = None

    @functools.cached_property
    def shows(self) -> tuple[Template, ...]:
        """`text`, parsed."""
        return tuple(map(Template, self.text))

    @functools.cached_property
    def beside(self) -> tuple[Template, ...]:
        """`also`, parsed."""
        return tuple(map(Template, self.also))

    @functools.cached_property
    def against(self) -> tuple[Template, ...]:
        """`unless`, parsed."""
        return tuple(map(Template, self.unless))

    @property
    def templates(self) -> tuple[Template, ...]:
        """Everything to look for.

        Raises:
            ValueError: one of them could not be searched for.
        """
        return (*self.shows, *self.beside, *self.against)

    @functools.cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """`when`, parsed."""
        return tuple(Condition.parse(text) for text in self.when)


@dataclass(frozen=True)
class Cause:
    """What can be wrong.

    `consequences` are the causes that are mere symptoms where this one is seen too. Title,
    explanation and remedy may hold ``{name}`` or ``{name|words where it is not known}``. `unseen`
    says why no check can name it: a look at a machine does not show it.
    """

    title: str
    explanation: str
    remedy: Remedy
    url: str
    sign: tuple[Sign, ...] = ()
    consequences: tuple[str, ...] = ()
    unseen: str | None = None


def read(text: str, where: str) -> Cause:
    """One cause from its TOML.

    Raises:
        ProfileError: names the file, the key, and what is expected there.
    """
    try:
        cause = wire.load(Cause, tomllib.loads(text))
        for number, sign in enumerate(cause.sign):
            place = f"$.sign[{number}]"
            try:
                assert sign.templates is not None
                assert sign.conditions is not None
            except ValueError as error:
                raise wire.WireError(place, str(error)) from None
            if not sign.text:
                raise wire.WireError(f"{place}.text", "expected at least one message")
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{where} is not valid TOML: {error}") from None
    except wire.WireError as error:
        raise ProfileError(f"{where}: {error}") from None
    return cause


@functools.cache
def causes() -> dict[str, Cause]:
    """Every known cause by its slug, in alphabetical order.

    Raises:
        ProfileError: a file cannot be read as a cause, or names another that is none.
    """
    folder = profiles_dir() / "tables" / "causes"
    found = {
        path.stem: read(path.read_text("utf-8"), path.name)
        for path in sorted(folder.glob("*.toml"))
    }
    for slug, cause in found.items():
        for consequence in cause.consequences:
            if consequence not in found:
                raise ProfileError(f"{slug}.toml: $.consequences: no cause is {consequence!r}")
        for rival in (name for sign in cause.sign for name in sign.rivals):
            if rival not in found:
                raise ProfileError(f"{slug}.toml: $.sign.rivals: no cause is {rival!r}")
        if slug in symptoms(slug, found):
            raise ProfileError(f"{slug}.toml: $.consequences: it would be its own symptom")
    return found


def symptoms(slug: str, known: Mapping[str, Cause]) -> frozenset[str]:
    """Every cause that is a symptom of that one, at any remove."""
    found: set[str] = set()

    def follow(name: str) -> Iterator[str]:
        for consequence in known[name].consequences:
            if consequence not in found:
                found.add(consequence)
                yield from follow(consequence)

    list(follow(slug))
    return frozenset(found)
