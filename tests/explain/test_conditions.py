"""What a sign may ask of captured values: true, false, and never true of what is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor.explain.conditions import Condition, capability, numbers


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ("nvcc older '12.8'", {"nvcc": ["11.5"]}, True),
        ("nvcc older '12.8'", {"nvcc": ["12.10"]}, False),
        ("nvcc older '12.8'", {"nvcc": ["12.8.93"]}, False),
        ("nvcc newer '12'", {"nvcc": ["12.4"]}, False),
        ("nvcc other-major cuda", {"nvcc": ["11.8"], "cuda": ["12.1"]}, True),
        ("cc above archs", {"cc": ["120"], "archs": ["sm_50 sm_60 sm_90a"]}, True),
        ("cc above archs", {"cc": ["12.0"], "archs": ["sm_90,sm_120"]}, False),
        ("cc below archs", {"cc": ["6.1"], "archs": ["sm_70 sm_75"]}, True),
        ("cc below '7.5'", {"cc": ["6.1", "9.0"]}, True),
        ("cc at-least '5.0'", {"cc": ["35"]}, False),
        ("cc at-least '5.0'", {"cc": ["90a"]}, True),
        ("python too-new-for range", {"python": ["3.11.8"], "range": ["<3.10,>=3.8"]}, True),
        ("python too-new-for range", {"python": ["3.7"], "range": ["<3.10,>=3.8"]}, False),
        ("os is 'windows'", {"os": ["linux", "windows"]}, True),
        ("os is-not 'windows'", {"os": ["linux"]}, True),
        ("frame in 'flash_attn xformers'", {"frame": ["xformers"]}, True),
        ("model starts 'llava_'", {"model": ["llava_qwen"]}, True),
        ("jetson known", {"jetson": ["yes"]}, True),
        ("jetson missing", {"jetson": ["yes"]}, False),
        ("jetson missing", {}, True),
    ],
)
def test_relations(condition: str, values: dict[str, list[str]], *, holds: bool) -> None:
    assert Condition.parse(condition).holds(values) is holds


@pytest.mark.parametrize(
    "text", ["nvcc older", "nvcc is older than 12", "nvcc oldre '12'", "jetson known 'x'", ""]
)
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|relation"):
        Condition.parse(text)


@given(st.sampled_from(["older", "newer", "above", "below", "is", "in", "other-major", "starts"]))
def test_nothing_is_concluded_from_silence(relation: str) -> None:
    assert not Condition.parse(f"a {relation} 'x'").holds({})
    assert not Condition.parse(f"a {relation} b").holds({"a": ["1"]})


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("sm_120", (12, 0)),
        ("8.6", (8, 6)),
        ("compute_89", (8, 9)),
        ("sm_121a", (12, 1)),
        ("x", None),
    ],
)
def test_a_compute_capability_in_any_spelling(text: str, pair: tuple[int, int] | None) -> None:
    assert capability(text) == pair


@given(st.text(max_size=30))
def test_any_words_can_be_compared(text: str) -> None:
    assert all(number >= 0 for number in numbers(text))
    capability(text)
