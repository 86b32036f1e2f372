"""Attention from the Hugging Face Hub: a kernel in the user's cache is proven, and none is fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inside.smoke_runs import SMOKE, Run, named, run_smoke
from inside.test_smoke_flash_attn import FALLS_BACK, PACKAGE, SOUND, WITHOUT_A_KERNEL

KERNEL = "kernels-community/flash-attn2"
VERSION = 3  # which of it transformers 5.20 asks for
COMMIT = "0123456789" * 4
METADATA = {
    "name": "flash-attn2",
    "id": "flash_attn2_made_here",
    "version": VERSION,
    "license": "BSD-3-Clause",
    "python-depends": [],
    "backend": {"type": "cpu"},
}


@pytest.fixture(scope="module")
def python() -> Path:
    return named("LLMDOCTOR_TEST_HUB_PYTHON", "hub")


def cache(folder: Path, attend: str, variant: str = "torch-universal") -> Path:
    """A cache of the Hub that holds this one kernel, which has the operators of its build."""
    repository = folder / "kernels--kernels-community--flash-attn2"
    build = repository / "snapshots" / COMMIT / "build" / variant
    build.mkdir(parents=True)
    (build / "metadata.json").write_text(json.dumps(METADATA))
    operators = attend.replace("flash_attn::", "_flash_attn2_made_here::")
    (build / "__init__.py").write_text(PACKAGE.format(attend=operators))
    (repository / "refs").mkdir()
    (repository / "refs" / f"v{VERSION}").write_text(COMMIT)
    return folder


def on_a_gpu_that_fits(python: Path, out: Path, hub: Path) -> Run:
    driver = Path(__file__).with_name("without_gate.py")
    env = {"LLMDOCTOR_TEST_BACKEND": "hub", "HF_HUB_CACHE": str(hub)}
    return run_smoke(python, out, str(SMOKE), program=driver, env=env)


def each(run: Run) -> list[dict[str, Any]]:
    assert {row["mode"] for row in run.of("row")} == {"infer", "generate"}, run.stderr
    assert {row["attention"] for row in run.of("row")} == {KERNEL}
    return run.of("row")


def test_a_kernel_in_the_cache_passes_and_its_calls_are_seen(python: Path, tmp_path: Path) -> None:
    run = on_a_gpu_that_fits(python, tmp_path / "r.jsonl", cache(tmp_path / "hub", SOUND))
    for row in each(run):
        assert (row["outcome"], row["ran_as"]) == ("pass", "hub kernel"), row["detail"]


def test_a_kernel_that_falls_back_to_sdpa_fails_as_that(python: Path, tmp_path: Path) -> None:
    run = on_a_gpu_that_fits(python, tmp_path / "r.jsonl", cache(tmp_path / "hub", FALLS_BACK))
    for row in each(run):
        assert row["outcome"] == "fail"
        assert row["detail"].startswith("silent fallback: ")


def test_a_kernel_without_code_for_the_gpu_fails_with_its_words(
    python: Path, tmp_path: Path
) -> None:
    hub = cache(tmp_path / "hub", WITHOUT_A_KERNEL)
    for row in each(on_a_gpu_that_fits(python, tmp_path / "r.jsonl", hub)):
        assert row["outcome"] == "fail"
        assert "no kernel image is available" in row["detail"]


def test_a_kernel_that_does_not_load_fails_in_every_row(python: Path, tmp_path: Path) -> None:
    hub = cache(tmp_path / "hub", "raise ImportError('undefined symbol: _ZN3c10')")
    for row in each(on_a_gpu_that_fits(python, tmp_path / "r.jsonl", hub)):
        assert row["outcome"] == "fail"
        assert "undefined symbol: _ZN3c10" in row["detail"]


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        (None, "is not available in the local cache and Hugging Face Hub is in offline mode"),
        ("torch11-cxx98-cu90-x86_64-linux", "Cannot find a build variant"),
    ],
)
def test_what_is_not_at_hand_is_skipped_in_every_row_and_nothing_is_fetched(
    variant: str | None, said: str, python: Path, tmp_path: Path
) -> None:
    hub = tmp_path / "hub"
    if variant:
        cache(hub, SOUND, variant)
    for row in each(on_a_gpu_that_fits(python, tmp_path / "r.jsonl", hub)):
        assert row["outcome"] == "skip"
        assert said in row["detail"]
