"""Real Poetrys on a desk: `nox` says where one is, `nox -s poetry` brings six."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cli.runs import Desk

POETRIES = [Path(path) for path in os.environ.get("LLMDOCTOR_TEST_POETRY", "").split(":") if path]
real = pytest.mark.skipif(not POETRIES, reason="LLMDOCTOR_TEST_POETRY names no Poetry")


@pytest.fixture(params=POETRIES, ids=lambda path: path.parent.parent.name)
def poetry(request: pytest.FixtureRequest, desk: Desk) -> Path:
    """A Poetry on the desk's PATH, with its caches and settings in the desk's home."""
    program: Path = request.param
    found = desk.folder / "bin"
    found.mkdir()
    (found / "poetry").symlink_to(program)
    desk.environ["PATH"] = f"{found}{os.pathsep}{desk.environ['PATH']}"
    for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR"):
        desk.environ[f"POETRY_{name}"] = str(desk.folder / name.lower())
    return program


def run_poetry(desk: Desk, poetry: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(poetry), *words], cwd=desk.project, env=desk.environ, capture_output=True, text=True
    )
