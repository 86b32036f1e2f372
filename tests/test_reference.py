"""The reference's generated pages are what the generator gives today, and hold what they should."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from llmdoctor import profiles, tables
from llmdoctor.paths import profiles_dir
from llmdoctor.profile import Profile
from llmdoctor.tables.read import read_table

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
PROFILES = tuple(profiles.builtin().values())


@cache
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@cache
def pages() -> dict[str, str]:
    made: dict[str, str] = tool().pages()
    return made


def test_the_committed_pages_are_what_the_generator_gives() -> None:
    there = {"tables.md", "causes.md"}
    for folder in ("profiles", "checks"):
        there |= {f"{folder}/{path.name}" for path in (REFERENCE / folder).iterdir()}
    stale = [
        name
        for name in sorted(there | pages().keys())
        if name not in pages()
        or not (REFERENCE / name).exists()
        or (REFERENCE / name).read_text("utf-8") != pages()[name]
    ]
    assert stale == [], f"out of date, run `{tool().RUN}`"


def test_the_same_files_give_the_same_pages() -> None:
    assert tool().pages() == pages()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_page_holds_everything_that_is_written_in_its_profile(profile: Profile) -> None:
    page = pages()[f"profiles/{profile.name}.md"]
    texts = [profile.title, profile.summary, *profile.notes]
    for want in profile.packages:
        texts += [want.name, want.spec, want.reason, want.source, want.checked, want.marker or ""]
    for rule in profile.exclusions:
        texts += [rule.reason, f"`--allow {rule.code}`", rule.source, rule.checked]
    for left in profile.left_out:
        texts += [f"`{left.name} {left.spec}".strip(), left.reason, left.source]
    if profile.torch:
        texts += [f"torch=={profile.torch.version}", *profile.torch.variants, profile.torch.source]
    unmarked = page.replace("\\", "")
    assert [text for text in texts if text.replace("\\", "") not in unmarked] == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_page_says_of_every_machine_what_the_resolver_says(profile: Profile) -> None:
    page = pages()[f"profiles/{profile.name}.md"]
    for machine, choice in tool().choices(profile, PROFILES).items():
        (line,) = [row for row in page.splitlines() if row.startswith(f"| {machine} | ")]
        if choice.feasible:
            assert f"torch {choice.torch}+{choice.variant}" in line
            for item in choice.requirements:
                assert item.url is None or f"]({item.url})" in line
        else:
            assert line.startswith(f"| {machine} | does not fit: ")
            assert any(tool().plain(reason.text) in line for reason in choice.reasons)


def test_the_machines_of_the_pages_tell_the_profiles_apart() -> None:
    """On some machine each profile fits, and each that needs a GPU is refused on another."""
    for profile in PROFILES:
        fits = {choice.feasible for choice in tool().choices(profile, PROFILES).values()}
        assert True in fits, profile.name
        assert not profile.needs_gpu or False in fits, profile.name


def test_the_index_links_to_every_profile() -> None:
    links = re.findall(r"\]\((\S+)\.md\)", pages()["profiles/README.md"])
    assert sorted(links) == sorted(profiles.builtin())


def test_every_table_is_listed_with_its_date_rows_and_sources() -> None:
    sections = dict(part.split("\n", 1) for part in pages()["tables.md"].split("\n## ")[1:])
    root = profiles_dir() / "tables"
    names = [path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.toml")]
    dated = {name for name in names if "table" in read_table(name)}
    assert sections.keys() == dated
    for name, text in sections.items():
        assert f"- date: {tables.table_date(name)}" in text
        assert text.strip().splitlines()[0]  # what it is about
    assert f"`floor` {len(read_table('driver')['floor'])}," in sections["driver"]
    assert f"`release` {len(tables.torch_releases())}" in sections["torch"]
    wheels = tables.wheels_of("flash-attn") + tables.wheels_of("flash-attn-3")
    community = sum(wheel.origin == "community" for wheel in wheels)
    assert f"{community} lines" in sections["wheels/flash-attn-community"]


def test_every_cause_is_named_by_a_check_or_says_why_no_machine_shows_it() -> None:
    import reference_causes

    from llmdoctor.explain.causes import causes

    named = reference_causes.by_cause()
    assert named.keys() <= causes().keys()
    for slug, cause in causes().items():
        assert (slug in named) != bool(cause.unseen), slug
        row = rf"\| \[{slug}\]\(#{slug}\) \| .+ \| (\[[A-Z]+\d{{3}}\]|a log alone: \w)"
        assert re.search(row, pages()["causes.md"]), slug


def test_every_condition_has_a_check_and_a_test_that_builds_it() -> None:
    from checks.test_simulated_machines import MACHINES
    from llmdoctor.checks import CHECKS

    page = (REFERENCE / "conditions.md").read_text("utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    codes = {check.code for check in CHECKS}
    assert len(rows) > 30
    for condition, named, built in rows:
        assert re.findall(r"[A-Z]+\d{3}", named), condition
        assert set(re.findall(r"[A-Z]+\d{3}", named)) <= codes, condition
        names = re.findall(r"`(\w+)`", built)
        assert names, condition
        for name in names:
            assert name in MACHINES or f"def {name}(" in tests, (condition, name)


def test_no_row_of_a_table_is_broken() -> None:
    """Every line of a Markdown table has as many cells as its head."""
    for name, text in pages().items():
        width = 0
        for line in text.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert not (width and cells) or cells == width, f"{name}: {line}"
            width = cells


def test_markup_in_a_reason_is_shown_and_code_and_addresses_are_left() -> None:
    plain = tool().plain
    assert plain("a*b [c] <d> __init__ x_y") == r"a\*b \[c\] \<d> \_\_init\_\_ x_y"
    assert plain("`a*b` https://x.example/__a__ *") == r"`a*b` https://x.example/__a__ \*"
    assert tool().row("a|b", "c") == [r"| a\|b | c |"]


def test_a_table_over_a_year_old_is_warned_about_by_name() -> None:
    assert tool().warnings("2026-11-20") == []
    told = tool().warnings("2036-01-01")
    assert len(told) == len(tool().dated_tables())
    assert all(line.startswith("warning: profiles/tables/") for line in told)
    assert all(line.endswith("nox -s update-tables") for line in told)
