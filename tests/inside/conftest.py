"""The interpreter with torch, transformers and peft that the smoke test is tried on."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from inside.smoke_runs import SMOKE, Run, run_smoke
from support.venvs import make_venv, site_packages

OUTSIDE = "import sys; print([p for p in sys.path if p.endswith('site-packages')][0])"
REAL = "llmdoctor_real_packages.pth"


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


@pytest.fixture
def patient(smoke_python: Path, tmp_path: Path) -> Path:
    """An environment that sees the packages of the one with torch, behind its own."""
    real = subprocess.run([smoke_python, "-c", OUTSIDE], capture_output=True, text=True, check=True)
    env = make_venv(tmp_path / "patient", smoke_python)
    (site_packages(env) / REAL).write_text(real.stdout)
    return env


@pytest.fixture(scope="session")
def smoke(smoke_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole smoke test, run once."""
    return run_smoke(smoke_python, tmp_path_factory.mktemp("smoke") / "report.jsonl")


@pytest.fixture(scope="session")
def defects(smoke_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Its rows with each defect of broken_backends.py in the flash kernel, run once."""
    driver = Path(__file__).with_name("broken_backends.py")
    out = tmp_path_factory.mktemp("defects") / "report.jsonl"
    only = ("--only", "*/FLASH_ATTENTION/*")
    return run_smoke(smoke_python, out, str(SMOKE), *only, program=driver)
