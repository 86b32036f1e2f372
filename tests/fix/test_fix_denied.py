"""What cannot be written or read is said, with an exit code, and nothing is touched."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.runs import Desk
from support import venvs
from support.poetry_projects import poetry_project
from support.tree import assert_same_tree, snapshot
from system.unprivileged import unprivileged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX environments are repaired")


@pytest.fixture
def read_only(desk: Desk, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """The desk's project on a disk of its own, which a call makes read-only."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("only root can mount a disk")
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a disk: {done.stderr.strip()}")
        desk.project = Path(folder) / "project"
        desk.project.mkdir()

        def protect() -> None:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)

        try:
            yield protect
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def leftover(desk: Desk) -> None:
    venvs.leave_dangling(desk.environment(), "tqdm", "4.67")


def blocking_keyring(desk: Desk) -> None:
    """Poetry's keyring may stand still here: a service, a session, no screen."""
    services = Path(desk.environ["HOME"]) / ".local" / "share" / "dbus-1" / "services"
    services.mkdir(parents=True)
    (services / "org.freedesktop.secrets.service").write_text("")
    found = desk.folder / "bin"
    found.mkdir()
    (found / "poetry").write_text("#!/bin/sh\n")
    (found / "poetry").chmod(0o755)
    del desk.environ["POETRY_KEYRING_ENABLED"]
    desk.environ["PATH"] = f"{found}:{desk.environ['PATH']}"
    desk.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={desk.folder}/nobody"
    poetry_project(desk.project)


@pytest.mark.parametrize(
    ("code", "breaks"), [("PKG008", leftover), ("POETRY006", blocking_keyring)]
)
def test_a_project_on_a_read_only_disk(
    desk: Desk, read_only: Callable[[], None], code: str, breaks: Callable[[Desk], None]
) -> None:
    breaks(desk)
    before = snapshot(desk.project)
    read_only()
    told = desk.run("fix", "--select", code, "--yes", code=4)
    assert "read-only" in told.stderr.lower()
    assert "as it was before" in told.stderr or "nothing was changed" in told.stderr
    assert_same_tree(before, snapshot(desk.project))
    assert desk.run("history").stdout


def denied(desk: Desk, *words: str) -> subprocess.CompletedProcess[str]:
    done = unprivileged(*desk.command(*words), cwd=desk.project, env=desk.environ)
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    return done


def test_a_project_that_may_not_be_written(desk: Desk) -> None:
    leftover(desk)
    before = snapshot(desk.project)
    desk.project.chmod(0o555)
    try:
        done = denied(desk, "fix", "--select", "PKG008", "--yes")
    finally:
        desk.project.chmod(0o755)
    assert done.returncode == 4, done.stderr
    assert "Permission denied" in done.stderr
    assert_same_tree(before, snapshot(desk.project))


def test_an_environment_that_may_not_be_read_is_left_alone(desk: Desk) -> None:
    leftover(desk)
    site = venvs.site_packages(desk.project / ".venv")
    before = snapshot(desk.project)
    site.chmod(0)
    try:
        done = denied(desk, "fix", "--select", "PKG008", "--yes")
    finally:
        site.chmod(0o755)
    assert done.returncode == 3, done.stderr
    assert "permission denied" in done.stderr
    assert done.stderr.splitlines()[-1] == "next: llmdoctor check"
    assert_same_tree(before, snapshot(desk.project))


def test_a_manifest_that_may_not_be_read(desk: Desk) -> None:
    blocking_keyring(desk)
    manifest = desk.project / "pyproject.toml"
    before = snapshot(desk.project)
    manifest.chmod(0)
    try:
        done = denied(desk, "fix", "--yes", "--select", "POETRY")
    finally:
        manifest.chmod(0o644)
    assert done.returncode == 3, done.stderr
    assert "permission denied" in done.stderr
    assert done.stderr.splitlines()[-1] == "next: llmdoctor check"
    assert_same_tree(before, snapshot(desk.project))
