"""What a lock says of its packages, and which of them have no file for a machine."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor.hardware import Host, Libc
from llmdoctor.locked import Unfit
from llmdoctor.machine import Environment, Lock
from llmdoctor.probe.lock_fit import read_packages
from llmdoctor.probe.lock_graph import Here, asked_for, marker_values
from llmdoctor.probe.locked import Entry, file_of, read_lock
from llmdoctor.probe.project import LARGEST, read_project
from llmdoctor.system.local import Local
from support import poetry_projects as poetry
from support.poetry_projects import Locked

LINUX = Host("linux", "x86_64", libc=Libc("glibc", "2.35"))
WINDOWS = Host("windows", "x86_64")
MACOS = Host("macos", "arm64")
VENV = Environment("venv", version="3.12.4")

WIN_URL = "https://x.invalid/fakefa-1.0-cp312-cp312-win_amd64.whl"
LINUX_URL = "https://x.invalid/fakefa-1.0-cp312-cp312-linux_x86_64.whl"
WHEELS = ["winonly-1.0-cp312-cp312-win_amd64.whl", "winonly-1.0-cp311-cp311-win_amd64.whl"]


def look(folder: Path, host: Host = LINUX, environment: Environment = VENV) -> Lock:
    project = read_project(Local(), str(folder))
    assert project is not None
    assert project.lock is not None
    assert project.lock.problem is None, project.lock.problem
    return read_packages(Local(), project, environment, host)


def names(lock: Lock) -> list[tuple[str, str]]:
    return [(item.name, item.kind) for item in lock.unfit]


def url_entry(url: str, markers: str | None = None) -> Locked:
    source = {"type": "url", "url": url}
    return Locked("fakefa", "1.0", files=[file_of(url)], markers=markers, source=source)


# --- poetry.lock ----------------------------------------------------------------------------


def test_a_url_wheel_for_another_platform_is_told_with_its_line(tmp_path: Path) -> None:
    poetry.poetry_project(tmp_path, packages=[url_entry(WIN_URL)])
    lock = look(tmp_path)
    assert lock.packages == 1
    (found,) = lock.unfit
    assert (found.origin, found.address, found.made_for) == ("url", WIN_URL, "Windows x86_64")
    assert found.line is not None
    line = (tmp_path / "poetry.lock").read_text().splitlines()[found.line - 1]
    assert line == 'name = "fakefa"'
    assert look(tmp_path, WINDOWS).unfit == ()


def test_a_path_wheel_is_judged_like_one_with_a_url(tmp_path: Path) -> None:
    source = {"type": "file", "url": "wheels/fakefa-1.0-cp312-cp312-win_amd64.whl"}
    packages = [Locked("fakefa", "1.0", files=[file_of(source["url"])], source=source)]
    poetry.poetry_project(tmp_path, packages=packages)
    assert [item.origin for item in look(tmp_path).unfit] == ["path"]


def test_markers_and_optional_groups_keep_a_foreign_wheel_away(tmp_path: Path) -> None:
    windows = "sys_platform == 'win32'"
    pair = [url_entry(WIN_URL, windows), url_entry(LINUX_URL, "sys_platform == 'linux'")]
    poetry.poetry_project(tmp_path / "pair", packages=pair)
    assert look(tmp_path / "pair").unfit == ()
    assert [item.made_for for item in look(tmp_path / "pair", MACOS).unfit] == []

    optional = "[tool.poetry.group.gpu]\noptional = true\n"
    text = poetry.pyproject_text("tool.poetry", groups={"gpu": {"fakefa": "1.0"}}, extra=optional)
    packages = [replace(url_entry(WIN_URL), groups=["gpu"])]
    poetry.poetry_project(tmp_path / "optional", text, packages)
    assert look(tmp_path / "optional").unfit == ()
    plain = poetry.pyproject_text("tool.poetry", groups={"gpu": {"fakefa": "1.0"}})
    poetry.poetry_project(tmp_path / "group", plain, packages)
    assert names(look(tmp_path / "group")) == [("fakefa", "platform")]


def test_wheels_of_other_platforms_and_pythons_are_told_apart_and_an_sdist_will_do(
    tmp_path: Path,
) -> None:
    packages = [
        Locked("winonly", "1.0", files=WHEELS),
        Locked("oldpython", "1.0", files=["oldpython-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"]),
        Locked("newglibc", "1.0", files=["newglibc-1.0-cp312-cp312-manylinux_2_39_x86_64.whl"]),
        Locked("built", "1.0", files=[*WHEELS, "built-1.0.tar.gz"]),
        Locked("pure", "1.0", files=["pure-1.0-py3-none-any.whl"]),
        Locked("stable", "1.0", files=["stable-1.0-cp39-abi3-manylinux_2_17_x86_64.whl"]),
        Locked("unknown", "1.0"),
    ]
    poetry.poetry_project(tmp_path, packages=packages)
    lock = look(tmp_path)
    assert names(lock) == [("winonly", "platform"), ("oldpython", "python"), ("newglibc", "glibc")]
    assert lock.packages == 7


def test_without_a_python_only_the_platform_is_judged(tmp_path: Path) -> None:
    packages = [
        Locked("winonly", "1.0", files=WHEELS),
        Locked("oldpython", "1.0", files=["oldpython-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"]),
    ]
    poetry.poetry_project(tmp_path, packages=packages)
    assert names(look(tmp_path, environment=Environment())) == [("winonly", "platform")]
    assert look(tmp_path, Host()).unfit == (), "an unknown machine is judged in nothing"


ROOTS = """\
[tool.poetry.dependencies]
python = ">=3.10"
top = "*"
fakefa = [
    {url = "%s", markers = "sys_platform == 'win32'"},
    {url = "%s", markers = "sys_platform == 'linux'"},
]
extra = {version = "*", optional = true}

[tool.poetry.group.gpu]
optional = true

[tool.poetry.group.gpu.dependencies]
winonly = "*"
""" % (WIN_URL, LINUX_URL)  # noqa: UP031 - braces belong to TOML


def test_a_lock_of_poetry_1_is_walked_from_the_manifest(tmp_path: Path) -> None:
    """It carries neither groups nor markers: whose they are is on the way to the package."""
    wheels = [name.replace("winonly", "deep") for name in WHEELS]
    packages = [
        Locked("top", "1.0", ["top-1.0-py3-none-any.whl"], dependencies={"Deep": ">=1"}),
        Locked("deep", "1.0", wheels),
        Locked("winonly", "1.0", WHEELS),
        Locked("extra", "1.0", WHEELS, optional=True),
        Locked("nobody", "1.0", WHEELS),
        url_entry(WIN_URL),
        url_entry(LINUX_URL),
    ]
    poetry.poetry_project(tmp_path, ROOTS, packages, poetry="1.8.5")
    assert names(look(tmp_path)) == [("deep", "platform")]
    lock = tmp_path / "poetry.lock"
    text = lock.read_text()
    marked = '{version = ">=1", markers = "sys_platform == \\"win32\\""}'
    lock.write_text(text.replace('"Deep" = ">=1"', f'"Deep" = {marked}'))
    assert look(tmp_path).unfit == ()


def test_files_below_the_metadata_of_the_oldest_locks_are_found(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.poetry.dependencies]\npython = "*"\nwinonly = "*"\n'
    )
    (tmp_path / "poetry.lock").write_text(
        '[[package]]\nname = "winonly"\nversion = "1.0"\ncategory = "main"\n\n'
        '[metadata]\nlock-version = "1.1"\ncontent-hash = "0"\n\n[metadata.files]\nwinonly = [\n'
        f'    {{file = "{WHEELS[0]}", hash = "sha256:0"}},\n]\n'
    )
    assert names(look(tmp_path)) == [("winonly", "platform")]


def test_ordinary_packages_from_the_pytorch_index_are_strays(tmp_path: Path) -> None:
    source = {"type": "legacy", "url": "https://download.pytorch.org/whl/cu126", "reference": "pt"}
    any_wheel = "{}-1-py3-none-any.whl"
    packages = [
        Locked(name, "1", [any_wheel.format(name)], source=source)
        for name in ("torch", "torchvision", "nvidia-cudnn-cu12", "triton", "numpy", "requests")
    ]
    poetry.poetry_project(tmp_path, packages=[*packages, Locked("six", "1")])
    assert look(tmp_path).strays == ("numpy 1", "requests 1")


# --- uv.lock and pylock.toml ----------------------------------------------------------------

UV = """\
version = 1
revision = 3
requires-python = ">=3.10"

[[package]]
name = "demo"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "direct", marker = "sys_platform == 'win32'" },
    { name = "lib", extra = ["gpu"] },
]

[package.optional-dependencies]
more = [
    { name = "winonly" },
]

[package.dev-dependencies]
dev = [
    { name = "tool" },
]
docs = [
    { name = "docs" },
]
"""


def uv_package(name: str, *, source: str = 'registry = "https://x.invalid/simple"') -> str:
    url = f"https://x.invalid/{name}-1.0-cp312-cp312-win_amd64.whl"
    return (
        f'\n[[package]]\nname = "{name}"\nversion = "1.0"\nsource = {{ {source} }}\n'
        f'wheels = [\n    {{ url = "{url}", hash = "sha256:0", size = 1 }},\n]\n'
    )


def uv_project(folder: Path, text: str, extra: str = "") -> Path:
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "demo"\nversion = "0.1.0"\nrequires-python = ">=3.10"\n{extra}'
    )
    (folder / "uv.lock").write_text(text)
    return folder


def test_a_uv_lock_is_walked_by_markers_extras_and_groups(tmp_path: Path) -> None:
    lib = (
        '\n[[package]]\nname = "lib"\nversion = "1"\nsource = { registry = "x" }\n'
        "dependencies = [\n"
        '    { name = "forked", version = "1.0", source = { registry = "r" } },\n]\n\n'
        '[package.optional-dependencies]\ngpu = [\n    { name = "kernels" },\n]\n'
    )
    fork = (
        '\n[[package]]\nname = "forked"\nversion = "2.0"\nsource = { registry = "r" }\n'
        "resolution-markers = [\n    \"sys_platform == 'win32'\",\n]\n"
        'wheels = [\n    { url = "https://x/forked-2.0-cp312-cp312-win_amd64.whl" },\n]\n'
    )
    parts = [uv_package(name) for name in ("direct", "winonly", "tool", "docs", "kernels")]
    text = UV + lib + fork + "".join(parts) + uv_package("forked", source='registry = "r"')
    uv_project(tmp_path, text)
    assert {name for name, _ in names(look(tmp_path))} == {"kernels", "tool", "forked"}
    assert look(tmp_path, WINDOWS).unfit == ()
    uv_project(tmp_path, text, '\n[tool.uv]\ndefault-groups = ["docs"]\n')
    assert {name for name, _ in names(look(tmp_path))} == {"kernels", "docs", "forked"}


def test_the_packages_of_a_pylock_follow_their_own_markers(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    wheel = '[[packages.wheels]]\nname = "{}-1.0-cp312-cp312-win_amd64.whl"\nhashes = {{}}\n'
    (tmp_path / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "pip"\n\n'
        '[[packages]]\nname = "here"\nversion = "1.0"\n\n' + wheel.format("here") + "\n"
        '[[packages]]\nname = "there"\nversion = "1.0"\nmarker = "sys_platform == \'win32\'"\n'
        + wheel.format("there")
        + '\n[[packages]]\nname = "direct"\narchive = { url = "'
        + WIN_URL
        + '", hashes = {} }\n'
    )
    lock = look(tmp_path)
    assert (lock.tool, lock.generator, lock.lock_version) == ("pip", "pip", "1.0")
    assert names(lock) == [("here", "platform"), ("direct", "platform")]


def test_a_uv_wheel_with_an_address_of_its_own(tmp_path: Path) -> None:
    text = UV.replace('name = "direct", marker', 'name = "direct" },\n    { name = "x", marker')
    uv_project(tmp_path, text + uv_package("direct", source=f'url = "{WIN_URL}"'))
    (found,) = look(tmp_path).unfit
    assert (found.origin, found.address) == ("url", WIN_URL)


# --- whatever lies there --------------------------------------------------------------------


def test_folding_the_lists_of_files_changes_nothing_else(tmp_path: Path) -> None:
    packages = [Locked("a", "1", ["a-1.tar.gz", *WHEELS], source={"type": "git", "url": "g"})]
    poetry.poetry_project(tmp_path, packages=packages)
    text = (tmp_path / "poetry.lock").read_text()
    (entry,), rest = read_lock(text, "poetry")
    strange = re.sub(r"\{file", "{ size = 1, file", text)  # not as Poetry writes: not folded
    assert read_lock(strange, "poetry") == ((entry,), rest)
    assert entry.files == ("a-1.tar.gz", *WHEELS)
    assert entry.origin == "git"
    assert read_lock(text.replace("\n", "\r\n"), "poetry") == ((entry,), rest)


def test_a_lock_larger_than_any_is_not_read(tmp_path: Path) -> None:
    poetry.poetry_project(tmp_path)
    with (tmp_path / "poetry.lock").open("a") as file:
        file.write("#" * LARGEST)
    project = read_project(Local(), str(tmp_path))
    assert project is not None
    assert project.lock == Lock(str(tmp_path / "poetry.lock"), "poetry")
    from llmdoctor.errors import UnreadableError

    with pytest.raises(UnreadableError, match="larger than 8 MiB"):
        read_packages(Local(), project, VENV, LINUX)


ODD: list[object] = ["", "x", "a-1-py3-none-any.whl", "p0", "sys_platform == 'win32'", ".", 7, True]
VALUES = st.recursive(
    st.sampled_from(ODD),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "url", "marker", "extra", "type", "version", "dev", "path", "registry"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "version",
        "source",
        "dependencies",
        "files",
        "wheels",
        "sdist",
        "groups",
        "markers",
        "marker",
        "extras",
        "optional",
        "optional-dependencies",
        "dev-dependencies",
        "resolution-markers",
        "archive",
        "vcs",
        "index",
    ]
)


def as_toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {as_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return '"' + "".join(f"\\U{ord(c):08X}" for c in str(value)) + '"'


@given(
    st.sampled_from(["poetry", "uv", "pip"]),
    st.lists(st.dictionaries(KEYS, VALUES, max_size=5), max_size=3),
)
def test_no_valid_lock_crashes_the_reader(tool: str, tables: list[dict[str, object]]) -> None:
    head = "[[packages]]" if tool == "pip" else "[[package]]"
    text = "".join(
        f'{head}\nname = "p{n}"\n' + "".join(f"{k} = {as_toml(v)}\n" for k, v in table.items())
        for n, table in enumerate(tables)
    )
    entries, _ = read_lock(text, tool)
    assert len(entries) == len(tables)
    values = marker_values(LINUX, "3.12")
    assert values is not None
    asked = asked_for(
        entries, tool, {"tool": {"poetry": {"dependencies": {"p0": "*"}}}}, Here(values)
    )
    assert all(entry in entries for entry in asked)


@pytest.mark.parametrize("text", ["", "[[package]]\n", "[[package]]\nname = 1\n", "package = 3\n"])
def test_what_is_no_list_of_packages_has_none(text: str) -> None:
    assert read_lock(text, "poetry")[0] == ()


def test_marker_values_are_those_of_the_platform() -> None:
    values = marker_values(WINDOWS, "3.13.0t")
    assert values is not None
    assert (values["platform_machine"], values["python_full_version"]) == ("AMD64", "3.13.0")
    assert marker_values(Host(), "3.12") is None
    assert not Here(values).holds("no marker at all")
    assert Here(values).holds("extra == 'gpu'", ("gpu",))


def test_words_have_defaults_that_say_least() -> None:
    assert Unfit("a").files == ()
    assert Entry("a", None).groups is None
