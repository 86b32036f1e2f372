"""Profiles load, and a damaged one is named with its file and its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from llmdoctor import tables
from llmdoctor.errors import ProfileError, UsageError
from llmdoctor.paths import profiles_dir
from llmdoctor.profiles import builtin, find

STACK = """\
schema = 1
name = "mine"
kind = "stack"
title = "Mine"
summary = "My own."
python = ">=3.10"

[torch]
version = "2.9.1"
variants = ["cu126", "cpu"]
reason = "it is what I have"
source = "me"

[[packages]]
name = "numpy"
spec = ">=1.26"

[[packages]]
name = "einops"
marker = "python_version >= '3.10'"
"""
SHIPPED = sorted(path.stem for path in profiles_dir().glob("*.toml"))


def test_the_profiles_of_the_contract_are_shipped() -> None:
    assert {"mainline", "legacy", "cpu", "flashattn", "triton", "mistral3"} <= set(SHIPPED)
    assert list(builtin()) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_says_what_it_is_and_where_each_number_comes_from(name: str) -> None:
    profile = find(name)
    assert profile is builtin()[name]
    assert profile.title
    assert profile.summary.endswith(".")
    for want in profile.packages:
        assert want.reason, want.name
        assert want.source, want.name
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", want.checked), want.name
        Requirement(want.name + want.spec)
    stacks = {profile.name for profile in builtin().values() if profile.kind == "stack"}
    assert set(profile.stacks) <= stacks


@pytest.mark.parametrize("name", [name for name in SHIPPED if builtin()[name].torch is not None])
def test_a_shipped_stack_is_in_the_tables(name: str) -> None:
    profile = find(name)
    assert profile.torch is not None
    release = tables.torch_release(profile.torch.version)
    assert set(profile.torch.variants) <= set(release.variants)
    allowed = SpecifierSet(profile.python)
    assert {"3.10", "3.11", "3.12", "3.13"} <= {p for p in release.python if p in allowed}
    assert profile.python_reason


def test_a_profile_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(STACK)
    mine = find(str(file))
    assert (mine.name, mine.kind) == ("mine", "stack")
    assert mine.torch is not None
    assert mine.torch.variants == ("cu126", "cpu")
    assert [want.name for want in mine.packages] == ["numpy", "einops"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "stack"', "kind = stack", r"not valid TOML: .*line 3, column 8"),
        ('variants = ["cu126"', 'variants = "cu126"', r"not valid TOML: .*line 10"),
        ('title = "Mine"\n', "", r"\$: missing key 'title'"),
        ('title = "Mine"', "title = 3", r"\$\.title: expected str, got int 3"),
        ("[torch]", "disk = 2.5\n[torch]", r"\$\.disk: expected int, got float 2\.5"),
        ("[torch]", "checked = 2026-01-01\n[torch]", r"\$: unknown key 'checked'"),
        ("[torch]", 'extend = "cpu"\n[torch]', r"unknown key 'extend'; did you mean 'extends'"),
        ("[torch]", 'origin = "me"\n[torch]', r"\$: unknown key 'origin'"),
        ("[torch]", "extends = 3\n[torch]", r"\$\.extends: expected"),
        ("[torch]", 'remove = ["numpy"]\n[torch]', r"\$\.remove: there is nothing"),
        ('name = "mine"', 'name = "my stack"', r"\$\.name: expected letters"),
        ('name = "mine"', 'name = "mine.toml"', r"'mine\.toml' would be looked for as a file"),
        ('name = "mine"', 'name = "cpu"', r"ships with llmdoctor is called 'cpu': rename yours"),
        ('name = "mine"', "name = []", r"\$\.name: expected str"),
        ('"2.9.1"', '"9.9"', r"\$\.torch\.version: torch 9\.9 is not in the table of .*it knows 2"),
        ('"2.9.1"', '"2.9"', r"\$\.torch\.version: expected one release such as '2\.9\.1'"),
        ('"2.9.1"', '"2.9.1+cu126"', r"\$\.torch\.version: expected one release such as"),
        ('"cu126", ', '"cu118", ', r"\$\.torch\.variants\[0\]: .*no build 'cu118'.* cu126"),
        ('spec = ">=1.26"', 'origin = "wheel"', r"\[0\]\.origin: .*no 'numpy', only .*flash-attn"),
        (
            'spec = ">=1.26"',
            'origin = "table"',
            r"\[0\]\.origin: .*no 'numpy', only bitsandbytes, ",
        ),
        ('"numpy"\nspec = ">=1.26"', '"xformers"\norigin = "triton"', r"'xformers', only triton"),
        ('"numpy"', '"torchao"\norigin = "table"', r"packages\[0\]\.spec: .*leave one of them out"),
        ("[torch]\n", "[hardware]\n[torch]\n", r"\$\.hardware: missing key"),
        ("[[packages]]", "[" * 2000, r"mine\.toml is not valid TOML: "),
        ("[[packages]]", "<<<<<<< here\n[[packages]]", r"conflict markers .*line 14"),
        ('reason = "it', 'reasn = "it', r"\$\.torch: unknown key 'reasn'; did you mean 'reason'"),
        ('kind = "stack"', 'kind = "stak"', r"\$\.kind: expected one of 'stack', 'addon'"),
        ('kind = "stack"', 'kind = "addon"', r"\$\.torch: a stack has a \[torch\] table"),
        ('">=3.10"', '"=>3.10"', r"\$\.python: Invalid specifier"),
        ('">=1.26"', '">=one"', r"\$\.packages\[0\]\.spec: Invalid specifier"),
        ("python_version >=", "pyton_version >=", r"\$\.packages\[1\]\.marker: "),
        ('name = "numpy"', 'name = "num py"', r"\$\.packages\[0\]\.name: .*'num py'"),
        ('name = "numpy"', 'name = "NumPy"', r"\$\.packages\[0\]\.name: .*'numpy'"),
        ('["cu126", "cpu"]', "[]", r"\$\.torch\.variants: expected at least one build"),
        ('"cu126"', '"cuda-12.6"', r"\$\.torch\.variants\[0\]: .*'cuda-12\.6'"),
        ('"cu126"', '"rocm6.4"', r"\$\.torch\.variants\[0\]: "),
        ("[torch]", 'feature = "flash"\n[torch]', r"\$\.feature: .*'flash'.*flash_attn_2"),
        ("schema = 1", "schema = 0", r"\$\.schema: expected 1, got 0"),
        ("schema = 1", 'schema = "1"', r"\$\.schema: expected int"),
        ('spec = ">=1.26"', 'origin = "pip"', r"\$\.packages\[0\]\.origin: expected one of"),
    ],
)
def test_a_damaged_profile_is_named_with_its_file_and_place(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in STACK
    file = tmp_path / "mine.toml"
    file.write_text(STACK.replace(old, new, 1))
    with pytest.raises(ProfileError, match=says) as caught:
        find(str(file))
    assert str(file) in caught.value.message
    assert caught.value.exit_code == 2
    assert caught.value.next_command == f"llmdoctor profiles {file}"  # reads it again


def test_a_newer_schema_is_said_before_its_new_keys_are_called_unknown(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(STACK.replace("schema = 1", 'schema = 2\nnew_in_two = "x"'))
    with pytest.raises(ProfileError, match="schema is 2, this llmdoctor reads 1") as caught:
        find(str(file))
    assert caught.value.next_command == "llmdoctor --version"


def test_a_profile_that_is_not_text_is_said_to_be_that(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProfileError, match="is not UTF-8 text"):
        find(str(file))


@pytest.mark.parametrize(
    ("name", "why"),
    [("gone.toml", "no such file or directory"), ("folder.toml", "is a directory")],
)
def test_a_profile_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ProfileError, match=f"cannot read .*{name}: {why}") as caught:
        find(str(tmp_path / name))
    assert caught.value.exit_code == 2
    assert caught.value.next_command == "llmdoctor profiles"


def test_a_misspelt_profile_gives_the_nearest_and_the_command_for_it() -> None:
    with pytest.raises(UsageError, match="did you mean 'flashattn'") as caught:
        find("flash-attn")
    assert caught.value.next_command == "llmdoctor plan --profile flashattn"
    assert all(name in caught.value.message for name in SHIPPED)


def test_a_name_that_is_like_no_other_gives_them_all() -> None:
    with pytest.raises(UsageError, match="no profile is called 'xyz'") as caught:
        find("xyz")
    assert "did you mean" not in caught.value.message
    assert caught.value.next_command == "llmdoctor profiles"
