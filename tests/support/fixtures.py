"""The fixtures which `tests/conftest.py` offers to every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.index import LoopbackIndex
from support.nvml import CannotBuildError, build_fake_nvml
from support.venvs import make_venv

__all__ = ["env", "fake_nvml", "loopback_index"]


@pytest.fixture
def loopback_index() -> Iterator[LoopbackIndex]:
    """An empty index on the loopback interface."""
    with LoopbackIndex() as index:
        yield index


@pytest.fixture
def env(tmp_path: Path) -> Path:
    """A working virtual environment without pip, at `.venv` below tmp_path."""
    return make_venv(tmp_path / ".venv")


@pytest.fixture(scope="session")
def fake_nvml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake libnvidia-ml.so.1, built once; skips where it cannot be built."""
    try:
        return build_fake_nvml(tmp_path_factory.mktemp("nvml"))
    except CannotBuildError as reason:
        pytest.skip(str(reason))
