"""Whether a uv.lock is of its manifest: the verdict is uv's own, without running it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from llmdoctor.probe.locked import read_lock
from llmdoctor.probe.toml import parse_toml
from llmdoctor.probe.uv_markers import Condition, marker_of, same_pythons, signatures
from llmdoctor.probe.uv_metadata import differences
from llmdoctor.probe.uv_workspace import Workspace, read_workspace
from llmdoctor.system.local import Local
from support.environment import hermetic_env
from support.index import LoopbackIndex
from support.wheels import build_wheel

MARKERS = [
    "",
    " ; sys_platform == 'linux'",
    " ; platform_system == 'Linux'",
    " ; python_version >= '3.11'",
    " ; python_full_version >= '3.11'",
    " ; python_version >= '3.8'",
    " ; sys_platform != 'win32' and python_version < '3.12'",
    " ; python_version < '3.12' and sys_platform != 'win32'",
    " ; (sys_platform == 'linux' or sys_platform == 'darwin') and platform_machine == 'x86_64'",
]
RANGES = ["", ">=1", ">=1.0", "<2,>=1", ">=1,<2", "==1.0", "==1", "~=1.0"]
WISHES = st.builds(
    lambda name, extra, wanted, marker: f"{name}{extra}{wanted}{marker}",
    st.sampled_from(["alpha", "beta", "Gamma_x"]),
    st.sampled_from(["", "", "[more]"]),
    st.sampled_from(RANGES),
    st.sampled_from(MARKERS),
)
LISTS = st.lists(WISHES, max_size=3, unique_by=lambda text: text[:4])
MANIFESTS = st.fixed_dictionaries(
    {
        "version": st.sampled_from(["0.1.0", "0.1.0", "0.2.0"]),
        "python": st.sampled_from([">=3.10", ">=3.10", "<3.14,>=3.10", ">=3.10,<3.14"]),
        "dependencies": LISTS,
        "extras": st.dictionaries(st.sampled_from(["gpu", "docs"]), LISTS, max_size=1),
        "groups": st.dictionaries(st.sampled_from(["dev", "lint"]), LISTS, max_size=2),
        "include": st.booleans(),
        "constraints": st.lists(st.sampled_from(["alpha<3", "beta<4"]), max_size=1),
    }
)


def manifest(said: dict[str, object], index: str) -> str:
    def listed(items: object) -> str:
        assert isinstance(items, (list, tuple))
        return "[" + ", ".join(f'"{item}"' for item in items) + "]"

    extras, groups = said["extras"], said["groups"]
    assert isinstance(extras, dict)
    assert isinstance(groups, dict)
    lines = [
        f'[project]\nname = "demo"\nversion = "{said["version"]}"',
        f'requires-python = "{said["python"]}"\ndependencies = {listed(said["dependencies"])}',
        "[project.optional-dependencies]",
        *(f"{name} = {listed(items)}" for name, items in extras.items()),
        "[dependency-groups]",
        *(f"{name} = {listed(items)}" for name, items in groups.items()),
    ]
    if said["include"] and "lint" in groups:
        lines.append('all = [{ include-group = "lint" }]')
    lines.append(f"[tool.uv]\nconstraint-dependencies = {listed(said['constraints'])}")
    return "\n".join([*lines, f'[[tool.uv.index]]\nurl = "{index}"\ndefault = true\n'])


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("wheels")
    with LoopbackIndex() as served:
        for name in ("alpha", "beta", "gamma-x"):
            url = served.add("simple", build_wheel(folder, name, "1.0"))
        yield url


def uv(folder: Path, *words: str) -> int:
    from uv import find_uv_bin

    env = hermetic_env(folder / "home")
    env.pop("UV_NO_CONFIG", None)
    command = [find_uv_bin(), *words, "--quiet"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode


def verdict(folder: Path) -> tuple[str, ...] | None:
    entries, head = read_lock((folder / "uv.lock").read_text(), "uv")
    data, problem = parse_toml((folder / "pyproject.toml").read_text(), "pyproject.toml")
    assert problem is None
    return differences(read_workspace(Local({}), str(folder), data), head, entries)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=MANIFESTS, after=st.none() | MANIFESTS)
def test_the_verdict_is_uvs_own(
    index: str, before: dict[str, object], after: dict[str, object] | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(manifest(before, index))
        assert uv(folder, "lock") == 0
        assert verdict(folder) == ()
        if after is not None:
            (folder / "pyproject.toml").write_text(manifest(after, index))
            assert bool(verdict(folder)) is bool(uv(folder, "lock", "--check"))


LOCKED = """\
version = 1
requires-python = ">=3.10"

[[package]]
name = "demo"
version = "0.1.0"
source = { virtual = "." }

[package.metadata]
requires-dist = [
    { name = "torch", specifier = ">=2.6", index = "https://download.pytorch.org/whl/cu126" },
]
"""
WANTS = """\
[project]
name = "demo"
version = "0.1.0"
requires-python = ">=3.10"
dependencies = ["torch>=2.6"]

[tool.uv.sources]
torch = { index = "pytorch" }

[[tool.uv.index]]
name = "pytorch"
url = "https://download.pytorch.org/whl/cu126"
explicit = true
"""


def told(wants: str, locked: str = LOCKED) -> tuple[str, ...] | None:
    entries, head = read_lock(locked, "uv")
    manifest = parse_toml(wants, "pyproject.toml")[0]
    return differences(Workspace({".": manifest}), head, entries)


def test_torch_from_another_index_is_another_wish() -> None:
    assert told(WANTS) == ()
    moved = told(WANTS.replace("cu126", "cu128"))
    assert moved == ("dependencies: torch is locked for another wish",)
    assert told(WANTS.replace("[tool.uv.sources]", "[tool.other]")) == moved


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version = "0.1.0"\n', 'dynamic = ["version", "dependencies"]\n'),
        ("[project]", "[other]"),
    ],
)
def test_what_only_uv_can_know_is_not_compared(old: str, new: str) -> None:
    assert told(WANTS.replace(old, new)) is None
    assert told(WANTS, LOCKED.replace("virtual", "registry")) is None


def test_settings_that_come_from_elsewhere_too_are_not_compared(tmp_path: Path) -> None:
    manifest = parse_toml(WANTS, "pyproject.toml")[0]
    entries, head = read_lock(f'{LOCKED}\n[options]\nresolution-mode = "lowest"\n', "uv")
    for system, known in ((Local({"UV_RESOLUTION": "lowest"}), False), (Local({}), True)):
        workspace = read_workspace(system, str(tmp_path), manifest)
        assert bool(differences(workspace, head, entries)) is known
    config = tmp_path / "config" / "uv" / "uv.toml"
    config.parent.mkdir(parents=True)
    config.write_text('resolution = "lowest"\n')
    mine = Local({"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert read_workspace(mine, str(tmp_path), manifest).settings is None


def same_marker(one: str, other: str, python: str) -> bool:
    conditions = [Condition(marker_of(text)) for text in (one, other)]
    first, second = signatures(conditions, SpecifierSet(python))
    return first == second


def test_markers_are_equal_where_they_hold_in_the_same_environments() -> None:
    assert same_marker("python_version >= '3.8'", "", ">=3.10")
    assert not same_marker("python_version >= '3.11'", "", ">=3.10")
    assert same_marker("os_name == 'nt'", "sys_platform == 'win32'", "")
    assert same_marker("'arm64' == platform_machine", "platform_machine == 'arm64'", "")
    assert not same_marker("platform_machine == 'arm64'", "platform_machine != 'arm64'", "")
    assert not same_marker("extra == 'gpu'", "", "")
    assert not same_marker("implementation_name == 'cpython'", "", "")


def test_ranges_of_several_members_are_one_range() -> None:
    both = [SpecifierSet(">=3.10"), SpecifierSet(">=3.11,<4")]
    assert same_pythons(both, SpecifierSet(">=3.11, <4"))
    assert not same_pythons(both, SpecifierSet(">=3.11"))
    assert not same_pythons(both, SpecifierSet(">=3.11.2, <4"))
