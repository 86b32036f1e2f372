"""Real Poetrys, named by LLMDOCTOR_TEST_POETRY, and how a test puts one on somebody's PATH."""

from __future__ import annotations

import os
import subprocess
from collections.abc import MutableMapping
from pathlib import Path

POETRIES = [Path(path) for path in os.environ.get("LLMDOCTOR_TEST_POETRY", "").split(":") if path]


def version_of(poetry: Path) -> str:
    """The version of a Poetry in an environment of its own."""
    (info,) = poetry.parents[1].glob("lib/*/site-packages/poetry-*.dist-info")
    return info.name.removeprefix("poetry-").removesuffix(".dist-info")


def put_on_path(environ: MutableMapping[str, str], folder: Path, poetry: Path) -> None:
    """Make that Poetry the one that PATH finds, with its caches and settings below *folder*."""
    found = folder / "bin"
    found.mkdir()
    (found / "poetry").symlink_to(poetry)
    environ["PATH"] = f"{found}{os.pathsep}{environ['PATH']}"
    for name in ("CACHE_DIR", "CONFIG_DIR", "DATA_DIR"):
        environ[f"POETRY_{name}"] = str(folder / name.lower())


def run_poetry(
    poetry: Path, project: Path, environ: MutableMapping[str, str], *words: str, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run it in a project.

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    argv = [str(poetry), *words]
    return subprocess.run(
        argv, cwd=project, env=environ, capture_output=True, text=True, timeout=timeout
    )
