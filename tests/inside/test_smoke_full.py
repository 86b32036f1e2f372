"""What `--full` proves beyond the dtypes: paged attention, and flex_attention compiled."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from inside.smoke_runs import SMOKE, Run, run_smoke

ROWS = ("*/paged/*", "*/compiled/*")


@pytest.fixture(scope="module")
def full(smoke_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The rows and the defects in one run, in which no compiler is found."""
    driver = Path(__file__).with_name("broken_full.py")
    out = tmp_path_factory.mktemp("full") / "report.jsonl"
    only = [word for glob in ROWS for word in ("--only", glob)]
    without = {"CXX": "no-such-compiler"}
    return run_smoke(smoke_python, out, str(SMOKE), "--full", *only, program=driver, env=without)


@pytest.mark.parametrize(
    ("backend", "kernels"), [("eager", {"eager"}), ("sdpa", {"FLASH_ATTENTION", "MATH"})]
)
def test_continuous_batching_gives_the_references_tokens_through_its_paged_cache(
    full: Run, backend: str, kernels: set[str]
) -> None:
    row = full.rows[f"{backend}/paged/generate/fp32"]
    if row["outcome"] == "skip":  # transformers 5.0
        assert "asks for the memory of a GPU to make a paged cache" in row["detail"]
        return
    assert row["outcome"] == "pass", row["detail"]
    assert (row["error"], row["tolerance"]) == (0, 0)
    assert row["ran_as"] in {f"paged {kernel}" for kernel in kernels}
    assert "2 requests in one batch" in row["detail"]


def planted(full: Run, defect: str) -> str:
    row = full.rows[f"{defect}/paged/generate/fp32"]
    if row["outcome"] == "skip":
        pytest.skip(row["detail"])
    assert row["outcome"] == "fail"
    return str(row["detail"])


@pytest.mark.parametrize("defect", ["everything_seen", "stale_cache"])
def test_wrong_tokens_of_a_paged_cache_are_seen(full: Run, defect: str) -> None:
    assert planted(full, defect).startswith("tokens that differ ")


def test_attention_that_goes_past_the_paged_cache_is_a_fallback(full: Run) -> None:
    said = planted(full, "past_the_cache")
    assert said.startswith("silent fallback: FLASH_ATTENTION ran, asked for past_the_cache/paged")


def test_what_continuous_batching_only_logs_is_the_rows_reason(full: Run) -> None:
    said = planted(full, "raises")
    assert said.startswith("RuntimeError: generate_batch did not answer: ")
    assert "planted: the kernel broke" in said


@pytest.mark.skipif(sys.platform == "win32", reason="CXX names no compiler of Windows")
@pytest.mark.parametrize("mode", ["infer", "generate", "train", "lora"])
def test_without_a_compiler_compiled_flex_attention_is_skipped_in_torchs_words(
    full: Run, mode: str
) -> None:
    row = full.rows[f"flex_attention/compiled/{mode}/fp32"]
    assert row["outcome"] == "skip"
    said = "torch.compile needs a C++ compiler: No working C++ compiler found"
    assert row["detail"].startswith(said)
    assert "no-such-compiler" in row["detail"]


def test_flex_attention_that_is_not_compiled_is_a_fallback_though_its_numbers_are_right(
    full: Run,
) -> None:
    row = full.rows["as_uncompiled/compiled/infer/fp32"]
    assert (row["outcome"], row["ran_as"]) == ("fail", "flex")
    assert row["detail"].startswith("silent fallback: flex ran, asked for as_uncompiled/compiled")
    assert row["error"] <= row["tolerance"]


@pytest.mark.skipif(
    not os.environ.get("LLMDOCTOR_TEST_SMOKE_FULL"), reason="compiles for minutes: nox -s stacks"
)
def test_compiled_flex_attention_is_seen_to_run_compiled_or_its_compilers_error_is_told(
    smoke_python: Path, tmp_path: Path
) -> None:
    only = ("--only", "flex_attention/compiled/[it]*/*")
    run = run_smoke(smoke_python, tmp_path / "r.jsonl", "--full", *only)
    for row in run.rows.values():
        if row["outcome"] == "skip":
            assert row["detail"].startswith(("torch.compile needs", "NotImplementedError: Flex"))
        elif row["ran_as"] is None:  # it did not compile: C++, or Inductor itself
            assert row["outcome"] == "fail"
            assert "Error: " in row["detail"]
            assert len(row["detail"]) < 1200  # and not the kernel's whole source
        else:
            assert row["ran_as"] == "compiled flex", row["detail"]


def test_it_ends_as_the_protocol_says(full: Run) -> None:
    assert full.status == 0, full.stderr
    assert full.records[-1]["type"] == "done"
