"""The interpreter with torch, transformers and peft that the smoke test is tried on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import llmdoctor

SMOKE = Path(llmdoctor.__file__).parent / "inside" / "smoke"


@dataclass(frozen=True)
class Run:
    """A finished smoke test: exit status, both streams, and its records."""

    status: int
    stdout: str
    stderr: str
    records: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["type"] == kind]

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        keys = ("backend", "kernel", "mode", "dtype")
        return {"/".join(row[key] for key in keys): row for row in self.of("row")}


def run_smoke(python: Path, out: Path, *arguments: str, program: Path = SMOKE, **env: str) -> Run:
    """Run it as the doctor does: isolated, without bytecode, the report in a file."""
    command = [str(python), "-I", "-B", str(program), *arguments, "--out", str(out)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **env}, timeout=600
    )
    lines = out.read_text().splitlines() if out.exists() else []
    return Run(done.returncode, done.stdout, done.stderr, [json.loads(line) for line in lines])


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
