"""Templates are read as a contributor means them, and refused where they could match anything."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor.explain import scan
from llmdoctor.explain.scan import Scanner, Sighting
from llmdoctor.explain.template import Template
from llmdoctor.explain.text import squeezed


def look(template: str, log: str) -> list[Sighting]:
    scanner = Scanner([Template(template)])
    for number, line in enumerate(log.split("\n"), 1):
        scanner.feed(number, line)
    return list(scanner.sightings().get(Template(template), ()))


def test_a_message_is_found_with_its_line_and_its_parts() -> None:
    log = "a\nThe driver is too old (found version 11040). Please\nb"
    (seen,) = look("too old (found version {found:number})", log)
    assert (seen.line, seen.captures) == (2, {"found": "11040"})
    assert seen.text == "The driver is too old (found version 11040). Please"


@pytest.mark.parametrize(
    "log",
    [
        "The NVIDIA driver on\nyour system is too old",
        "The NVIDIA driver on your sys\ntem is too old",
        "      │ The NVIDIA driver on\n      │ your system is too old",
        "The  NVIDIA\tdriver on your system is too old",
    ],
)
def test_it_is_found_however_it_was_wrapped(log: str) -> None:
    (seen,) = look("NVIDIA driver on your system is too old", log)
    assert seen.line == 1


def test_a_captured_name_keeps_its_spaces_and_ends_at_its_line() -> None:
    log = "warnings.warn(\nNVIDIA GeForce RTX 3090 with CUDA capability sm_86 is not compatible"
    (seen,) = look("{gpu} with CUDA capability sm_{cc:number} is not", log)
    assert seen.captures == {"gpu": "NVIDIA GeForce RTX 3090", "cc": "86"}


def test_a_list_of_architectures_ends_where_it_ends() -> None:
    log = "supports CUDA capabilities sm_50 sm_60 sm_90a.\nIf you want to use the NVIDIA 5080 GPU"
    (seen,) = look("supports CUDA capabilities {archs:archs}", log)
    assert seen.captures["archs"].split() == ["sm_50", "sm_60", "sm_90a"]


def test_the_package_of_the_last_frame_is_captured() -> None:
    log = (
        'File "/v/lib/python3.12/site-packages/torch/nn.py", line 1\n'
        'File "/v/lib/python3.12/site-packages/flash_attn/bert.py", line 2\nno kernel image is'
    )
    (seen,) = look("no kernel image is", log)
    assert seen.captures == {"frame": "flash_attn"}


def test_a_gap_is_bounded() -> None:
    assert look("first part {*} last part", "first part" + " x" * 100 + " last part")
    assert not look("first part {*} last part", "first part" + " x" * 900 + " last part")


def test_a_name_that_stands_twice_has_to_be_the_same() -> None:
    assert look("open {n:number} close {n:number}.", "open 12 close 12.")
    assert not look("open {n:number} close {n:number}.", "open 12 close 13.")


def test_a_message_across_two_blocks_is_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmdoctor.explain.scan.BLOCK", 200)
    noise = [f"line {n} of something else" for n in range(60)]
    for place in range(60):
        log = [*noise[:place], "The message that is", "looked for here", *noise[place:]]
        (seen,) = look("message that is looked for", "\n".join(log))
        assert seen.line == place + 1


def test_memory_does_not_grow_with_the_number_of_sightings() -> None:
    assert len(look("no kernel image", "no kernel image\n" * 5000)) < 100


class Counted(Template):
    """Writes down how much text each run of its pattern was given."""

    given: ClassVar[list[int]] = []

    @property
    def pattern(self) -> Any:
        return self

    def search(self, text: str, begin: int, end: int) -> re.Match[str] | None:
        self.given.append(end - begin)
        return Template(self.text).pattern.search(text, begin, end)


@pytest.mark.parametrize("half", ["too old (found version x ", "RTX 5090 too old (found version "])
def test_a_log_that_is_made_to_be_slow_costs_as_much_as_it_is_long(half: str) -> None:
    Counted.given.clear()
    scanner = Scanner([Counted("{gpu} too old (found version {found:number}) {*} at last")])
    for number in range(100):
        scanner.feed(number, half * 300)
    scanner.sightings()
    blocks = 100 * 300 * len(half) / scan.BLOCK + 1
    assert len(Counted.given) <= blocks * scan.TRIED
    assert max(Counted.given) < 3000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{a} {b:word}", "longest fixed part"),
        ("it", "longest fixed part"),
        ("the name is {name}", "nothing says where"),
        ("the rest {*}", "nothing says where"),
        ("the {version:verison} is", "no kind of hole"),
    ],
)
def test_what_could_not_be_searched_for_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Template(text)


words = st.lists(st.text("abcxyz019_.:'()", min_size=1, max_size=9), min_size=2, max_size=8)


@given(words, st.lists(st.sampled_from(["", " ", "\n", "\n    ", " \t"]), min_size=200))
def test_white_space_anywhere_changes_nothing(parts: list[str], gaps: list[str]) -> None:
    message = " ".join(parts)
    if len(squeezed(message)) < 3:
        return
    wrapped = "".join(letter + gap for letter, gap in zip(squeezed(message), gaps, strict=False))
    assert look(message, wrapped)
