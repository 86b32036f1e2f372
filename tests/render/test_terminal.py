"""A terminal of any width: what is typed, opened or compared is never cut, the rest fits."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdoctor import explain as explaining
from llmdoctor.diagnose import Question, diagnose
from llmdoctor.finding import Finding, Remedy, Report
from llmdoctor.install import assumed, fits
from llmdoctor.install.request import Request
from llmdoctor.plan import Plan
from llmdoctor.profiles import every, wish
from llmdoctor.render import catalogue, documents, explanation, plans, terminal
from llmdoctor.render import proof as shown
from llmdoctor.render.terminal import Screen, command
from llmdoctor.system.local import Local
from llmdoctor.system.readonly import ReadOnly
from llmdoctor.target import assume
from render.test_sheet import PROOF

CASES = sorted(path.parent.name for path in (Path(__file__).parents[1] / "cases").glob("*/machine.json"))  # fmt: skip
WIDTHS = st.integers(20, 200)
ADDRESS = re.compile(r"https?://\S+")


@cache
def report(case: str) -> Report:
    place = Path(__file__).parents[1] / "cases" / case / "machine.json"
    return diagnose(Local(), Question(snapshot=str(place)))


@cache
def plan(profile: str, machine: str) -> Plan:
    chosen = wish((profile,), ".")
    return assumed(Request(profiles=chosen.wanted, known=chosen.known), assume((machine,)))


def fits_the_width(text: str, width: int) -> None:
    """A line is longer than the width only where one word of it, or what is typed, is."""
    for line in text.splitlines():
        assert len(line) <= width or whole(line), line


def whole(line: str) -> bool:
    """Whether a long line holds one word alone, or is one that is never wrapped."""
    said = line.strip()
    return (
        " " not in re.sub(r"^(\S{1,4}|[✓-] [\w-]+ *) ", "", re.sub("`[^`]+`", "x", said))
        or said.startswith(("$ ", "· ", "line ", "from ", "override: ", "former", "the former"))
        or " into " in said
    )


@settings(max_examples=60, deadline=None)
@given(case=st.sampled_from(CASES), width=WIDTHS, verbose=st.booleans())
def test_a_check_is_never_cut(case: str, width: int, verbose: bool) -> None:
    told = report(case)
    screen = Screen(width=width, colour=False, unicode=True)
    terminal.check(told, screen, verbose=verbose)
    lines = {line.strip() for line in screen.text.splitlines()}
    for item in told.findings:
        assert item.url is None or item.url in lines
        for argv in item.remedy.commands if item.remedy else ():
            assert f"$ {command(argv)}" in lines
        flat = " ".join(screen.text.split())
        assert " ".join(item.detail.split()) in flat
    fits_the_width(screen.text, width)


MACHINES = ("os=linux,gpu=RTX 4090,driver=560.35", "os=windows,gpu=RTX 5090,driver=575.51", "os=macos")  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    profile=st.sampled_from(["mainline", "legacy", "flashattn", "mamba", "cpu"]),
    machine=st.sampled_from(MACHINES),
    width=WIDTHS,
    verbose=st.booleans(),
)
def test_a_plan_is_never_cut(profile: str, machine: str, width: int, verbose: bool) -> None:
    made = plan(profile, machine)
    asked = plans.Asked((profile,), ("llmdoctor", "plan"), ("--assume", machine))
    screen = Screen(width=width, colour=False, unicode=True)
    plans.plan(made, screen, asked, verbose=verbose)
    words = set(screen.text.split())
    for row in documents.packages(made) if made.choice.feasible else ():
        assert row["url"] is None or row["url"] in words
    for other in made.choice.alternatives if not made.choice.feasible else ():
        if other.fits_here:
            assert f"$ {command(asked.instead(other))}" in screen.text


@settings(max_examples=20, deadline=None)
@given(width=WIDTHS, verbose=st.booleans())
def test_a_log_and_a_proof_are_never_cut(width: int, verbose: bool) -> None:
    log = b"CUDA error: no kernel image is available for execution on the device\n"
    found = explaining.explain([log])
    screen = Screen(width=width, colour=False, unicode=True)
    explanation.explain(found, screen, verbose=verbose)
    shown.smoke(PROOF, screen, verbose=verbose)
    assert found.causes[0].url in screen.text.split()
    assert log.decode().strip() in screen.text
    assert 'attn_implementation="' in screen.text or "nothing is proven" in " ".join(
        screen.text.split()
    )


def test_every_profile_is_named_at_any_width() -> None:
    wishes, broken = every()
    rows = fits(ReadOnly(Local()), wishes)
    for width in (20, 40, 79, 200):
        screen = Screen(width=width, colour=False, unicode=True)
        catalogue.table(rows, screen, broken=broken, verbose=False)
        assert {profile.name for profile, _ in rows} <= set(screen.text.split())


@pytest.mark.parametrize("unicode", [True, False])
def test_a_terminal_of_ascii_loses_no_meaning(unicode: bool) -> None:
    screen = Screen(width=80, colour=False, unicode=unicode)
    terminal.check(report("driver-520"), screen, verbose=True)
    assert screen.text.isascii() is not unicode
    assert "error DRV008" in screen.text


ODD = st.text(max_size=40) | st.sampled_from(["\x1b[2J", "a\rb", "\x07", "\u202eabc", "\x9b1m"])


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ODD, min_size=3, max_size=3), colour=st.booleans())
def test_no_text_steers_the_terminal(texts: list[str], colour: bool) -> None:
    a, b, c = texts
    item = Finding("GPU001", None, "error", a, b, (c,), remedy=Remedy(a, commands=((b, c),)))
    screen = Screen(width=40, colour=colour, unicode=True)
    terminal.finding(item, screen)
    plain = re.sub(r"\x1b\[[\d;]*m", "", screen.text) if colour else screen.text
    assert not [sign for sign in plain if sign != "\n" and sign < " "]
    assert not set(plain) & {"\x7f", "\x9b", "\u202e"}
