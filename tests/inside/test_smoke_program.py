"""The smoke test as a program: how it starts, what it refuses, and what needs no torch."""

from __future__ import annotations

import ast
import math
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from inside.smoke_runs import SMOKE, run_smoke
from llmdoctor.inside.smoke.backends import BACKENDS, BATCHES, NO_KERNEL
from llmdoctor.inside.smoke.rows import Measure, Row, Trial
from llmdoctor.inside.smoke.run import ALL, judge
from support.venvs import find_python, python_of, site_packages

ROWS = sum(len(backend.rows("cpu")) for backend in ALL)


def listed(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-I", "-B", str(SMOKE), "--list", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("minor", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_it_starts_isolated_on_every_python(minor: str) -> None:
    python = find_python(minor)
    if python is None:
        pytest.skip(f"no Python {minor} here: `uv python install {minor}` makes one")
    done = listed(python)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == ROWS


def test_all_of_it_is_python_3_8() -> None:
    modules = sorted(SMOKE.glob("*.py"))
    assert modules
    for module in modules:
        ast.parse(module.read_text(), str(module), feature_version=(3, 8))


def test_its_modules_shadow_no_package_of_the_environment(env: Path, tmp_path: Path) -> None:
    # "reference", "gates", "rows"... are names a package may have; torch stands for one that
    # imports such a package.
    names = sorted(path.stem for path in SMOKE.glob("*.py") if not path.stem.startswith("__"))
    site = site_packages(env)
    for name in names:
        (site / f"{name}.py").write_text("who = 'environment'\n")
    checks = "".join(f"import {name}; assert {name}.who == 'environment'\n" for name in names)
    (site / "torch.py").write_text(f"{checks}raise ImportError('all seen: {len(names)}')\n")
    run = run_smoke(python_of(env), tmp_path / "r.jsonl")
    assert run.of("import")[0]["message"] == f"all seen: {len(names)}"


def test_llmdoctor_is_not_imported(env: Path, tmp_path: Path) -> None:
    site = site_packages(env)
    (site / "llmdoctor.py").write_text("raise SystemExit('llmdoctor was imported')\n")
    (site / "torch.py").write_text(
        "import sys; raise ImportError(str('llmdoctor' in sys.modules))\n"
    )
    run = run_smoke(python_of(env), tmp_path / "r.jsonl")
    assert run.of("import")[0]["message"] == "False"


def test_only_takes_several_globs() -> None:
    done = listed(Path(sys.executable), "--only", "eager/*/infer/*", "--only", "sdpa/MATH/lora/*")
    assert done.stdout.splitlines() == [
        "eager/default/infer/fp32",
        "eager/default/infer/bf16",
        "sdpa/MATH/lora/fp32",
    ]


def test_a_glob_without_a_row_is_refused() -> None:
    done = listed(Path(sys.executable), "--only", "sdpa/FLASH/*")
    assert done.returncode == 2
    assert "no row matches ['sdpa/FLASH/*']: see --list" in done.stderr


def test_the_report_goes_to_stdout_when_no_file_is_named(env: Path) -> None:
    command = [str(python_of(env)), "-I", "-B", str(SMOKE), "--only", "eager/*/lora/*"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith('{"type": "importing", "package": "torch"}\n')


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.1e-5])
def test_a_measure_passes_only_within_its_gate(value: float) -> None:
    assert Measure("relRMS", 1e-5, 1e-5).ok
    assert not Measure("relRMS", value, 1e-5).ok


def test_the_broken_measure_is_the_one_reported() -> None:
    exact = Measure("tensors changed", 1, 0.0)
    close = Measure("relRMS", 9e-6, 1e-5)
    nan = Measure("other", math.nan, 1e-5)
    assert Trial((close, exact), Counter()).worst is exact
    assert Trial((close, nan), Counter()).worst is nan
    assert Trial((close, Measure("relRMS", 8e-6, 1e-5)), Counter()).worst is close


def test_a_number_that_json_cannot_hold_is_left_out_and_told_in_words() -> None:
    trial = Trial((Measure("relRMS", math.nan, 1e-5),), Counter(eager=4))
    result = judge(BACKENDS[0], trial, 0.1)
    assert (result.outcome, result.error, result.tolerance) == ("fail", None, 1e-5)
    assert result.detail.startswith("relRMS nan")


def test_right_numbers_from_no_kernel_at_all_are_not_proof() -> None:
    trial = Trial((Measure("relRMS", 1e-6, 1e-5),), Counter())
    result = judge(BACKENDS[0], trial, 0.1)
    assert (result.outcome, result.ran_as) == ("fail", None)
    assert "no kernel was seen" in result.detail


def test_a_kernel_the_device_lacks_is_told_from_one_that_broke() -> None:
    forced = next(backend for backend in BACKENDS if backend.kernel == "FLASH_ATTENTION")
    free = next(backend for backend in BACKENDS if backend.name == "eager")
    assert forced.refuses(RuntimeError(f"{NO_KERNEL[0]} was found"))
    assert not forced.refuses(RuntimeError("CUDA error: an illegal memory access"))
    assert not free.refuses(RuntimeError(f"{NO_KERNEL[0]} was found"))


def test_a_gpu_has_every_dtype_a_kernel_can_have_there_and_only_batches_it_can_take() -> None:
    by_name = {f"{one.name}/{one.kernel}": one for one in BACKENDS}
    dtypes = {
        name: {row.dtype for row in one.rows("cuda:0") if row.mode == "train"}
        for name, one in by_name.items()
    }
    assert dtypes["sdpa/EFFICIENT_ATTENTION"] == dtypes["eager/default"] == {"fp32", "bf16", "fp16"}
    for name in ("sdpa/FLASH_ATTENTION", "sdpa/CUDNN_ATTENTION", "flash_attention_2/default"):
        assert dtypes[name] == {"bf16", "fp16"}
    assert by_name["sdpa/FLASH_ATTENTION"].takes("cuda:1") == ("causal",)
    assert by_name["sdpa/FLASH_ATTENTION"].takes("cpu") == BATCHES
    assert "causal" not in by_name["sdpa/EFFICIENT_ATTENTION"].takes("cuda:0")


def test_rows_are_made_only_for_devices_the_backend_is_for() -> None:
    assert [row for backend in BACKENDS for row in backend.rows("mps")] == []
    assert BACKENDS[0].rows("cpu")[0] == Row("eager", "default", "infer", "fp32", "cpu")


def test_bytecode_is_kept_of_packages_where_that_is_asked_and_of_the_program_never(
    env: Path, tmp_path: Path
) -> None:
    program = shutil.copytree(SMOKE, tmp_path / "smoke", ignore=lambda *_: ["__pycache__"])
    (site_packages(env) / "torch.py").write_text("__version__ = '2.4.1'\n")
    kept = []
    for asked in ((), ("--bytecode",)):
        run = run_smoke(python_of(env), tmp_path / "r.jsonl", *asked, program=program)
        assert run.of("import")[0]["outcome"] == "ok"
        kept.append([path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")])
    assert kept == [[], ["torch"]]
