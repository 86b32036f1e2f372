"""What Poetry says that it would do, in the words of 1.8.5, 2.0.1, 2.1.4 and 2.5.1."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmdoctor.installers.poetry import parse_operations
from llmdoctor.plan import Removal

SAID = """Installing dependencies from lock file

Package operations: 2 installs, 1 update, 1 removal, 1 skipped

  - Removing mine (1.0)
  - Updating aa (1.0 -> 1.1)
  - Installing bb (2.0)
  - Installing Flash_Attn (2.8.3 https://example.invalid/flash_attn-2.8.3-py3-none-any.whl)
  - Installing cc (3.0): Skipped for the following reason: Already installed

Installing the current project: toy (0.1.0)
"""


def test_changes_and_removals_are_read() -> None:
    found = parse_operations(SAID, {"aa": "1.0", "mine": "1.0", "cc": "3.0", "toy": "0.1.0"})
    assert found is not None
    told = [(c.package.name, c.before, c.package.version) for c in found.changes]
    assert told == [("aa", "1.0", "1.1"), ("bb", None, "2.0"), ("flash-attn", None, "2.8.3")]
    assert found.changes[2].package.url == (
        "https://example.invalid/flash_attn-2.8.3-py3-none-any.whl"
    )
    assert found.removals == (Removal("mine", "1.0"),)


def test_the_project_itself_counts_where_it_is_not_installed() -> None:
    found = parse_operations(SAID, {})
    assert found is not None
    assert found.changes[-1].package.name == "toy"


def test_nothing_to_do_is_understood() -> None:
    said = "Installing dependencies from lock file\n\nNo dependencies to install or update\n"
    found = parse_operations(said, {})
    assert found is not None
    assert (found.changes, found.removals) == ((), ())


def test_a_line_that_is_not_understood_is_no_answer() -> None:
    assert parse_operations(SAID.replace("- Installing bb", "- Fetching bb"), {}) is None


@given(st.text())
def test_any_text_gives_an_answer_or_none(text: str) -> None:
    parse_operations(text, {})
