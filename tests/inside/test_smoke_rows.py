"""What a sound environment's smoke test reports."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from inside.smoke_runs import SMOKE, Run, run_smoke
from llmdoctor.tables.attention import attention_names

CONTRACT = {
    "backend", "kernel", "mode", "dtype", "device", "outcome", "seconds", "peak_bytes", "error",
    "tolerance", "ran_as", "detail",
}  # fmt: skip
BACKENDS = {
    "eager/default": "eager",
    "sdpa/default": "FLASH_ATTENTION",
    "sdpa/MATH": "MATH",
    "sdpa/FLASH_ATTENTION": "FLASH_ATTENTION",
}
MODES = ("infer/fp32", "infer/bf16", "generate/fp32", "train/fp32", "lora/fp32")


FOR_GPUS = {
    "flash_attention_2": ("flash-attn", "8.0 or newer"),
    "flash_attention_3": ("flash-attn-3", "9.0"),
    "flash_attention_4": ("flash-attn-4", "9.0 or newer"),
}


def test_the_rows_are_every_backend_in_every_mode(smoke: Run) -> None:
    assert len(smoke.of("row")) == len(smoke.rows)
    there = {f"{backend}/{mode}" for backend in BACKENDS for mode in MODES}
    there |= {f"flex_attention/uncompiled/{mode}" for mode in MODES if mode != "infer/bf16"}
    skipped = {name for name, row in smoke.rows.items() if row["outcome"] == "skip"}
    assert set(smoke.rows) == there | skipped
    known = [name for name in skipped if smoke.rows[name]["attention"]]
    backends = {name.partition("/")[0] for name in known}
    assert backends - {"flex_attention"} == {"sdpa", *FOR_GPUS}


@pytest.mark.parametrize("row", ["EFFICIENT_ATTENTION/infer/fp32", "CUDNN_ATTENTION/lora/bf16"])
def test_a_kernel_the_cpu_does_not_have_is_skipped_with_torchs_own_words(
    smoke: Run, row: str
) -> None:
    found = smoke.rows[f"sdpa/{row}"]
    assert found["outcome"] == "skip"
    assert found["detail"].startswith("RuntimeError: No ")
    assert found["ran_as"] is None


@pytest.mark.parametrize("mode", ["infer", "generate", "train", "lora"])
def test_flex_attention_passes_or_says_that_torch_has_no_backward_for_it_here(
    smoke: Run, mode: str
) -> None:
    found = smoke.rows[f"flex_attention/uncompiled/{mode}/fp32"]
    if found["outcome"] == "skip":
        assert mode in ("train", "lora")
        said = "NotImplementedError: FlexAttention does not support backward on CPU."
        assert found["detail"].startswith(said)
    else:
        assert (found["outcome"], found["ran_as"]) == ("pass", "flex"), found["detail"]


@pytest.mark.parametrize("backend", FOR_GPUS)
@pytest.mark.parametrize("mode", ["infer", "generate", "train", "lora"])
def test_what_needs_a_gpu_and_a_package_is_skipped_for_both_reasons(
    smoke: Run, backend: str, mode: str
) -> None:
    found = smoke.rows[f"{backend}/default/{mode}/bf16"]
    package, capability = FOR_GPUS[backend]
    if "knows no" in found["detail"]:  # flash_attention_4, before transformers had it
        version = smoke.of("environment")[0]["packages"]["transformers"]
        assert found["detail"] == f"transformers {version} knows no {backend}"
        return
    assert (found["outcome"], found["detail"]) == (
        "skip",
        (
            f"needs an NVIDIA GPU of compute capability {capability}; this is the processor; "
            f"{package} is not installed"
        ),
    )


def test_a_gpu_that_torch_does_not_see_has_no_row_but_what_torch_sees(
    smoke_python: Path, tmp_path: Path
) -> None:
    run = run_smoke(
        smoke_python, tmp_path / "r.jsonl", "--device", "cuda:7", "--only", "sdpa/*/infer/*"
    )
    assert run.of("start") == run.of("row") == []
    device = run.of("environment")[0]["device"]
    assert device["type"] == "cuda:7"
    assert device["absent"].endswith("no cuda:7")


def test_the_table_has_the_names_that_this_transformers_has(smoke_python: Path) -> None:
    code = (
        "import transformers; from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS as A;"
        "print('names', transformers.__version__, 'eager', *A.valid_keys())"
    )
    done = subprocess.run([smoke_python, "-c", code], capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("names ")]
    version, *names = line.split()[1:]
    known = attention_names(version)
    if known is None:
        pytest.skip(f"the table's row of transformers {version} has no names")
    assert sorted(known) == sorted(names)


@pytest.mark.skipif(
    not os.environ.get("LLMDOCTOR_TEST_SMOKE_FULL"), reason="half a minute: nox -s stacks"
)
def test_the_processor_proves_bf16_and_fp16_in_every_mode(
    smoke_python: Path, tmp_path: Path
) -> None:
    only = [word for backend in BACKENDS for word in ("--only", f"{backend}/*/[bf][fp]16")]
    run = run_smoke(smoke_python, tmp_path / "r.jsonl", "--full", *only)
    assert len(run.rows) == 2 * 4 * len(BACKENDS)
    for row in run.rows.values():
        assert row["outcome"] == "pass", row["detail"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sound_environment_passes_on_the_kernel_asked_for(
    smoke: Run, backend: str, mode: str
) -> None:
    row = smoke.rows[f"{backend}/{mode}"]
    assert row["outcome"] == "pass", row["detail"]
    assert row["ran_as"] == BACKENDS[backend]


@pytest.mark.parametrize("mode", ["infer/fp32", "infer/bf16", "train/fp32"])
def test_sdpas_own_choice_is_proven_on_every_family(smoke: Run, mode: str) -> None:
    detail = smoke.rows[f"sdpa/default/{mode}"]["detail"]
    for family in ("qwen2", "qwen3", "mistral", "ministral3"):
        assert f"{family} " in detail or f"this transformers has no {family}" in detail


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_padding_is_compared(smoke: Run, backend: str) -> None:
    detail = smoke.rows[f"{backend}/infer/fp32"]["detail"]
    for batch in ("causal", "left-padded", "right-padded"):
        assert f"{batch}: relRMS of the worst token" in detail


def test_a_row_has_the_fields_of_the_contract(smoke: Run) -> None:
    for row in smoke.of("row"):
        assert set(row) - {"type", "attention"} == CONTRACT
        if row["attention"] is None:  # called directly: see test_smoke_triton.py
            continue
        assert row["attention"] == row["backend"]
        if row["outcome"] == "skip":
            continue
        assert 0 <= row["error"] <= row["tolerance"]
        assert row["seconds"] > 0
        assert row["device"] == "cpu"


def test_every_row_is_announced_before_it_runs(smoke: Run) -> None:
    order = [record for record in smoke.records if record["type"] in {"start", "row"}]
    for start, row in zip(order[::2], order[1::2], strict=True):
        assert (start["type"], row["type"]) == ("start", "row")
        assert start["row"].items() <= row.items()


def test_the_report_begins_with_imports_and_environment_and_ends_with_done(smoke: Run) -> None:
    kinds = [record["type"] for record in smoke.records]
    assert kinds[:7] == ["importing", "import"] * 3 + ["environment"]
    assert kinds[-1] == "done"
    assert smoke.status == 0, smoke.stderr


def test_the_environment_names_the_versions_and_what_importing_cost(smoke: Run) -> None:
    (environment,) = smoke.of("environment")
    assert set(environment["packages"]) == {"torch", "transformers", "peft", "numpy"}
    assert all(environment["packages"][name] for name in ("torch", "transformers", "peft"))
    assert environment["device"]["type"] == "cpu"
    assert environment["threads"] >= 1
    assert isinstance(environment["arch_list"], list)
    imported = {record["package"]: record["seconds"] for record in smoke.of("import")}
    assert environment["import_seconds"] == imported
    assert list(imported) == ["torch", "transformers", "peft"]


def test_two_runs_measure_the_same(smoke: Run, smoke_python: Path, tmp_path: Path) -> None:
    # In another order and company too: a row does not depend on the rows before it.
    again = run_smoke(smoke_python, tmp_path / "again.jsonl", "--only", "sdpa/MATH/*")
    assert len(again.rows) == len(MODES)
    for name, row in again.rows.items():
        assert row["detail"] == smoke.rows[name]["detail"]


def test_without_a_lora_row_peft_is_not_imported(smoke_python: Path, tmp_path: Path) -> None:
    run = run_smoke(smoke_python, tmp_path / "r.jsonl", "--only", "eager/default/infer/fp32")
    assert [record["package"] for record in run.of("import")] == ["torch", "transformers"]
    assert [row["outcome"] for row in run.rows.values()] == ["pass"]


def test_another_seed_passes_too_and_measures_something_else(
    smoke: Run, smoke_python: Path, tmp_path: Path
) -> None:
    run = run_smoke(
        smoke_python, tmp_path / "r.jsonl", "--seed", "1", "--only", "sdpa/default/*/fp32"
    )
    for name, row in run.rows.items():
        assert row["outcome"] == "pass", row["detail"]
        assert row["detail"] != smoke.rows[name]["detail"]


def test_nothing_is_written_but_the_report(smoke_python: Path, tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    places = dict.fromkeys(("HOME", "USERPROFILE", "XDG_CACHE_HOME", "HF_HOME"), str(home))
    temp = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    run = run_smoke(
        smoke_python, tmp_path / "r.jsonl", "--only", "[es]*/default/*", env={**places, **temp}
    )
    assert {row["outcome"] for row in run.rows.values()} == {"pass"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "r.jsonl", "tmp"]
    assert list(home.iterdir()) == []
    assert list(temporary.iterdir()) == []


def test_no_socket_is_opened(smoke_python: Path, tmp_path: Path) -> None:
    guard = tmp_path / "guard.py"
    guard.write_text(
        "import runpy, sys\n"
        "def hook(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        raise RuntimeError(f'network: {arguments}')\n"
        "sys.addaudithook(hook)\n"
        "sys.argv[:] = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    run = run_smoke(
        smoke_python, tmp_path / "r.jsonl", str(SMOKE), "--only", "[es]*/default/*", program=guard
    )
    assert {row["outcome"] for row in run.rows.values()} == {"pass"}, run.stderr
    assert len(run.rows) == 10
