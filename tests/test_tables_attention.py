"""What is known of a Transformers release, and what is not."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from llmdoctor import tables
from llmdoctor.tables import UnknownTransformers, attention_names, transformers_release
from llmdoctor.tables.read import numbers, read_table


@pytest.mark.parametrize(
    ("version", "since"),
    [("4.53.1", "4.53"), ("4.57.6", "4.57"), ("5.0.0", "5.0"), ("5.20.2", "5.20"), ("5.23.0", "5.23")],
)  # fmt: skip
def test_a_version_belongs_to_the_line_that_began_last(version: str, since: str) -> None:
    assert transformers_release(version).since == since


@pytest.mark.parametrize("version", ["4.40.0", "5.24.0", "6.0.0"])
def test_a_version_outside_the_table_is_said_and_never_guessed(version: str) -> None:
    with pytest.raises(UnknownTransformers, match=f"transformers {version} is not in the table"):
        transformers_release(version)


def test_the_paged_names_changed_with_5_0_and_flash_attention_4_came_by_5_23() -> None:
    before, after, newest = (attention_names(v) or () for v in ("4.57.6", "5.0.0", "5.23.0"))
    assert "sdpa_paged" in before
    assert "sdpa_paged" not in after
    assert "paged|sdpa" in after
    assert "flash_attention_4" not in after
    assert "flash_attention_4" in newest


def test_names_that_nobody_read_are_unknown_and_not_those_of_the_neighbour() -> None:
    assert attention_names("5.5.0") is None


def test_the_two_majors_need_hub_clients_that_exclude_each_other() -> None:
    old, new = tables.transformers_ranges("4.53.1"), tables.transformers_ranges("5.0.0")
    assert old is not None
    assert new is not None
    for version in ("0.36.0", "1.3.0", "1.31.0"):
        assert not (
            SpecifierSet(old.hub).contains(version) and SpecifierSet(new.hub).contains(version)
        )


def test_every_row_has_specifiers_and_needs_only_for_names_it_knows() -> None:
    rows = read_table("transformers")["release"]
    assert [row["since"] for row in rows] == sorted((row["since"] for row in rows), key=numbers)
    for row in rows:
        for key in ("python", "kernels"):
            assert key not in row or SpecifierSet(row[key]), f"{row['since']} {key}"
        assert set(row.get("needs", {})) <= set(row.get("names", ()))


def test_the_ranges_of_a_version_are_those_of_the_line_that_began_last() -> None:
    rows = read_table("transformers")["range"]
    assert [row["since"] for row in rows] == sorted((row["since"] for row in rows), key=numbers)
    for row in rows:
        known = tables.transformers_ranges(f"{row['since']}.1")
        assert known is not None
        assert (known.hub, known.tokenizers, known.accelerate) == (
            row["hub"], row["tokenizers"], row["accelerate"],
        )  # fmt: skip
        for text in (known.hub, known.tokenizers, known.accelerate, known.torch):
            SpecifierSet(text)
    assert tables.transformers_ranges("4.39.3") is None
    assert tables.transformers_ranges("99.0") is None


def test_every_implementation_is_known_to_a_release_and_its_feature_to_the_gpu_table() -> None:
    table = read_table("transformers")
    names = {name for row in table["release"] for name in row.get("names", ())}
    for row in table["implementation"]:
        assert row["name"] in names
        assert "feature" not in row or tables.feature(row["feature"])
