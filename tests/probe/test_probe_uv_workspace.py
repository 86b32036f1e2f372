"""Workspaces, sources and settings of the resolver in a uv.lock: the verdict is uv's own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version
from uv import find_uv_bin

from llmdoctor.probe.locked import read_lock
from llmdoctor.probe.toml import parse_toml
from llmdoctor.probe.uv_metadata import differences
from llmdoctor.probe.uv_workspace import read_workspace
from llmdoctor.system.local import Local
from support.environment import hermetic_env
from support.index import LoopbackIndex
from support.wheels import build_wheel

pytestmark = pytest.mark.skipif(
    Version(version("uv")) < Version("0.13"), reason="an older uv writes down less"
)
WHEELS = '[[tool.uv.index]]\nurl = "../wheels"\nformat = "flat"\ndefault = true\n'
MANIFEST = "packages/{}/pyproject.toml"
MEMBER = (
    '[project]\nname = "{}"\nversion = "0.1"\nrequires-python = ">=3.10"\ndependencies = ["beta"]\n'
)
WORKSPACE = f"""\
[project]
name = "root"
version = "0.1.0"
requires-python = ">=3.10"
dependencies = ["alpha>=1", "one"]
[project.optional-dependencies]
a = ["beta"]
b = ["gamma"]
all = ["root[a]"]
[tool.uv]
resolution = "lowest-direct"
prerelease = "allow"
fork-strategy = "fewest"
exclude-newer = "2030-01-01T00:00:00Z"
exclude-newer-package = {{ alpha = "2031-01-01T00:00:00Z" }}
constraint-dependencies = ["alpha<3"]
override-dependencies = ["gamma==1.0"]
exclude-dependencies = ["delta"]
build-constraint-dependencies = ["setuptools<80"]
environments = ["sys_platform == 'linux'", "sys_platform == 'darwin'"]
required-environments = ["sys_platform == 'darwin' and platform_machine == 'x86_64'"]
conflicts = [[{{ extra = "a" }}, {{ extra = "b" }}], [{{ extra = "all" }}, {{ extra = "b" }}]]
default-groups = []
dependency-metadata = [{{ name = "zeta", version = "1.0", requires-dist = ["alpha"] }}]
[tool.uv.workspace]
members = ["packages/*"]
[tool.uv.sources]
one = {{ workspace = true }}
{WHEELS}"""
SOURCES = f"""\
[project]
name = "root"
version = "0.1.0"
requires-python = ">=3.10"
dependencies = ["alpha ; python_version < '3.12'"]
[project.optional-dependencies]
cpu = ["beta>=1"]
gpu = ["beta>=1"]
[dependency-groups]
dev = ["alpha"]
[tool.uv]
conflicts = [[{{ extra = "cpu" }}, {{ extra = "gpu" }}]]
[tool.uv.sources]
alpha = [
  {{ index = "here", marker = "sys_platform == 'linux'" }},
  {{ index = "there", marker = "sys_platform == 'darwin'" }},
]
beta = [{{ index = "here", extra = "cpu" }}, {{ index = "there", extra = "gpu" }}]
[[tool.uv.index]]
name = "here"
url = "HERE"
explicit = true
[[tool.uv.index]]
name = "there"
url = "THERE"
explicit = true
{WHEELS}"""
SETTINGS = {
    "resolution", "prerelease", "fork-strategy", "exclude-newer", "exclude-newer-package",
    "constraint-dependencies", "override-dependencies", "exclude-dependencies",
    "build-constraint-dependencies", "environments", "required-environments", "conflicts",
    "default-groups", "dependency-metadata",
}  # fmt: skip
VIRTUAL = f"""\
[dependency-groups]
dev = ["alpha"]
[tool.uv.workspace]
members = ["packages/**"]
exclude = ["packages/two"]
{WHEELS}"""


def uv(folder: Path, home: Path, *words: str) -> int:
    env = hermetic_env(home)
    env.pop("UV_NO_CONFIG", None)
    argv = [find_uv_bin(), *words, "--quiet"]
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Gives a project of a manifest, with two members in `packages`, that uv locked once."""
    folder = tmp_path_factory.mktemp("uv")
    wheels = [build_wheel(folder / "wheels", "alpha", number) for number in ("1.0", "2.0")]
    wheels += [build_wheel(folder / "wheels", name, "1.0") for name in ("beta", "gamma")]
    projects: dict[str, Path] = {}
    with LoopbackIndex() as index:
        here, there = (index.add(name, *wheels) for name in ("here", "there"))

        def lock(text: str) -> Path:
            if text not in projects:
                project = projects[text] = folder / f"project-{len(projects)}"
                for name in ("one", "two"):
                    (project / "packages" / name).mkdir(parents=True)
                    (project / MANIFEST.format(name)).write_text(MEMBER.format(name))
                served = text.replace("THERE", there).replace("HERE", here)
                (project / "pyproject.toml").write_text(served)
                assert uv(project, folder / "home", "lock") == 0
            return projects[text]

        yield lock


def verdict(folder: Path) -> tuple[str, ...] | None:
    entries, head = read_lock((folder / "uv.lock").read_text(), "uv")
    manifest, problem = parse_toml((folder / "pyproject.toml").read_text(), "pyproject.toml")
    assert problem is None
    return differences(read_workspace(Local({}), str(folder), manifest), head, entries)


LINUX, MACOS = "\"sys_platform == 'linux'\"", "\"sys_platform == 'darwin'\""
OWN, ONE, TWO = "pyproject.toml", MANIFEST.format("one"), MANIFEST.format("two")
# What is edited, in which file: what stands there, and what is written instead.
EDITS: dict[str, list[tuple[str, str, str]]] = {
    WORKSPACE: [
        (OWN, "", ""),
        *(
            (OWN, line + "\n", "")
            for line in WORKSPACE.splitlines()
            if line.partition(" =")[0] in SETTINGS
        ),
        (OWN, '"lowest-direct"', '"highest"'),
        (OWN, '"allow"', '"if-necessary"'),
        (OWN, "2030-01-01T", "2029-01-01T"),
        (OWN, "2030-01-01T", "2031-01-01T"),
        (OWN, "2030-01-01T00:00:00Z", "2029-12-31"),
        (OWN, "2030-01-01T00:00:00Z", "1 day"),
        (OWN, "{ alpha = ", '{ beta = "2031-01-01T00:00:00Z", alpha = '),
        (OWN, 'alpha = "2031', 'alpha = "2030'),
        (OWN, f"{LINUX}, {MACOS}", f"{MACOS}, {LINUX}"),
        (OWN, f"[{LINUX}, {MACOS}]", LINUX),
        (OWN, '"alpha<3"', '"alpha<4"'),
        (OWN, '"delta"', '"epsilon"'),
        (OWN, 'requires-dist = ["alpha"]', 'requires-dist = ["alpha>1"]'),
        (OWN, '[{ extra = "a" }, { extra = "b" }]', '[{ extra = "b" }, { extra = "a" }]'),
        (OWN, 'all = ["root[a]"]', 'all = ["root[b]"]'),
        (OWN, '"packages/*"', '"packages/one"'),
        (OWN, '["packages/*"]', '["packages/*"]\nexclude = ["packages/t*"]'),
        (OWN, '"packages/*"', '"packages/[ot]*"'),
        (OWN, '"0.1.0"', '"0.1.1"'),
        (OWN, "default-groups = []", 'default-groups = "all"'),
        (ONE, '"beta"', '"beta>=1"'),
        (ONE, '"0.1"', '"0.2"'),
        (ONE, "dependencies =", 'optional-dependencies = { x = ["alpha"] }\ndependencies ='),
        (TWO, ">=3.10", ">=3.11"),
        (TWO, ">=3.10", ">=3.9"),
        (TWO, '"beta"', "\"beta ; sys_platform == 'linux'\""),
        (TWO, "two", "three"),
        ("packages/new/pyproject.toml", "", MEMBER.format("new")),
        ("packages/.hidden/notes.txt", "", "x"),
        ("uv.toml", "", 'resolution = "highest"\n'),
    ],
    SOURCES: [
        (OWN, "", ""),
        (OWN, "sys_platform == 'linux'", "platform_system == 'Linux'"),
        (OWN, "sys_platform == 'linux'", "sys_platform == 'win32'"),
        (OWN, 'index = "here", marker', 'index = "there", marker'),
        (OWN, '  { index = "there", marker = "sys_platform == \'darwin\'" },\n', ""),
        (OWN, '{ index = "here", extra = "cpu" }', '{ index = "there", extra = "cpu" }'),
        (OWN, 'gpu = ["beta>=1"]', 'gpu = ["beta>=1.0"]'),
        (OWN, 'gpu = ["beta>=1"]', 'gpu = ["beta"]'),
    ],
    VIRTUAL: [
        (OWN, "", ""),
        (OWN, '["alpha"]', '["alpha>=1"]'),
        (OWN, "[dependency-groups]\n", '[dependency-groups]\nmore = ["beta"]\n'),
        (OWN, "packages/two", "packages/one"),
        (ONE, '"beta"', '"gamma"'),
        (TWO, '"beta"', '"gamma"'),
    ],
}


@pytest.mark.parametrize(
    ("text", "file", "old", "new"),
    [(text, *edit) for text, edits in EDITS.items() for edit in edits],
)
def test_the_verdict_on_an_edit_is_uvs_own(
    locked: Callable[[str], Path], tmp_path: Path, text: str, file: str, old: str, new: str
) -> None:
    original, project = locked(text), tmp_path / "project"
    shutil.copytree(original, project)
    (tmp_path / "wheels").symlink_to(original.parent / "wheels")
    path = project / file
    path.parent.mkdir(exist_ok=True)
    before = path.read_text() if path.exists() else ""
    assert old in before
    path.write_text(before.replace(old, new, 1) if old else before + new)
    differs = verdict(project)
    assert differs is not None
    assert bool(differs) is bool(uv(project, original.parent / "home", "lock", "--check")), differs


def test_links_that_lead_back_are_members_and_are_not_entered(tmp_path: Path) -> None:
    for folder in ("a", "b/deep"):
        path = tmp_path / "packages" / folder
        path.mkdir(parents=True)
        (path / "pyproject.toml").write_text(MEMBER.format("one"))
    for name in ("up1", "up2"):
        (tmp_path / "packages" / "a" / name).symlink_to("..")
    (tmp_path / "packages" / "there").symlink_to("b/deep")
    for pattern in ("packages/**", "packages/**/**"):
        manifest = {"tool": {"uv": {"workspace": {"members": [pattern]}}}}
        found = read_workspace(Local({}), str(tmp_path), manifest).members
        assert set(found) == {".", "packages/a", "packages/b/deep", "packages/there"}
