"""Every planted defect makes a row fail, for the reason it should, and only the rows it touches."""

from __future__ import annotations

from typing import Any

import pytest

from inside.smoke_runs import Run

WRONG_EVERYWHERE = (
    "sees_one_ahead",
    "sees_not_itself",
    "not_causal",
    "padding_ignored",
    "scale_missing",
    "groups_mixed_up",
)
ALL = ("infer/fp32", "infer/bf16", "generate/fp32", "train/fp32", "lora/fp32")
TRAINING = ("train/fp32", "lora/fp32")


def row(defects: Run, defect: str, mode: str) -> dict[str, Any]:
    return defects.rows[f"{defect}/FLASH_ATTENTION/{mode}"]


@pytest.mark.parametrize("mode", ALL)
def test_a_sound_backend_registered_the_same_way_passes(defects: Run, mode: str) -> None:
    assert row(defects, "sound", mode)["outcome"] == "pass", row(defects, "sound", mode)["detail"]


@pytest.mark.parametrize("defect", [*WRONG_EVERYWHERE, "last_key_dropped"])
@pytest.mark.parametrize("mode", ["infer/fp32", "infer/bf16"])
def test_wrong_logits_are_far_outside_the_gate(defects: Run, defect: str, mode: str) -> None:
    found = row(defects, defect, mode)
    assert found["outcome"] == "fail"
    assert found["ran_as"] == "FLASH_ATTENTION"  # so the numbers gave it away, nothing else
    assert found["error"] > 4 * found["tolerance"]
    assert "relRMS" in found["detail"].partition(";")[0]


@pytest.mark.parametrize("defect", [*WRONG_EVERYWHERE, "last_key_dropped", "stale_cache"])
def test_wrong_tokens_are_seen(defects: Run, defect: str) -> None:
    found = row(defects, defect, "generate/fp32")
    assert (found["outcome"], found["ran_as"]) == ("fail", "FLASH_ATTENTION")
    assert found["error"] >= 4
    assert found["detail"].startswith("tokens that differ")


@pytest.mark.parametrize("mode", ["infer/fp32", "infer/bf16", *TRAINING])
def test_a_stale_cache_is_nobodys_fault_but_generates(defects: Run, mode: str) -> None:
    assert row(defects, "stale_cache", mode)["outcome"] == "pass"


@pytest.mark.parametrize("mode", ALL)
def test_one_nan_is_reported_as_not_finite_and_never_passes(defects: Run, mode: str) -> None:
    found = row(defects, "not_a_number", mode)
    assert found["outcome"] == "fail"
    said = found["detail"].partition(";")[0]
    if mode.startswith("train"):
        assert "gradients: relRMS" in said
        assert "nan" in said
    elif not mode.startswith("generate"):
        assert "values not finite" in said
        assert found["error"] >= 1


@pytest.mark.parametrize("mode", TRAINING)
@pytest.mark.parametrize(
    "defect", ["gradient_zero", "gradient_of_key_zero", "gradient_slightly_off"]
)
def test_a_wrong_backward_fails_training_alone(defects: Run, defect: str, mode: str) -> None:
    found = row(defects, defect, mode)
    assert found["outcome"] == "fail"
    assert " gradient" in f" {found['detail']}".partition(":")[0]
    others = {row(defects, defect, other)["outcome"] for other in set(ALL) - set(TRAINING)}
    assert others == {"pass"}


@pytest.mark.parametrize("mode", TRAINING)
@pytest.mark.parametrize("defect", WRONG_EVERYWHERE)
def test_a_wrong_forward_gives_a_wrong_gradient(defects: Run, defect: str, mode: str) -> None:
    found = row(defects, defect, mode)
    assert found["outcome"] == "fail"
    assert found["error"] > 1000 * found["tolerance"]


@pytest.mark.parametrize("mode", ALL)
@pytest.mark.parametrize(("defect", "kernel"), [("as_eager", "eager"), ("as_math", "MATH")])
def test_a_silent_fallback_fails_though_its_numbers_are_right(
    defects: Run, defect: str, kernel: str, mode: str
) -> None:
    found = row(defects, defect, mode)
    assert found["outcome"] == "fail"
    assert found["ran_as"] == kernel
    assert found["detail"].startswith(f"silent fallback: {kernel} ran, asked for")
    assert found["error"] <= found["tolerance"]


@pytest.mark.parametrize("mode", ALL)
def test_an_exception_is_one_failing_row_with_its_text(defects: Run, mode: str) -> None:
    found = row(defects, "raises", mode)
    assert found["outcome"] == "fail"
    assert found["detail"] == "RuntimeError: planted: the kernel broke"


def test_failing_rows_are_a_completed_protocol(defects: Run) -> None:
    assert defects.status == 0, defects.stderr
    assert defects.records[-1]["type"] == "done"
    assert defects.records[-1]["rows"] == len(defects.of("row")) == len(defects.of("start"))
