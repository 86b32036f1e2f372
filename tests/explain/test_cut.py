"""What is left of a message that is cut off names its cause where nothing else could follow."""

from __future__ import annotations

import random

import pytest

from llmdoctor.explain import explain
from llmdoctor.explain.causes import causes
from llmdoctor.explain.cut import KEPT, CutLines
from llmdoctor.explain.template import Template

DRIVER = "RuntimeError: The NVIDIA driver on your system is too old (found version 11040)"


def named(log: str) -> list[tuple[str, str]]:
    return [(cause.cause, cause.confidence) for cause in explain([log.encode()]).causes]


@pytest.mark.parametrize(
    "log",
    [
        f"Traceback (most recent call last):\n{DRIVER[:56]}",
        f"{DRIVER[:56]}\nthe next line",
        f"{DRIVER[:53]}...\n" + "a line that is much longer than the one that was cut " * 3,
        f"{DRIVER[:53]} [truncated]\n" + "a line that is much longer than that " * 3,
    ],
)
def test_a_message_that_is_cut_off_makes_its_cause_possible(log: str) -> None:
    assert named(log) == [("driver-too-old", "possible")]
    (cause,) = explain([log.encode()]).causes
    assert "only the beginning" in cause.explanation
    assert cause.evidence[0].text.startswith("RuntimeError: The NVIDIA driver")


def test_the_whole_message_is_as_certain_as_ever() -> None:
    assert named(DRIVER) == [("driver-too-old", "certain")]
    assert named(f"{DRIVER}\n{DRIVER[:56]}") == [("driver-too-old", "certain")]


@pytest.mark.parametrize(
    "log",
    [
        "ModuleNotFoundError: No module named 'tor",  # torch, torchvision, torchaudio
        "ImportError: cannot import name '",
        "RuntimeError: CUDA error: ",
        "RuntimeError: The NVIDIA dri",
    ],
)
def test_what_could_go_on_otherwise_names_nothing(log: str) -> None:
    assert named(log) == []


def test_a_line_that_merely_begins_so_and_is_neither_long_nor_last_is_not_taken_for_cut() -> None:
    assert named(f"{DRIVER[:56]}\n" + "a line that is much longer than that " * 3) == []


def test_a_cut_message_comes_after_what_a_whole_one_shows() -> None:
    log = f"/bin/sh: 1: nvcc: not found\n{DRIVER[:56]}"
    assert [cause for cause, _ in named(log)] == ["nvcc-missing", "driver-too-old"]


def test_no_shipped_message_is_named_otherwise_when_it_is_cut() -> None:
    """Each plain message of a sample, cut at a place drawn by chance: its cause, or nothing."""
    plain = {t.text for c in causes().values() for s in c.sign for t in s.shows}
    draw = random.Random(4)
    said = 0
    for text in draw.sample(sorted(t for t in plain if "{" not in t and len(t) > 30), 25):
        cut = named(text[: draw.randint(len(text) // 2, len(text) - 1)])
        found = {cause for cause, confidence in cut if confidence == "possible"}
        assert found <= {cause for cause, _ in named(text)}, text
        said += bool(found)
    assert said > 5


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("noise abc de", 5),
        ("abc def 12.1 gh", 8),
        ("abc def 12.1", None),  # it may go on with another number
        ("abc def 12.1 ghi", None),  # it is there as a whole
        ("abd", None),
    ],
)
def test_a_beginning_ends_within_a_fixed_part(text: str, length: int | None) -> None:
    beginning = Template("abc def {n:version} ghi").begins_at_the_end_of(text.replace(" ", ""))
    assert (beginning and beginning.length) == length


def test_a_message_that_is_there_as_a_whole_is_no_beginning_of_a_longer_one() -> None:
    message = "CUDA error: no kernel image is available for execution on the device"
    assert [cause for cause, _ in named(message)] == ["gpu-too-new-for-torch"]


def test_the_lines_that_are_remembered_are_few() -> None:
    lines = CutLines()
    for number in range(50 * KEPT):
        lines.feed(number, f"line {number:09}...")
        lines.feed(number, f"a line of one width {number:09}")
    assert len(list(lines)) <= 4 * KEPT + 1
