"""The interpreter with torch, transformers and peft that the smoke test is tried on."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from inside.smoke_runs import SMOKE, Run, run_smoke


@pytest.fixture(scope="session")
def smoke_python() -> Path:
    named = os.environ.get("LLMDOCTOR_TEST_SMOKE_PYTHON")
    if named:
        return Path(named)
    if find_spec("torch") is not None:
        return Path(sys.executable)
    pytest.skip(
        "no interpreter with torch: make one with `uv venv .smoke && uv pip install --python .smoke"
        " --torch-backend cpu torch transformers peft` and set"
        " LLMDOCTOR_TEST_SMOKE_PYTHON=.smoke/bin/python"
    )


@pytest.fixture(scope="session")
def smoke(smoke_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole smoke test, run once."""
    return run_smoke(smoke_python, tmp_path_factory.mktemp("smoke") / "report.jsonl")


@pytest.fixture(scope="session")
def defects(smoke_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Its rows on the backends of broken_backends.py, run once."""
    driver = Path(__file__).with_name("broken_backends.py")
    out = tmp_path_factory.mktemp("defects") / "report.jsonl"
    return run_smoke(smoke_python, out, str(SMOKE), program=driver)
