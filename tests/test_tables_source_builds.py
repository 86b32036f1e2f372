"""The table of source builds: every row has a source, and the right release is compiled."""

from __future__ import annotations

from datetime import date

import pytest
from packaging.requirements import Requirement

from llmdoctor import tables
from llmdoctor.tables.read import read_table


def test_every_row_has_a_source_a_status_and_a_date() -> None:
    rows = read_table("source-builds")["packages"]
    assert rows
    for row in rows:
        assert row["source"]
        assert row["status"] in ("verified", "secondary")
        assert date.fromisoformat(row["checked"])
        for text in (*row["requires"], *row["tools"]):
            assert Requirement(text).name


@pytest.mark.parametrize(
    ("package", "torch", "os", "version"),
    [
        ("flash-attn", "2.9.1", "windows", "2.8.3"),
        ("mamba-ssm", "2.9.1", "linux", "2.3.2.post1"),
        ("mamba-ssm", "2.6.0", "linux", "2.3.1"),
        ("mamba-ssm", "2.9.1", "windows", None),
        ("flash-attn", "2.1.2", "linux", None),
        ("xformers", "2.9.1", "linux", None),
    ],
)
def test_the_release_that_is_compiled_goes_with_torch_and_system(
    package: str, torch: str, os: str, version: str | None
) -> None:
    recipe = tables.source_build(package, torch, os)
    assert (recipe.version if recipe else None) == version
