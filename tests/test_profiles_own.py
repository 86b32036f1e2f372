"""Profiles of users: in files, in projects, in installed packages; and what they build on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from llmdoctor.errors import LlmdoctorError, ProfileError, UsageError
from llmdoctor.profile import Profile
from llmdoctor.profiles import builtin, combined, every, find, wish
from llmdoctor.profiles.bounds import satisfiable
from llmdoctor.resolve import resolve
from llmdoctor.target import assume

DOC = (Path(__file__).parents[1] / "docs" / "reference" / "own-profiles.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"^```toml\n# (.+?)\n(.*?)^```$", DOC, re.MULTILINE | re.DOTALL))
MAINLINE = builtin()["mainline"]

ADDON = 'name = "{name}"\nkind = "addon"\ntitle = "T"\nsummary = "S."\n'


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def addon(folder: Path, name: str, *rows: str, more: str = "") -> str:
    return write(folder / f"{name}.toml", "\n".join([ADDON.format(name=name), more, *rows]))


def row(name: str, spec: str = "", marker: str = "") -> str:
    lines = ["[[packages]]", f'name = "{name}"', f'spec = "{spec}"']
    return "\n".join([*lines, *([f'marker = "{marker}"'] if marker else [])])


def child(folder: Path, name: str, extends: str, text: str = "") -> str:
    head = f'name = "{name}"\nextends = "{extends}"\n'
    return write(folder / f"{name}.toml", head + text)


def project(folder: Path, text: str) -> str:
    write(folder / "pyproject.toml", text)
    return str(folder)


def own(folder: Path, text: str = 'extends = "mainline"', name: str = "own") -> str:
    return project(folder, f"[tool.llmdoctor.profiles.{name}]\n{text}\n")


def specs(profile: Profile) -> dict[str, str]:
    return {want.name: want.spec for want in profile.packages}


def refused(word: str, project: str = ".") -> LlmdoctorError:
    with pytest.raises((ProfileError, UsageError)) as caught:
        wish([word], project)
    assert caught.value.exit_code == 2
    assert caught.value.next_command
    return caught.value


# in a project


def test_a_profile_of_the_project_is_found_by_its_table_s_key(tmp_path: Path) -> None:
    found = find("own", own(tmp_path))
    assert found.name == "own"
    assert found.torch == MAINLINE.torch
    assert found.packages == MAINLINE.packages
    assert found.origin.kind == "project"
    assert found.origin.text == f"the project's {tmp_path / 'pyproject.toml'}, extends mainline"


def test_the_nearest_manifest_that_speaks_of_llmdoctor_counts(tmp_path: Path) -> None:
    own(tmp_path)
    member = tmp_path / "packages" / "member"
    project(member, '[project]\nname = "member-for-llmdoctor"\n')
    assert find("own", str(member)).name == "own"
    project(member, "[tool.llmdoctor]\nfail-on = 'warning'\n")
    assert "no profile is called 'own'" in refused("own", str(member)).message


def test_other_keys_of_the_table_are_not_judged(tmp_path: Path) -> None:
    where = own(tmp_path)
    with Path(where, "pyproject.toml").open("a") as file:
        file.write("[tool.llmdoctor]\nselect = ['TORCH']\nno-such-key = 3\n")
    assert find("own", where).name == "own"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tool.llmdoctor.profiles]\nown = 3\n", r"profiles\.own\]: expected a table"),
        ("[tool.llmdoctor]\nprofiles = 3\n", r"profiles\]: expected a table for each"),
        ("[tool]\nllmdoctor = 3\n", r"\[tool\.llmdoctor\]: expected a table$"),
        ("[tool.llmdoctor.profiles.own]\nnmae = 3\n", r"own\]: \$: unknown key 'nmae'; did you"),
        ("[tool.llmdoctor.profiles.own]\nname = 'mine'\n", r"\$\.name: expected 'own', got 'mine'"),
        ("[tool.llmdoctor.profiles.own]\nextends = 'mainlin'\n", r"\$\.extends: .*mean 'mainline'"),
        ("[tool.llmdoctor.profiles.own\n", r"is not valid TOML: "),
        ("[tool.llmdoctor.profiles.own]\nextends = 'own'\n", r"in a circle: own -> own$"),
    ],
)
def test_a_damaged_table_of_a_project_is_named(tmp_path: Path, text: str, says: str) -> None:
    error = refused("own", project(tmp_path, text))
    assert str(tmp_path / "pyproject.toml") in error.message
    assert re.search(says, error.message)


def test_a_broken_project_is_no_reason_against_ours(tmp_path: Path) -> None:
    where = project(tmp_path, "[tool.llmdoctor\n")
    assert find("mainline", where) is MAINLINE
    good, broken = every(where)
    assert {*builtin()} <= {item.wanted[0].name for item in good}
    assert "is not valid TOML" in broken[0].error
    assert broken[0].origin.kind == "project"


def test_a_name_of_ours_cannot_be_taken(tmp_path: Path) -> None:
    where = own(tmp_path, 'extends = "cpu"', "mainline")
    for error in (refused("mainline", where), refused(child(tmp_path, "cpu", "mainline"))):
        assert "rename yours" in error.message
    assert find("cpu", where) is builtin()["cpu"]  # the others stay
    (item,) = every(where)[1]
    assert (item.name, item.origin.kind) == ("mainline", "project")
    assert "rename yours" in item.error


def test_a_misspelt_name_gives_the_nearest_of_the_project_too(tmp_path: Path) -> None:
    error = refused("serivce", own(tmp_path, name="service"))
    assert "did you mean 'service'?" in error.message
    assert error.next_command == "llmdoctor plan --profile service"


# in installed packages


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def package(site: Path, name: str, value: str, *, file: str = "", offer: str = "acme") -> None:
    """An installed package, whose code must not be run, with one entry point."""
    module = name.replace("-", "_")
    info = site / f"{module}-1.0.dist-info"
    write(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    write(info / "entry_points.txt", f"[llmdoctor.profiles]\n{offer} = {value}\n")
    write(site / module / "__init__.py", "raise SystemExit('a doctor ran me')\n")
    write(site / module / "acme.toml", file or ADDON.format(name=offer))


def test_a_package_s_profile_is_read_without_importing_the_package(site: Path) -> None:
    package(site, "acme-profiles", "acme_profiles:acme.toml")
    found = find("acme")
    assert found.origin.kind == "package"
    assert found.origin.package == "acme-profiles 1.0"
    assert found.origin.text == "the package acme-profiles 1.0"
    assert found.origin.place == str(site / "acme_profiles" / "acme.toml")
    assert "acme_profiles" not in sys.modules
    assert "acme" in [item.wanted[0].name for item in every()[0]]


def test_a_package_that_is_installed_editable_has_its_files_elsewhere(
    site: Path, tmp_path: Path
) -> None:
    package(site, "acme-profiles", "acme_profiles.deep:acme.toml")
    source = tmp_path / "src"
    source.mkdir()
    (site / "acme_profiles").rename(source / "acme_profiles")
    write(source / "acme_profiles" / "deep" / "acme.toml", ADDON.format(name="acme"))
    sys.path.insert(0, str(source))
    try:
        assert find("acme").origin.place.startswith(str(source))
    finally:
        sys.path.remove(str(source))
    assert "acme_profiles" not in sys.modules


@pytest.mark.parametrize(
    ("value", "file", "says"),
    [
        ("acme_profiles:PROFILE", "", "is 'acme_profiles:PROFILE', expected PACKAGE:FILE.toml"),
        ("acme_profiles", "", "expected PACKAGE:FILE.toml"),
        ("..etc:acme.toml", "", "expected PACKAGE:FILE.toml"),
        ("acme_profiles:gone.toml", "", "it has no file acme_profiles/gone.toml"),
        ("acme_profiles:acme.toml", 'kind = "addon\n', "is not valid TOML"),
        ("acme_profiles:acme.toml", ADDON.format(name="emca"), "expected 'acme', got 'emca'"),
        ("acme_profiles:acme.toml", 'kind = "addon"\n', "missing key 'name'"),
        ("acme_profiles:acme.toml", "nmae = 3\n", "did you mean 'name'"),
    ],
)
def test_a_broken_profile_of_a_package_is_listed_and_refused_and_harms_no_other(
    site: Path, value: str, file: str, says: str
) -> None:
    package(site, "acme-profiles", value, file=file)
    package(site, "other", "other:acme.toml", offer="other")
    error = refused("acme")
    assert says in error.message
    assert "acme-profiles 1.0" in error.message
    good, broken = every()
    assert {*builtin(), "other"} == {item.wanted[0].name for item in good}
    (item,) = broken
    assert (item.name, item.origin.package) == ("acme", "acme-profiles 1.0")
    assert says in item.error


@pytest.mark.parametrize("data", [b"[llmdoctor.profiles]\nacme\n", b"\xff [llmdoctor.profiles]"])
def test_entry_points_that_cannot_be_read_are_listed_under_their_package(
    site: Path, data: bytes
) -> None:
    package(site, "acme-profiles", "acme_profiles:acme.toml")
    (site / "acme_profiles-1.0.dist-info" / "entry_points.txt").write_bytes(data)
    good, (item,) = every()
    assert {*builtin()} == {wished.wanted[0].name for wished in good}
    assert item.name == "acme-profiles"
    assert "entry_points.txt cannot be read" in item.error


def test_two_packages_with_one_name_are_told_apart_by_path(site: Path) -> None:
    for name in ("one", "two"):
        package(site, name, f"{name}:acme.toml")
    error = refused("acme")
    assert "one 1.0 and two 1.0" in error.message
    path = str(site / "two" / "acme.toml")
    assert path in error.message
    assert find(path).name == "acme"
    assert len(every()[1]) == 2


def test_a_project_s_profile_hides_a_package_s_and_the_list_says_so(
    site: Path, tmp_path: Path
) -> None:
    package(site, "acme-profiles", "acme_profiles:acme.toml")
    where = own(tmp_path, name="acme")
    assert find("acme", where).origin.kind == "project"
    (item,) = every(where)[1]
    assert item.origin.kind == "package"
    assert f"hidden by the project's {tmp_path / 'pyproject.toml'}" in item.error


def test_a_package_cannot_take_a_name_of_ours(site: Path) -> None:
    package(site, "acme-profiles", "acme_profiles:acme.toml", offer="mainline")
    assert find("mainline") is MAINLINE
    (item,) = every()[1]
    assert "rename yours" in item.error


def test_packages_are_asked_only_for_a_name_that_is_not_ours(tmp_path: Path) -> None:
    """Their metadata costs more than a whole check."""

    def loaded(word: str) -> bool:
        code = f"import sys; from llmdoctor import profiles; profiles.wish([{word!r}], {own(tmp_path)!r}); print('importlib.metadata' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stderr == ""
        return done.stdout == "True\n"

    assert not loaded("mainline")
    assert not loaded("own")


# extending


def test_single_values_of_a_child_take_the_place_of_its_parent_s(tmp_path: Path) -> None:
    found = find(child(tmp_path, "own", "mainline", 'title = "Own"\ndisk = 5\npython = ">=3.12"\n'))
    assert (found.title, found.disk, found.python) == ("Own", 5, ">=3.12")
    assert found.summary == MAINLINE.summary
    assert found.python_reason == ""  # that was one for the parent's range
    assert MAINLINE.python_reason


def test_the_anchor_is_overridden_key_by_key_and_its_old_reason_goes(tmp_path: Path) -> None:
    assert MAINLINE.torch is not None
    found = find(child(tmp_path, "own", "mainline", '[torch]\nvariants = ["cu128"]\n')).torch
    assert found is not None
    assert (found.version, found.variants) == (MAINLINE.torch.version, ("cu128",))
    assert found.reason != MAINLINE.torch.reason
    assert found.source == str(tmp_path / "own.toml")
    text = '[torch]\nversion = "2.10.0"\nreason = "newer"\n'
    other = find(child(tmp_path, "own", "mainline", text)).torch
    assert other is not None
    assert (other.version, other.reason) == ("2.10.0", "newer")
    assert other.variants == MAINLINE.torch.variants


def test_packages_are_merged_by_name_and_marker(tmp_path: Path) -> None:
    addon(
        tmp_path,
        "base",
        row("einops", "<1", "python_version >= '3.11'"),
        row("einops", "<0.8", "python_version < '3.11'"),
        row("hqq", "<1"),
    )
    rows = [
        # the same marker, written otherwise
        row("einops", "==0.7.1", '(python_version>=\\"3.11\\")'),
        row("einops", "<0.7.5", "sys_platform == 'win32'"),
        row("tqdm"),
    ]
    found = find(child(tmp_path, "own", "base.toml", "\n".join(rows)))
    assert [(want.name, want.spec) for want in found.packages] == [
        ("einops", "==0.7.1"),
        ("einops", "<0.8"),
        ("hqq", "<1"),
        ("einops", "<0.7.5"),
        ("tqdm", ""),
    ]


def test_other_lists_are_added(tmp_path: Path) -> None:
    gate = '[[exclusions]]\ncode = "{}"\nreason = "r"\nsource = "s"\nchecked = "2026-01-01"\n'
    addon(tmp_path, "base", gate.format("old"), more='notes = ["a"]\nimports = ["einops"]')
    text = 'notes = ["b"]\nimports = ["tqdm", "einops"]\n' + gate.format("new")
    found = find(child(tmp_path, "own", "base.toml", text))
    assert found.notes == ("a", "b")
    assert found.imports == ("einops", "tqdm")
    assert [rule.code for rule in found.exclusions] == ["old", "new"]


def test_what_is_removed_is_neither_installed_nor_imported(tmp_path: Path) -> None:
    found = find(child(tmp_path, "own", "mainline", 'remove = ["peft"]\n'))
    assert {*specs(MAINLINE)} - {*specs(found)} == {"peft"}
    assert {*MAINLINE.imports} - {*found.imports} == {"peft"}
    error = refused(child(tmp_path, "own", "mainline", 'remove = ["transfomers"]\n'))
    assert "$.remove[0]: " in error.message
    assert "did you mean 'transformers'?" in error.message


def test_a_chain_of_any_length_is_followed(tmp_path: Path) -> None:
    parent = "mainline"
    for number in range(1200):
        child(tmp_path, f"p{number}", parent, f"disk = {number}\n" if number < 5 else "")
        parent = f"p{number}.toml"
    found = find(str(tmp_path / parent))
    assert found.disk == 4
    assert found.torch == MAINLINE.torch
    assert found.origin.extends[:2] == ("p1198", "p1197")
    assert found.origin.extends[-1] == "mainline"


def test_a_path_is_seen_from_the_file_that_names_it(tmp_path: Path) -> None:
    addon(tmp_path / "shared", "base", row("einops"))
    child(tmp_path / "shared", "middle", "base.toml")
    where = own(tmp_path / "app", 'extends = "../shared/middle.toml"')
    assert specs(find("own", where)) == {"einops": ""}
    assert find("own", where).origin.extends == ("middle", "base")


def test_tables_of_a_project_extend_each_other_and_packages(site: Path, tmp_path: Path) -> None:
    package(site, "acme-profiles", "acme_profiles:acme.toml")
    text = "[tool.llmdoctor.profiles.a]\nextends = 'b'\n[tool.llmdoctor.profiles.b]\nextends = 'acme'\n"
    assert find("a", project(tmp_path, text)).origin.extends == ("b", "acme")


def test_a_cycle_is_named_whole(tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    child(folder, "b", "sub/../a.toml")
    (folder / "sub").mkdir()
    message = refused(child(folder, "a", "b.toml")).message
    assert f"{folder}/a.toml -> {folder}/b.toml -> {folder}/sub/../a.toml" in message
    assert f"{folder}/b.toml: $.extends: goes round in a circle" in message


@pytest.mark.parametrize(
    ("extends", "text", "says"),
    [
        ("mainlin", "", r"\$\.extends: no profile is called 'mainlin'; did you mean 'mainline'\?"),
        ("gone.toml", "", r"\$\.extends: cannot read .*gone\.toml: no such file"),
        ("mainline", 'kind = "addon"\n', r"\$\.kind: it extends mainline, .*'stack', got 'addon'"),
        ("mainline", 'remove = "peft"\n', r"\$\.remove: expected a list"),
        ("mainline", "torch = 3\n", r"\$\.torch: expected a table"),
        ("mainline", "packages = 3\n", r"\$\.packages: expected a list"),
        ("mainline", "disk = [3]\n", r"\$\.disk: expected int, got a list"),
        ("mainline", 'imports = "x"\n', r"\$\.imports: expected a list"),
        (
            "mainline",
            "[torch]\nvesion = '2.9.1'\n",
            r"\$\.torch: unknown key 'vesion'; did you mean",
        ),
        ("mainline", row("einops") + row("tqdm", "=>1"), r"\$\.packages\[1\]\.spec: Invalid"),
    ],
)
def test_what_is_wrong_in_a_child_is_named_in_the_child(
    tmp_path: Path, extends: str, text: str, says: str
) -> None:
    message = refused(child(tmp_path, "own", extends, text.replace('"[[', '"\n[['))).message
    assert message.startswith(str(tmp_path / "own.toml"))
    assert re.search(says, message)


def test_what_is_wrong_in_a_parent_is_named_in_the_parent(tmp_path: Path) -> None:
    base = addon(tmp_path, "base", row("einops", "=>1"))
    message = refused(child(tmp_path, "own", "base.toml", row("tqdm"))).message
    assert message.startswith(f"{base}: $.packages[0].spec: ")


# contradictory pins


@pytest.mark.parametrize(
    ("first", "second", "markers", "clash"),
    [
        (">=5", "<4", ("", ""), True),
        ("==5.0.0", "==5.1.0", ("", ""), True),
        (">=5", "<6", ("", ""), False),
        (">=5", "<4", ("sys_platform == 'linux'", "sys_platform == 'win32'"), False),
        (">=5", "<4", ("sys_platform == 'linux'", "platform_machine == 'aarch64'"), True),
        (">=5", "<4", ("python_version >= '3.11'", "python_version < '3.11'"), False),
        (">=5", "<4", ("python_version >= '3.11'", ""), True),
        (">=5", "<4", ("python_version < '3.10'", ""), False),  # the profile takes no such Python
    ],
)
def test_a_package_that_no_version_of_can_be_is_refused(
    tmp_path: Path, first: str, second: str, markers: tuple[str, str], clash: bool
) -> None:
    rows = [
        row("transformers", spec, marker)
        for spec, marker in zip((first, second), markers, strict=True)
    ]
    path = addon(tmp_path, "own", *rows, more='python = ">=3.10"')
    if not clash:
        assert len(find(path).packages) == 2
        return
    message = refused(path).message
    assert f"{path}: $.packages: no version is both 'transformers{first}'" in message
    assert f"'transformers{second}'" in message


def test_a_contradiction_with_a_parent_says_how_to_take_out_the_parent_s(tmp_path: Path) -> None:
    marker = "python_version >= '3.10'"
    text = row("transformers", "==4.53.1", marker)
    message = refused(child(tmp_path, "own", "mainline", text)).message
    assert '`remove = ["transformers"]` takes out what mainline asks for' in message
    fixed = 'remove = ["transformers"]\n' + text
    assert specs(find(child(tmp_path, "own", "mainline", fixed)))["transformers"] == "==4.53.1"


def test_one_package_from_the_tables_and_from_the_index_is_refused(tmp_path: Path) -> None:
    rows = ['[[packages]]\nname = "triton"\norigin = "triton"', row("triton", "==3.5.1")]
    assert "two ways to find one version" in refused(addon(tmp_path, "own", *rows)).message


NUMBERS = st.integers(0, 3)
VERSIONS = st.builds(
    lambda *parts: ".".join(map(str, parts[:2])) + parts[2],
    NUMBERS,
    NUMBERS,
    st.sampled_from(["", ".1", "rc1", ".post1", ".dev1"]),
)
BOUNDS = st.lists(
    st.one_of(
        st.builds(
            lambda op, v: op + v, st.sampled_from([">=", "<=", ">", "<", "==", "!="]), VERSIONS
        ),
        st.builds(
            lambda op, a, b: f"{op}{a}.{b}.*", st.sampled_from(["==", "!="]), NUMBERS, NUMBERS
        ),
        st.builds(lambda a, b: f"~={a}.{b}", NUMBERS, NUMBERS),
    ),
    max_size=4,
)
GRID = [
    f"{a}.{b}{more}"
    for a in range(6)
    for b in range(6)
    for more in ("", ".1", ".2", ".0.5", "rc1", "rc2", ".post1", ".post2", ".dev1")
]


@given(BOUNDS)
def test_bounds_that_some_version_meets_are_never_called_a_contradiction(bounds: list[str]) -> None:
    wanted = SpecifierSet(",".join(bounds))
    if any(wanted.contains(version, prereleases=True) for version in GRID):
        assert satisfiable(",".join(bounds))


@pytest.mark.parametrize(
    "bounds", [">=5,<4", ">5,<5", "==5,==6", "==5.*,>=6", "~=5.1,<5", ">=5,<6,!=5.*", "==5,!=5"]
)
def test_bounds_without_room_are_a_contradiction(bounds: str) -> None:
    assert not satisfiable(bounds)


def test_profiles_that_contradict_each_other_are_a_refused_choice(tmp_path: Path) -> None:
    """From the tables alone: uv says the same, but only once it is asked."""
    path = addon(tmp_path, "own", row("transformers", "==4.53.1"))
    target = assume(["python=3.12"])
    for stack, feasible in (("legacy", True), ("mainline", False)):
        asked = wish([stack, path])
        choice = combined(resolve(asked.wanted, asked.known, target), asked.known)
        assert choice.feasible is feasible
        # Where it comes from explains a choice, and speaks against none.
        origins = [reason.text for reason in choice.reasons if reason.code == "origin"]
        assert origins == ([f"own comes from the file {path}"] if feasible else [])
    first = choice.reasons[0]
    assert (first.code, first.cause) == ("contradiction", "resolution-conflict")
    assert "own asks for transformers==4.53.1" in first.text
    assert f"mainline asks for transformers{specs(MAINLINE)['transformers']}" in first.text


# what an add-on goes with


def test_an_addon_of_ours_goes_with_what_extends_its_stack(tmp_path: Path) -> None:
    path = child(tmp_path, "own", "mainline", '[torch]\nvariants = ["cu128"]\n')
    asked = wish([path, "flashattn"])
    choice = resolve(asked.wanted, asked.known, assume(["gpu=RTX 4090,driver=570.86"]))
    assert choice.feasible
    assert choice.profiles == ("own", "flashattn")
    assert choice.variant == "cu128"


def test_an_addon_alone_takes_the_project_s_stack_that_it_names(tmp_path: Path) -> None:
    where = own(tmp_path, 'extends = "cpu"', "base")
    path = addon(tmp_path, "more", row("einops"), more='stacks = ["base"]')
    asked = wish([path], where)
    assert resolve(asked.wanted, asked.known, assume(["os=linux"])).profiles == ("base", "more")


@pytest.mark.parametrize(
    ("stack", "says"),
    [("mainlin", "did you mean 'mainline'?"), ("flashattn", "is an add-on, expected a stack")],
)
def test_an_addon_for_a_stack_that_is_none_is_refused(
    tmp_path: Path, stack: str, says: str
) -> None:
    path = addon(tmp_path, "own", more=f'stacks = ["mainline", "{stack}"]')
    message = refused(path).message
    assert message.startswith(f"{path}: $.stacks[1]: ")
    assert says in message


def test_two_profiles_of_one_name_are_not_taken_for_one(tmp_path: Path) -> None:
    first, second = (addon(tmp_path / name, "own", row(name)) for name in ("a", "b"))
    with pytest.raises(ProfileError, match="two profiles of the name 'own'") as caught:
        wish([first, second])
    assert first in caught.value.message
    assert second in caught.value.message


# the documentation


def test_every_example_of_the_documentation_is_looked_at() -> None:
    assert DOC.count("```toml") == len(EXAMPLES) == 5


@pytest.mark.parametrize("name", ["gpu-box.toml", "small.toml"])
def test_a_file_in_the_documentation_is_a_profile(tmp_path: Path, name: str) -> None:
    found = find(write(tmp_path / name, EXAMPLES[name]))
    asked = wish([str(tmp_path / name)])
    machine = assume(["python=3.12,gpu=RTX 4090,driver=570.86"])
    choice = combined(resolve(asked.wanted, asked.known, machine), asked.known)
    assert f"{found.name}.toml" == name
    assert choice.feasible, choice.reasons
    if name == "small.toml":
        assert specs(found)["transformers"] == "==5.0.0"
        assert "peft" not in {*specs(found), *found.imports}


def test_the_project_in_the_documentation_has_a_profile(tmp_path: Path) -> None:
    where = project(tmp_path, EXAMPLES["pyproject.toml"])
    assert specs(find("own", where)) == {**specs(MAINLINE), "sentencepiece": ">=0.2,<0.3"}


def test_the_package_in_the_documentation_has_a_profile(site: Path) -> None:
    ((_, name, value),) = re.findall(
        r'entry-points\."(.+)"\]\n(\w+) = "(.+)"', EXAMPLES["pyproject.toml of the package"]
    )
    text = EXAMPLES["acme_profiles/acme.toml"]
    package(site, "acme-profiles", value, file=text, offer=name)
    assert find(name).stacks == ("mainline",)


# markers and files that cannot be read


@pytest.mark.parametrize(
    "marker",
    [
        "platform_machine ~= 'x86_64'",
        "'a' in extras",
        "os_name > 'posix' or 'a' ~= 'b'",
    ],
)
def test_a_marker_that_cannot_be_judged_is_refused_while_reading(
    tmp_path: Path, marker: str
) -> None:
    path = addon(tmp_path, "own", row("tqdm", ">=4", marker))
    message = refused(path).message
    assert message.startswith(f"{path}: $.packages[0].marker: ")


@pytest.mark.skipif(sys.platform == "win32", reason="a named pipe of POSIX")
def test_a_profile_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.toml")
    assert "it is no file (a pipe or a device)" in refused(str(tmp_path / "own.toml")).message


def test_a_profile_that_is_a_folder_or_far_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    assert "directory" in refused(str(tmp_path / "folder.toml")).message
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate(1024**3)
    assert "is larger than 1 MiB" in refused(str(tmp_path / "huge.toml")).message


@pytest.mark.skipif(sys.platform == "win32", reason="a named pipe of POSIX")
def test_a_manifest_that_is_no_file_is_passed_over(tmp_path: Path) -> None:
    project(tmp_path, '[tool.llmdoctor.profiles.own]\nextends = "cpu"\n')
    (tmp_path / "inner").mkdir()
    os.mkfifo(tmp_path / "inner" / "pyproject.toml")
    assert wish(["own"], str(tmp_path / "inner")).wanted[0].name == "own"


def test_torch_among_the_packages_is_refused_and_not_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / "own.toml", 'name = "own"\nextends = "cpu"\n' + row("torch", "==2.5"))
    with pytest.raises(ProfileError, match=r"\$\.packages\[0\]\.name: torch is set in \[torch\] v"):
        find(path)
