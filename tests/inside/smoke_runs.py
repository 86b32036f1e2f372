"""Runs the smoke test in a child, as the doctor does, and reads its report."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import llmdoctor
from support.venvs import site_packages

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
        """The rows by name, such as sdpa/MATH/infer/fp32."""
        keys = ("backend", "kernel", "mode", "dtype")
        return {"/".join(row[key] for key in keys): row for row in self.of("row")}


def named(variable: str, session: str) -> Path:
    """The interpreter that a variable names; without it the test is one of that nox session."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no interpreter: `nox -s {session}` makes one")
    return Path(python)


def put(env: Path, package: str, source: str) -> None:
    """A package of this name, perhaps within another, that has only this source."""
    folder = site_packages(env) / package
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(source)


def run_smoke(
    python: Path,
    out: Path,
    *arguments: str,
    program: Path = SMOKE,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Run:
    """Run it as the doctor does: isolated, without bytecode, the report in a file."""
    command = [str(python), "-I", "-B", str(program), *arguments, "--out", str(out)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **env}, timeout=600
    )
    lines = out.read_text().splitlines() if out.exists() else []
    return Run(done.returncode, done.stdout, done.stderr, [json.loads(line) for line in lines])
