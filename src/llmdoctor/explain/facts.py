"""What a log says in passing about the machine it comes from: versions, GPUs, the platform."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmdoctor import wire
from llmdoctor.explain.scan import Sighting
from llmdoctor.explain.template import Template
from llmdoctor.tables import capability_of
from llmdoctor.tables.read import read_table


@dataclass(frozen=True)
class Fact:
    """A name for what a log says. `value` is what it means; None: what the hole `value` holds."""

    name: str
    text: tuple[str, ...]
    value: str | None = None

    @functools.cached_property
    def templates(self) -> tuple[Template, ...]:
        """What to look for."""
        return tuple(Template(text) for text in self.text)


@functools.cache
def known_facts() -> tuple[Fact, ...]:
    """Every fact that the table of facts knows how to read."""
    return wire.load(tuple[Fact, ...], read_table("log-facts")["fact"])


def gather(sightings: Mapping[Template, Sequence[Sighting]]) -> dict[str, tuple[str, ...]]:
    """Every value of each fact, in the log's order and without repetition.

    `capability` is added from the GPU table for each GPU that is named.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for fact in known_facts():
        for template in fact.templates:
            for sighting in sightings.get(template, ()):
                value = fact.value or sighting.captures["value"]
                found.setdefault(fact.name, []).append((sighting.line, value))
    facts = {name: tuple(dict.fromkeys(v for _, v in sorted(said))) for name, said in found.items()}
    named = [capability_of(name) for name in facts.get("gpu", ())]
    capabilities = (*facts.get("capability", ()), *filter(None, named))
    if capabilities:
        facts["capability"] = tuple(dict.fromkeys(capabilities))
    return facts
