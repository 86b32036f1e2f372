"""Packages written in Triton, under its interpreter: their rows are right, and say how they ran.

`nox -s interpreted` makes the two interpreters: one with mamba-ssm and causal-conv1d without their
extensions, one with retention and a Triton that it works with.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from inside.smoke_runs import SMOKE, Run, named, run_smoke

DRIVER = Path(__file__).with_name("interpreted.py")
REFERENCES = Path(__file__).with_name("own_references.py")


def interpreted(python: Path, out: Path, *globs: str) -> Run:
    words = [word for glob in globs for word in ("--only", glob)]
    env = {"TRITON_INTERPRET": "1"}
    return run_smoke(python, out, str(SMOKE), *words, program=DRIVER, env=env)


def test_mambas_norm_and_scan_are_right_under_the_interpreter(tmp_path: Path) -> None:
    python = named("LLMDOCTOR_TEST_MAMBA_PYTHON", "interpreted")
    run = interpreted(python, tmp_path / "r.jsonl", "mamba-ssm/triton_*/*")
    kernels = {f"{row['kernel']}/{row['dtype']}" for row in run.rows.values()}
    wanted = {f"triton_{what}/{dtype}" for what in ("scan", "norm") for dtype in ("fp32", "fp16")}
    assert kernels == wanted
    for row in run.rows.values():
        assert (row["outcome"], row["ran_as"]) == ("pass", "interpreter"), row["detail"]


def test_power_retention_is_right_under_the_interpreter_whole_and_in_chunks(
    tmp_path: Path,
) -> None:
    python = named("LLMDOCTOR_TEST_RETENTION_PYTHON", "interpreted")
    run = interpreted(python, tmp_path / "r.jsonl", "retention/*")
    assert {row["dtype"] for row in run.rows.values()} == {"fp32", "fp16"}
    for row in run.rows.values():
        assert (row["outcome"], row["ran_as"]) == ("pass", "interpreter"), row["detail"]
        assert "whole: output: relRMS" in row["detail"]
        assert "chunks: output: relRMS" in row["detail"]


def test_our_recurrences_are_those_of_mamba_ssm_and_causal_conv1d() -> None:
    python = named("LLMDOCTOR_TEST_MAMBA_PYTHON", "interpreted")
    words = [str(python), str(REFERENCES), str(SMOKE)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    used = {line.rpartition(" ")[0]: float(line.split()[-1]) for line in done.stdout.splitlines()}
    kinds = {
        f"{what} {dtype}" for what in ("scan", "convolution") for dtype in ("fp32", "fp16", "bf16")
    }
    assert set(used) == kinds
    assert all(0 < part < 1 for part in used.values()), used
