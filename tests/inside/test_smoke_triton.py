"""Triton: our own kernel, right under its interpreter, assembled for GPUs, skipped where it must.

With `LLMDOCTOR_TEST_TRITON_PYTHON` naming an interpreter with torch and Triton; `nox -s interpreted`
makes one.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from inside.smoke_runs import SMOKE, Run, named, run_smoke
from support.venvs import python_of, site_packages

MODES = [f"{mode}/{dtype}" for mode in ("infer", "train") for dtype in ("fp32", "fp16")]
WRONG = (
    "sees_one_ahead",
    "first_key_dropped",
    "padding_ignored",
    "scale_missing",
    "groups_mixed_up",
    "last_block_stale",
)
CALLS = Path(__file__).with_name("broken_calls.py")
ASSEMBLE = Path(__file__).with_name("assemble.py")


@pytest.fixture(scope="session")
def triton_python() -> Path:
    return named("LLMDOCTOR_TEST_TRITON_PYTHON", "interpreted")


@pytest.fixture(scope="session")
def torch_calls(smoke_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The defects around torch's own attention: what the judgement alone makes of them."""
    out = tmp_path_factory.mktemp("calls") / "report.jsonl"
    return run_smoke(smoke_python, out, str(SMOKE), "--only", "torch/*", program=CALLS)


@pytest.fixture(scope="session")
def triton_calls(triton_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The defects around our Triton kernel, under Triton's interpreter."""
    out = tmp_path_factory.mktemp("calls") / "report.jsonl"
    words = (str(SMOKE), "--only", "triton/*")
    return run_smoke(triton_python, out, *words, program=CALLS, env={"TRITON_INTERPRET": "1"})


@pytest.fixture(params=["torch", "triton"])
def calls(request: pytest.FixtureRequest) -> Run:
    run: Run = request.getfixturevalue(f"{request.param}_calls")
    assert run.status == 0, run.stderr
    return run


def row(run: Run, defect: str, mode: str) -> dict[str, object]:
    (found,) = (row for name, row in run.rows.items() if name.endswith(f"/{defect}/{mode}"))
    return found


def test_without_triton_its_rows_are_skipped_and_say_so(smoke_python: Path, tmp_path: Path) -> None:
    done = subprocess.run([smoke_python, "-c", "import triton"], capture_output=True, text=True)
    if done.returncode == 0:
        pytest.skip("this interpreter has Triton")
    run = run_smoke(smoke_python, tmp_path / "r.jsonl", "--only", "triton/*")
    said = {(row["outcome"], row["detail"], row["ran_as"]) for row in run.rows.values()}
    assert said == {("skip", "triton is not installed", None)}
    assert [record["package"] for record in run.of("import")] == ["torch"]


def test_a_triton_that_imports_and_has_no_compiler_fails_in_its_own_words(
    patient: Path, tmp_path: Path
) -> None:
    (site_packages(patient) / "triton").mkdir()  # as a half-removed one leaves it
    run = run_smoke(python_of(patient), tmp_path / "r.jsonl", "--only", "triton/*")
    for found in run.rows.values():
        assert found["outcome"] == "fail"
        assert found["detail"] == "ModuleNotFoundError: No module named 'triton.language'"
        assert found["ran_as"] is None


def test_without_a_gpu_triton_says_itself_why_nothing_can_run(
    triton_python: Path, tmp_path: Path
) -> None:
    run = run_smoke(triton_python, tmp_path / "r.jsonl", "--only", "triton/*")
    assert set(run.rows) == {f"triton/attention/{mode}" for mode in MODES}
    for found in run.rows.values():
        assert (found["outcome"], found["ran_as"]) == ("skip", None)
        assert found["detail"].startswith("Triton compiles for a GPU; ")


def test_under_its_interpreter_our_kernel_is_right_and_is_not_called_compiled(
    triton_python: Path, tmp_path: Path
) -> None:
    env = {"TRITON_INTERPRET": "1"}
    run = run_smoke(triton_python, tmp_path / "r.jsonl", "--only", "triton/*", env=env)
    assert set(run.rows) == {f"triton/attention/{mode}" for mode in MODES}
    for found in run.rows.values():
        assert (found["outcome"], found["ran_as"]) == ("pass", "interpreter"), found["detail"]
        assert 0 < found["error"] <= found["tolerance"]


def test_our_kernel_is_assembled_for_every_gpu_that_triton_knows(
    triton_python: Path, tmp_path: Path
) -> None:
    """Triton's compiler and ptxas need no GPU; running what they make does."""
    words = [str(triton_python), str(ASSEMBLE), str(SMOKE)]
    env = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=600)
    assert done.returncode == 0, done.stderr
    made = [line.split() for line in done.stdout.splitlines()]
    wanted = {
        (capability, dtype, kernel)
        for capability in ("75", "80", "86", "89", "90", "100", "120")
        for dtype in ("fp32", "fp16", "bf16")
        for kernel in ("forward_kernel", "backward_kernel")
    }
    assert {(capability, dtype, kernel) for capability, dtype, kernel, _ in made} == wanted
    assert all(int(size) > 1000 for *_, size in made)


@pytest.mark.parametrize("mode", MODES)
def test_sound_attention_called_directly_passes(calls: Run, mode: str) -> None:
    assert row(calls, "sound", mode)["outcome"] == "pass", row(calls, "sound", mode)["detail"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("defect", WRONG)
def test_a_defect_around_the_call_is_far_outside_the_gate(
    calls: Run, defect: str, mode: str
) -> None:
    found = row(calls, defect, mode)
    assert found["outcome"] == "fail"
    assert float(str(found["error"])) > 100 * float(str(found["tolerance"]))


@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_one_nan_in_the_output_is_reported_as_not_finite(calls: Run, dtype: str) -> None:
    found = row(calls, "not_a_number", f"infer/{dtype}")
    assert found["outcome"] == "fail"
    assert str(found["detail"]).startswith("output: values not finite 1")


@pytest.mark.parametrize("defect", ["gradient_of_key_zero", "gradient_slightly_off"])
def test_a_wrong_gradient_fails_training_alone(calls: Run, defect: str) -> None:
    assert row(calls, defect, "train/fp32")["outcome"] == "fail"
    assert row(calls, defect, "infer/fp32")["outcome"] == "pass"
