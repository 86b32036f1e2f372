"""Locks that are stale, unreadable or for another platform: repaired by the real tools, and undone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from cli.runs import Desk, assert_nothing_to_repair, check_sees
from fix.poetries import real, run_poetry
from llmdoctor.fix import Bench
from llmdoctor.fix.relock import local_paths, relock
from llmdoctor.fix.repairs.lock import sides
from llmdoctor.fix.repairs.marker import _mark
from llmdoctor.locked import Unfit
from llmdoctor.machine import Machine, Project, Tool
from llmdoctor.probe.toml import parse_toml
from llmdoctor.system.local import Local
from support import poetry_projects as poetry_files
from support.index import LoopbackIndex
from support.poetry_projects import pyproject_text, read_lock
from support.tree import assert_same_tree, snapshot
from support.wheels import build_wheel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is foreign here is Windows")

TAG = "cp312-cp312-win_amd64"
FOREIGN = f"fakefa-1.0-{TAG}.whl"
INSTALL = ("install", "--no-root", "--no-interaction")


def fixed(desk: Desk, code: str) -> dict[str, Any]:
    """Repair, see that nothing is left, that a second time does nothing, and undo to the byte."""
    before = snapshot(desk.project)
    assert check_sees(desk, code)
    done = desk.json("fix", "--select", code, "--yes", code=0)
    assert done["outcome"] == "kept", done
    (repair,) = done["repairs"]
    assert_nothing_to_repair(desk, code)
    assert not check_sees(desk, code)
    assert not (desk.project / ".venv").exists()
    after = {p.name: p.read_bytes() for p in desk.project.iterdir() if p.is_file()}
    desk.run("undo", "--yes")
    assert_same_tree(before, snapshot(desk.project))
    for name, data in after.items():  # for what the caller still wants to see
        (desk.project / name).write_bytes(data)
    found: dict[str, Any] = repair
    return found


# --- Poetry ---------------------------------------------------------------------------------


@pytest.fixture
def source(loopback_index: LoopbackIndex, tmp_path: Path) -> str:
    """An index with alpha 1.0, as a source of Poetry."""
    url = loopback_index.add("simple", build_wheel(tmp_path, "alpha", "1.0"))
    return f'[[tool.poetry.source]]\nname = "mirror"\nurl = "{url}"\npriority = "primary"\n'


def locked_by(desk: Desk, poetry: Path, manifest: str) -> str:
    """The lock that this Poetry writes for a manifest; both lie in the project then."""
    (desk.project / "pyproject.toml").write_text(manifest)
    done = run_poetry(desk, poetry, "lock", "--no-interaction")
    assert done.returncode == 0, done.stdout + done.stderr
    return (desk.project / "poetry.lock").read_text()


def versions(desk: Desk) -> dict[str, str]:
    return {item["name"]: item["version"] for item in read_lock(desk.project)["package"]}


def is_fresh(desk: Desk, poetry: Path) -> None:
    said = run_poetry(desk, poetry, "check", "--lock").stderr
    assert "poetry.lock" not in said, said


@real
@pytest.mark.parametrize("kind", ["path", "url"])
def test_a_foreign_wheel_gets_its_marker_and_the_pins_stay(
    desk: Desk, poetry: Path, source: str, loopback_index: LoopbackIndex, tmp_path: Path, kind: str
) -> None:
    (desk.project / "wheels").mkdir()
    wheel = build_wheel(desk.project / "wheels", "fakefa", "1.0", tag=TAG)
    address = f"wheels/{FOREIGN}"
    if kind == "url":
        address = loopback_index.put(f"files/{FOREIGN}", wheel.read_bytes())
    text = pyproject_text("tool.poetry", dependencies={"alpha": ">=1.0"}, extra=source)
    entry = f'fakefa = {{ {kind} = "{address}" }}  # ours\n'
    text = text.replace('"alpha" = ">=1.0"\n', '"alpha" = ">=1.0"\n' + entry)
    before = locked_by(desk, poetry, text)
    loopback_index.add("simple", build_wheel(tmp_path, "alpha", "2.0"))

    repair = fixed(desk, "LOCK003")
    marker = "sys_platform == 'win32' and platform_machine == 'AMD64'"
    assert repair["details"] == [
        f"fakefa: only where {marker}",
        "all 2 packages keep their versions",
    ]
    manifest = (desk.project / "pyproject.toml").read_text()
    assert f'{kind} = "{address}", markers = "{marker}"}}  # ours' in manifest
    assert versions(desk) == {"alpha": "1.0", "fakefa": "1.0"}
    is_fresh(desk, poetry)
    if kind == "url":  # a path it would have installed without looking
        assert run_poetry(desk, poetry, *INSTALL).returncode == 0
        (desk.project / "pyproject.toml").write_text(text)
        (desk.project / "poetry.lock").write_text(before)
        failed = run_poetry(desk, poetry, *INSTALL)
        assert failed.returncode != 0
        assert "cannot be installed in the current environment" in failed.stdout


@real
def test_a_merge_keeps_the_pins_of_the_side_that_is_the_manifests(
    desk: Desk, poetry: Path, source: str, loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    text = pyproject_text("tool.poetry", dependencies={"alpha": ">=1.0"}, extra=source)
    locked_by(desk, poetry, text)
    loopback_index.add("simple", build_wheel(tmp_path, "alpha", "2.0"))
    poetry_files.add_conflict_markers(desk.project)
    assert "our side" in fixed(desk, "LOCK001")["summary"]
    assert versions(desk) == {"alpha": "1.0"}
    is_fresh(desk, poetry)


@real
def test_a_merge_whose_manifest_is_of_neither_side_is_locked_from_there(
    desk: Desk, poetry: Path, source: str, loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    text = pyproject_text("tool.poetry", dependencies={"alpha": ">=1.0"}, extra=source)
    locked_by(desk, poetry, text)
    loopback_index.add("simple", build_wheel(tmp_path, "alpha", "2.0"))
    loopback_index.add("simple", build_wheel(tmp_path, "beta", "1.0"))
    poetry_files.add_conflict_markers(desk.project)
    both = text.replace('"alpha" = ">=1.0"\n', '"alpha" = ">=1.0"\n"beta" = "*"\n')
    (desk.project / "pyproject.toml").write_text(both)
    assert fixed(desk, "LOCK001")["details"] == ["beta: absent → 1.0"]
    assert versions(desk) == {"alpha": "1.0", "beta": "1.0"}
    is_fresh(desk, poetry)


@real
def test_a_lock_that_is_cut_off_comes_back_from_git_and_else_anew(
    desk: Desk, poetry: Path, source: str, loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    text = pyproject_text("tool.poetry", dependencies={"alpha": ">=1.0"}, extra=source)
    whole = locked_by(desk, poetry, text)
    loopback_index.add("simple", build_wheel(tmp_path, "alpha", "2.0"))
    lock = desk.project / "poetry.lock"
    lock.write_text(whole[: len(whole) // 2])
    anew = fixed(desk, "LOCK001")
    assert "choose every version anew" in anew["summary"]
    assert versions(desk) == {"alpha": "2.0"}
    is_fresh(desk, poetry)

    lock.write_text(whole)
    commit(desk)
    lock.write_text(whole[: len(whole) // 2])
    assert "the last commit's state" in fixed(desk, "LOCK001")["summary"]
    assert versions(desk) == {"alpha": "1.0"}


def commit(desk: Desk) -> None:
    """The project as it is, in a repository of its own."""
    who = ("-c", "user.name=a", "-c", "user.email=a@x.invalid")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "one")):
        subprocess.run(["git", *words], cwd=desk.project, env=desk.environ, check=True)


def test_without_poetry_the_side_that_is_the_manifests_is_taken(desk: Desk) -> None:
    poetry_files.poetry_project(desk.project)
    whole = (desk.project / "poetry.lock").read_text()
    poetry_files.add_conflict_markers(desk.project)
    desk.environ["PATH"] = str(desk.folder / "nothing")
    repair = fixed(desk, "LOCK001")
    assert repair["details"] == [
        "not locked again: Poetry is not here, or its version is not known"
    ]
    assert (desk.project / "poetry.lock").read_text() == whole


def test_a_manifest_that_does_not_parse_comes_first(desk: Desk) -> None:
    poetry_files.poetry_project(desk.project)
    poetry_files.add_conflict_markers(desk.project)
    manifest = desk.project / "pyproject.toml"
    manifest.write_text(f"<<<<<<< HEAD\n{manifest.read_text()}")
    before = snapshot(desk.project)
    (left,) = desk.json("fix", "--select", "LOCK001", "--yes", code=1)["repairs"]
    assert left["safety"] == "manual"
    assert "pyproject.toml comes first" in left["details"][0]
    assert_same_tree(before, snapshot(desk.project))


@real
def test_a_release_of_poetry_without_a_file_for_here_moves_on_alone(
    desk: Desk, poetry: Path, source: str, loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    loopback_index.add("simple", build_wheel(tmp_path, "narrow", "1.0", tag=TAG))
    wants = {"alpha": ">=1.0", "narrow": ">=1.0"}
    locked_by(desk, poetry, pyproject_text("tool.poetry", dependencies=wants, extra=source))
    loopback_index.add("simple", build_wheel(tmp_path, "narrow", "2.0"))
    loopback_index.add("simple", build_wheel(tmp_path, "alpha", "2.0"))
    assert fixed(desk, "LOCK004")["details"] == ["narrow: 1.0 → 2.0"]
    assert versions(desk) == {"alpha": "1.0", "narrow": "2.0"}
    is_fresh(desk, poetry)


# --- uv -------------------------------------------------------------------------------------


@pytest.fixture
def of_uv(desk: Desk, loopback_index: LoopbackIndex, tmp_path: Path) -> Desk:
    """A project that uv locked with alpha 1.0, of which 2.0 came out since."""
    desk.environ.pop("UV_NO_CONFIG", None)
    url = loopback_index.add("simple", build_wheel(tmp_path, "alpha", "1.0"))
    (desk.project / "pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "0.1.0"\nrequires-python = ">=3.10"\n'
        f'dependencies = [\n    "alpha>=1",\n]\n\n[[tool.uv.index]]\nurl = "{url}"\ndefault = true\n'
    )
    uv(desk, "lock")
    loopback_index.add("simple", build_wheel(tmp_path, "alpha", "2.0"))
    loopback_index.add("simple", build_wheel(tmp_path, "beta", "1.0"))
    return desk


def uv(desk: Desk, *words: str, code: int = 0) -> None:
    from uv import find_uv_bin

    program = [find_uv_bin(), *words, "--quiet", "--no-cache"]
    done = subprocess.run(
        program, cwd=desk.project, env=desk.environ, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr


def edit(desk: Desk, old: str, new: str) -> None:
    path = desk.project / "pyproject.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def uv_versions(desk: Desk) -> dict[str, str]:
    data, _ = parse_toml((desk.project / "uv.lock").read_text(), "uv.lock")
    return {item["name"]: item["version"] for item in data["package"]}


def test_a_stale_uv_lock_is_renewed_with_its_pins_kept(of_uv: Desk) -> None:
    edit(of_uv, '"alpha>=1",', '"alpha>=1",\n    "beta",')
    uv(of_uv, "lock", "--check", code=1)
    assert fixed(of_uv, "LOCK002")["details"] == ["beta: absent → 1.0"]
    uv(of_uv, "lock", "--check")
    assert uv_versions(of_uv) == {"alpha": "1.0", "beta": "1.0", "demo": "0.1.0"}


def test_a_stale_lock_of_a_uv_workspace_is_renewed_for_its_member(of_uv: Desk) -> None:
    edit(
        of_uv,
        "[[tool.uv.index]]",
        '[tool.uv.workspace]\nmembers = ["packages/*"]\n[[tool.uv.index]]',
    )
    manifest = of_uv.project / "packages" / "one" / "pyproject.toml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('[project]\nname = "one"\nversion = "1"\nrequires-python = ">=3.10"\n')
    assert fixed(of_uv, "LOCK002")["details"] == ["one: absent → 1"]
    uv(of_uv, "lock", "--check")
    manifest.write_text(f'{manifest.read_text()}dependencies = ["beta"]\n')
    assert fixed(of_uv, "LOCK002")["details"] == ["beta: absent → 1.0"]
    uv(of_uv, "lock", "--check")


def test_an_unresolved_merge_of_a_uv_lock_keeps_its_pins(of_uv: Desk) -> None:
    lock = of_uv.project / "uv.lock"
    text = lock.read_text()
    merge = '<<<<<<< HEAD\nversion = "1.0"\n||||||| base\n=======\nversion = "0.9"\n>>>>>>> other\n'
    lock.write_text(text.replace('version = "1.0"\n', merge))
    assert "our side" in fixed(of_uv, "LOCK001")["summary"]
    assert lock.read_text() == text
    uv(of_uv, "lock", "--check")


def test_a_foreign_wheel_of_a_uv_project_gets_its_marker(
    of_uv: Desk, loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, "fakefa", "1.0", tag=TAG)
    address = loopback_index.put(f"files/{FOREIGN}", wheel.read_bytes())
    edit(of_uv, '"alpha>=1",', f'"alpha>=1",\n    "fakefa @ {address}",  # ours')
    uv(of_uv, "lock")
    assert "all 3 packages keep" in fixed(of_uv, "LOCK003")["details"][-1]
    manifest = (of_uv.project / "pyproject.toml").read_text()
    marker = "sys_platform == 'win32' and platform_machine == 'AMD64'"
    assert f'"fakefa @ {address} ; {marker}",  # ours' in manifest
    uv(of_uv, "lock", "--check")


def test_a_uv_project_that_is_right_has_nothing_to_repair(of_uv: Desk) -> None:
    before = snapshot(of_uv.project)
    assert of_uv.json("fix", "--select", "LOCK", "--yes", code=0)["steps"] == []
    assert_same_tree(before, snapshot(of_uv.project))


@pytest.mark.parametrize(
    ("tag", "code"), [(TAG, "LOCK004"), ("cp314-cp314-manylinux_2_17_x86_64", "LOCK005")]
)
def test_a_release_of_uv_without_a_file_for_here_moves_on_alone_once_there_is_another(
    of_uv: Desk, loopback_index: LoopbackIndex, tmp_path: Path, tag: str, code: str
) -> None:
    """The finding is right: uv stops at the same package."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    loopback_index.add("simple", build_wheel(tmp_path, "narrow", "1.0", tag=tag))
    edit(of_uv, '"alpha>=1",', '"alpha>=1",\n    "narrow",')
    uv(of_uv, "lock")
    uv(of_uv, "venv", "--python", python)
    found = of_uv.json("check", "--select", "LOCK")["findings"]
    assert [item["code"] for item in found] == [code]
    assert "narrow 1.0 is for" in found[0]["evidence"][0]
    uv(of_uv, "sync", "--locked", "--dry-run", code=2)
    (left,) = of_uv.json("fix", "--select", "LOCK", "--yes", code=1)["repairs"]
    assert left["safety"] == "manual"
    assert "no release of narrow" in left["details"][0]

    loopback_index.add("simple", build_wheel(tmp_path, "narrow", "2.0"))
    before = snapshot(of_uv.project)
    (repair,) = of_uv.json("fix", "--select", code, "--yes", code=0)["repairs"]
    assert repair["details"] == ["narrow: 1.0 → 2.0"]
    assert uv_versions(of_uv) == {"alpha": "1.0", "narrow": "2.0", "demo": "0.1.0"}
    uv(of_uv, "sync", "--locked", "--dry-run")
    of_uv.run("undo", "--yes")
    assert_same_tree(before, snapshot(of_uv.project))


# --- what lies there instead of a lock ------------------------------------------------------


def test_a_lock_of_50_mb_is_not_read_and_nothing_is_touched(desk: Desk) -> None:
    poetry_files.poetry_project(desk.project)
    with (desk.project / "poetry.lock").open("a") as file:
        file.write("# 45678\n" * (50 << 17))
    before = snapshot(desk.project)
    document = desk.json("check", "--select", "LOCK")
    assert {item["outcome"] for item in document["verdicts"]} == {"skip"}
    assert any("larger than 8 MiB" in item["reason"] for item in document["verdicts"])
    assert desk.json("fix", "--select", "LOCK", "--yes", code=0)["steps"] == []
    assert_same_tree(before, snapshot(desk.project))


@pytest.mark.parametrize("name", ["Pipfile.lock", "pdm.lock"])
def test_a_lock_of_another_tool_is_no_lock_of_ours(desk: Desk, name: str) -> None:
    poetry_files.poetry_project(desk.project)
    (desk.project / "poetry.lock").rename(desk.project / name)
    assert desk.json("check", "--select", "LOCK", code=0)["findings"] == []
    assert desk.json("fix", "--select", "LOCK", "--yes", code=0)["steps"] == []


# --- the parts ------------------------------------------------------------------------------


def bench(project: Path, program: str) -> Bench:
    machine = Machine(
        project=Project(str(project), "pyproject.toml", "poetry"),
        tools=(Tool("poetry", program, "2.5.1"),),
    )
    scratch = project / "scratch"
    scratch.mkdir()
    return Bench(Local(), machine, str(scratch), lambda _: None)


def test_a_poetry_that_hangs_is_ended(tmp_path: Path) -> None:
    program = tmp_path / "poetry"
    program.write_text("#!/bin/sh\nsleep 600\n")
    program.chmod(0o755)
    made = relock(bench(tmp_path, str(program)), "[tool.poetry]\n", None, seconds=0.5)
    assert made.why is not None
    assert "timeout" in made.why


@pytest.mark.parametrize(
    "manifest",
    [
        '[tool.poetry.dependencies]\nours = {path = "../ours"}\n',
        '[tool.poetry.group.dev.dependencies]\nours = [{path = "../ours", develop = true}]\n',
        '[tool.poetry.dependencies]\nours = {path = "wheels"}\n',
        '[project]\ndependencies = ["a @ file:///x/a.whl"]\n',
        '[tool.uv.workspace]\nmembers = ["in", "../../lib"]\n',
        '[tool.uv.workspace]\nmembers = ["in", "/HERE/lib"]\n',
    ],
)
def test_what_lies_beside_the_project_is_left_to_its_reader(manifest: str, tmp_path: Path) -> None:
    project = tmp_path / "beside" / "project"
    for folder in (tmp_path / "lib", project / "in", project / "wheels"):
        folder.mkdir(parents=True)
        (folder / "pyproject.toml").write_text(pyproject_text("project"))
    at_work = bench(project, "/nowhere/poetry")
    before = snapshot(tmp_path)
    made = relock(at_work, manifest.replace("/HERE", str(tmp_path)), None)
    assert made.why is not None
    assert "lies beside the project" in made.why
    assert_same_tree(before, snapshot(tmp_path))
    assert list(local_paths(parse_toml(pyproject_text("project"), "")[0])) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('[tool.poetry.dependencies]\nx = {url = "URL"}\n', 'x = {url = "URL", markers = "M"}'),
        (
            '[tool.poetry.group.a.dependencies]\nx = [\n    {url = "URL"}, # here\n    {url = "o"},\n]\n',
            '    {url = "URL", markers = "M"}, # here\n    {url = "o"},\n',
        ),
        ('[tool.poetry.dependencies.x]\nurl = "URL"\n', 'url = "URL"\nmarkers = "M"\n'),
        ('[project]\ndependencies = ["x @ URL"]\n', 'dependencies = ["x @ URL ; M"]'),
        ('[dependency-groups]\na = ["x @ URL"]\n', 'a = ["x @ URL ; M"]'),
        ('[tool.poetry.dependencies]\nx = {url = "URL", markers = "m"}\n', None),
        ('[project]\ndependencies = ["x @ URL ; m"]\n', None),
        ('[project]\ndependencies = ["x"]\n', None),
    ],
)
def test_the_marker_is_added_where_the_wheel_is_named(before: str, after: str | None) -> None:
    url = f"https://x.invalid/{FOREIGN}"
    document = tomlkit.parse(before.replace("URL", url))
    item = Unfit("x", "1.0", "url", "platform", "Windows x86_64", (FOREIGN,), url)
    assert _mark(document, item) is (after is not None)
    marker = "sys_platform == 'win32' and platform_machine == 'AMD64'"
    text = tomlkit.dumps(document)
    assert (after or before).replace("URL", url).replace("M", marker) in text


def test_both_sides_of_a_merge() -> None:
    text = "a\n<<<<<<< HEAD\nb\n=======\nc\nd\n>>>>>>> x\ne\n<<<<<<< HEAD\n=======\nf\n>>>>>>> x"
    assert sides(text) == ("a\nb\ne\n", "a\nc\nd\ne\nf\n")
    assert sides("plain\n") == ("plain\n", "plain\n")
