"""A proof at a terminal: what ran, what did not and why, and what to use; nothing that did not pass."""

from __future__ import annotations

import pytest

from llmdoctor.advice import advised, times
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render.proof import smoke
from llmdoctor.render.terminal import Screen


def row(name: str, outcome: str = "pass", device: str = "cpu", **more: object) -> SmokeRow:
    backend, kernel, mode, dtype = name.split("/")
    known = {"seconds": 1.0, "attention": backend, **more}
    return SmokeRow(backend, kernel, mode, dtype, device, outcome, **known)  # type: ignore[arg-type]


def rows(backend: str, device: str = "cpu", **outcomes: str) -> list[SmokeRow]:
    """A backend's rows: all of them pass but those whose mode is named."""
    return [
        row(f"{backend}/default/{mode}/fp32", outcomes.get(mode, "pass"), device)
        for mode in ("infer", "generate", "lora")
    ]


def shown(proof: Proof, *, verbose: bool = False) -> str:
    paper = Screen(width=80, colour=False, unicode=True)
    smoke(proof, paper, verbose=verbose)
    return paper.text


def test_what_transformers_takes_by_default_is_advised_before_eager() -> None:
    proof = Proof((*rows("eager"), *rows("sdpa")))
    assert advised(proof) == {"inference": "sdpa", "training": "sdpa"}
    assert 'use attn_implementation="sdpa" for inference and for training' in shown(proof)


@pytest.mark.parametrize("outcome", ["fail", "crash", "timeout"])
def test_a_backend_that_failed_is_not_advised(outcome: str) -> None:
    proof = Proof((*rows("eager"), *rows("sdpa", lora=outcome)))
    assert advised(proof) == {"inference": "sdpa", "training": "eager"}
    text = " ".join(shown(proof).split())
    assert 'attn_implementation="sdpa" for inference' in text
    assert 'attn_implementation="eager" for training' in text
    assert f"fp32:{outcome}" in text


def test_where_nothing_is_proven_for_a_use_that_is_said() -> None:
    proof = Proof(tuple(rows("sdpa", lora="skip")))
    assert advised(proof) == {"inference": "sdpa"}
    assert "nothing is proven for training" in shown(proof)


def test_rows_that_were_not_asked_for_are_no_reason_to_say_that_nothing_is_proven() -> None:
    proof = Proof((row("sdpa/default/infer/fp32"),), asked=("--only 'sdpa/*/infer/*'",))
    text = " ".join(shown(proof).split())
    assert "proven, of --only 'sdpa/*/infer/*' alone: 1 pass" in text
    assert "nothing is proven" not in text
    assert "attn_implementation" not in text, "what was not compared is no advice either"
    assert "what to use here is told without --backend and --only" in text


def test_inference_is_not_advised_where_the_cache_was_not_seen_to_work() -> None:
    assert advised(Proof((row("sdpa/default/infer/fp32"),))) == {}


def test_a_forced_kernel_is_no_advice_for_a_name_that_would_choose_another() -> None:
    forced = [row(f"sdpa/MATH/{mode}/fp32") for mode in ("infer", "generate", "lora")]
    assert advised(Proof(tuple(forced))) == {}


def test_the_advice_is_for_the_gpu_where_one_was_proven() -> None:
    proof = Proof((*rows("sdpa"), *rows("sdpa", "cuda:0", infer="fail"), *rows("eager", "cuda:0")))
    assert advised(proof)["inference"] == "eager"


def test_a_backend_that_transformers_has_no_name_for_is_not_advised() -> None:
    proof = Proof(
        tuple(row(f"xformers/default/{m}/fp32", attention=None) for m in ("infer", "lora"))
    )
    assert advised(proof) == {}


def test_a_reason_that_rows_share_is_said_once() -> None:
    why = {"detail": "flash-attn is not installed", "outcome": "skip"}
    fa = [row(f"flash_attention_2/default/{mode}/bf16", **why) for mode in ("infer", "lora")]
    text = shown(Proof((*rows("sdpa"), *fa, row("x/default/infer/bf16", "skip", detail="no x"))))
    assert text.count("flash-attn is not installed") == 1
    assert "skip flash_attention_2/default/*: flash-attn" in text
    assert "skip x/default/infer/bf16: no x" in text


def test_a_reason_that_backends_share_is_said_once_with_their_rows() -> None:
    why = {"detail": "peft is not installed", "outcome": "skip"}
    names = ("eager/default/lora/fp32", "sdpa/MATH/lora/fp32", "sdpa/MATH/lora/bf16")
    lacking = tuple(row(name, **why) for name in names)
    text = " ".join(shown(Proof((row("eager/default/infer/fp32"), *lacking))).split())
    assert "skip eager/default/lora/fp32, sdpa/MATH/*: peft is not installed" in text


def test_only_what_passed_counts_in_the_times() -> None:
    proof = Proof((*rows("eager"), *rows("sdpa", infer="fail")))
    assert times(proof) == {
        "eager/default": {"inference": 2.0, "training": 1.0},
        "sdpa/default": {"inference": 1.0, "training": 1.0},
    }


@pytest.mark.parametrize("outcome", ["pass", "skip", "timeout"])
def test_the_matrix_of_all_dtypes_fits_a_terminal_and_no_cell_runs_into_the_next(
    outcome: str,
) -> None:
    dtypes = ("fp32", "bf16", "fp16")
    every = [
        row(f"flex_attention/uncompiled/{mode}/{dtype}", outcome, ran_as="flex")
        for mode in ("infer", "generate", "train", "lora")
        for dtype in dtypes
    ]
    matrix = shown(Proof(tuple(every))).split("\n\n")[0].splitlines()
    assert max(map(len, matrix)) <= 80
    words = " ".join(matrix).split()
    for dtype in dtypes:
        assert words.count(dtype if outcome == "pass" else f"{dtype}:{outcome}") == 4


def test_the_matrix_fits_and_every_reason_is_given() -> None:
    bad = row("sdpa/default/infer/bf16", "skip", detail="bf16 is not there")
    text = shown(Proof((*rows("sdpa"), bad)))
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[2].split() == ["bf16:skip"]
    assert "skip sdpa/default/infer/bf16: bf16 is not there" in text


def test_verbose_shows_each_row_with_its_numbers() -> None:
    measured = row("sdpa/default/infer/fp32", error=2e-6, tolerance=2e-5, detail="all of it")
    text = shown(Proof((measured,)), verbose=True)
    assert "2.0e-06 / 2e-05" in text
    assert "all of it" in text


def test_without_a_row_nothing_is_advised() -> None:
    text = shown(Proof(problem="torch is not installed in this environment"))
    assert "not proven: torch is not installed" in text
    assert "attn_implementation" not in text
