"""The causes that are shipped: readable, complete, and known wherever one is named."""

from __future__ import annotations

import re

import pytest

from llmdoctor.checks import CHECKS
from llmdoctor.explain.causes import Cause, causes
from llmdoctor.explain.facts import known_facts
from llmdoctor.explain.judge import worded
from llmdoctor.paths import profiles_dir

KNOWN = causes()
FACTS = {fact.name for fact in known_facts()} | {"frame", "capability"}


def test_every_cause_that_a_check_or_a_table_names_has_a_file() -> None:
    named = {check.cause for check in CHECKS if check.cause}
    for path in profiles_dir().rglob("*.toml"):
        named |= set(re.findall(r'^cause = "([^"]+)"', path.read_text("utf-8"), re.MULTILINE))
    assert named - KNOWN.keys() == set()


@pytest.mark.parametrize("slug", KNOWN)
def test_a_cause_says_what_it_is_and_what_to_do(slug: str) -> None:
    cause = worded(KNOWN[slug], {})
    assert re.fullmatch(r"[a-z0-9-]+", slug)
    for text in (cause.title, cause.explanation, cause.remedy.summary):
        assert text
        assert not re.search(r"[{}]|<[a-z_]+>", text), "a hole has no words for the unknown"
    assert not cause.title.endswith(".")
    assert cause.explanation.endswith((".", "?"))
    assert cause.url.startswith("https://")
    assert cause.sign
    for argv in cause.remedy.commands:
        assert "llmdoctor" not in argv[1:] or argv[0] != "pip"


@pytest.mark.parametrize("slug", KNOWN)
def test_what_a_sign_asks_for_can_be_known(slug: str) -> None:
    for sign in KNOWN[slug].sign:
        captured = {name for t in (*sign.shows, *sign.beside) for name in t.pattern.groupindex}
        asked = {name for c in sign.conditions for name in (c.left, c.right) if name}
        assert asked <= captured | FACTS, sign.when


def test_no_sign_of_a_cause_is_the_same_as_another_of_it() -> None:
    def said(cause: Cause) -> list[tuple[object, ...]]:
        return [
            (text, sign.also, sign.unless, sign.when) for sign in cause.sign for text in sign.text
        ]

    for slug, cause in KNOWN.items():
        assert len(set(said(cause))) == len(said(cause)), slug
