"""The table of CUDA toolkits: every row has a source, and the questions have right answers."""

from __future__ import annotations

from datetime import date

import pytest

from llmdoctor.tables.poetry_commands import removed_from_poetry
from llmdoctor.tables.read import numbers, read_table, table_date
from llmdoctor.tables.toolkits import (
    compat_on,
    memory_of_a_job,
    newest_gcc,
    toolkits_for,
    windows_library,
)

STATUSES = {"verified", "secondary", "unverified"}


def test_every_row_says_who_told_it_and_when() -> None:
    assert date.fromisoformat(table_date("toolkit"))
    arrays = [rows for rows in read_table("toolkit").values() if isinstance(rows, list)]
    assert len(arrays) == 5
    for row in (row for rows in arrays for row in rows):
        assert row["source"]
        assert row["status"] in STATUSES
        assert date.fromisoformat(row["checked"])


def test_rows_of_gcc_are_in_order_and_never_fall() -> None:
    rows = read_table("toolkit")["gcc"]
    assert [numbers(row["cuda"]) for row in rows] == sorted(numbers(row["cuda"]) for row in rows)
    assert [row["newest"] for row in rows] == sorted(row["newest"] for row in rows)


@pytest.mark.parametrize(
    ("cuda", "gcc"),
    [("11.4", 10), ("11.8", 11), ("12.1", 12), ("12.6", 13), ("12.8", 14), ("13.2", 15),
     ("10.2", None), ("14.0", None)],
)  # fmt: skip
def test_the_newest_gcc_of_a_toolkit(cuda: str, gcc: int | None) -> None:
    assert newest_gcc(cuda) == gcc


def test_no_gpu_is_in_two_rows_and_each_of_the_known_has_one() -> None:
    listed = [cc for row in read_table("toolkit")["gpu"] for cc in row["capabilities"]]
    assert len(listed) == len(set(listed))
    assert {"6.1", "7.5", "8.9", "9.0", "10.0", "12.0", "12.1"} <= set(listed)
    found = toolkits_for("6.1")
    assert found
    assert (found.first, found.last) == ("10.0", "12.9")
    assert toolkits_for("99.9") is None


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("NVIDIA GeForce RTX 4090", "refused"),
        ("NVIDIA TITAN RTX", "refused"),
        ("NVIDIA RTX A6000", "undecided"),
        ("Quadro RTX 8000", "undecided"),
        ("NVIDIA H200", "supported"),
        ("Tesla T4", "supported"),
    ],
)
def test_cuda_compat_by_the_name_of_the_gpu(name: str, answer: str) -> None:
    assert compat_on(name) == answer


def test_single_facts() -> None:
    assert windows_library("2.4.0+cu121") == "libomp140.x86_64.dll"
    assert windows_library("2.4.1") is None
    assert memory_of_a_job() > 10**9


def test_what_each_poetry_no_longer_has() -> None:
    assert removed_from_poetry("1.8.5") == ()
    rules = {rule.words for rule in removed_from_poetry("2.5.1")}
    assert {("shell",), ("lock", "--no-update")} <= rules
