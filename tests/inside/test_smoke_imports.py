"""A package that is absent or broken is named, with its exception; it never ends the protocol."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from inside.conftest import REAL
from inside.smoke_runs import SMOKE, Run, put, run_smoke
from support.venvs import python_of, site_packages


def outcome_and_detail(run: Run) -> set[tuple[str, str]]:
    return {(row["outcome"], row["detail"]) for row in run.rows.values()}


def imports(run: Run) -> list[tuple[Any, ...]]:
    return [(r["package"], r["outcome"], r["error"], r["message"]) for r in run.of("import")]


def test_without_torch_every_row_fails_and_says_so(env: Path, tmp_path: Path) -> None:
    run = run_smoke(python_of(env), tmp_path / "r.jsonl")
    message = "No module named 'torch'"
    assert imports(run) == [("torch", "missing", "ModuleNotFoundError", message)]
    assert outcome_and_detail(run) == {("fail", "torch is not installed")}
    assert run.status == 0
    assert run.of("environment")[0]["packages"] == dict.fromkeys(
        ("torch", "transformers", "peft", "numpy")
    )
    assert run.records[-1]["type"] == "done"


def test_a_torch_whose_libraries_are_gone_is_broken_not_missing(env: Path, tmp_path: Path) -> None:
    text = "libcudart.so.12: cannot open shared object file: No such file or directory"
    put(env, "torch", f"raise OSError({text!r})\n")
    run = run_smoke(python_of(env), tmp_path / "r.jsonl")
    assert imports(run) == [("torch", "broken", "OSError", text)]
    assert outcome_and_detail(run) == {("fail", f"torch does not import: OSError: {text}")}


def test_a_torch_that_lacks_a_dependency_is_broken_not_missing(env: Path, tmp_path: Path) -> None:
    put(env, "torch", "import sympy_that_nobody_has\n")
    run = run_smoke(python_of(env), tmp_path / "r.jsonl")
    assert imports(run)[0][:3] == ("torch", "broken", "ModuleNotFoundError")


def test_an_empty_folder_left_by_an_uninstall_is_broken(env: Path, tmp_path: Path) -> None:
    (site_packages(env) / "torch").mkdir()
    run = run_smoke(python_of(env), tmp_path / "r.jsonl")
    assert imports(run)[0][:3] == ("torch", "broken", "AttributeError")
    assert run.records[-1]["type"] == "done"


def test_a_torch_that_ends_the_process_is_named_by_the_last_record(
    env: Path, tmp_path: Path
) -> None:
    put(env, "torch", "import os\nos.abort()\n")
    run = run_smoke(python_of(env), tmp_path / "r.jsonl")
    assert run.status != 0
    assert run.records == [{"type": "importing", "package": "torch"}]


def test_a_transformers_older_than_attention_functions_is_named_with_its_version(
    env: Path,
) -> None:
    put(env, "transformers", "__version__ = '4.44.2'\n")
    code = "import runpy, sys; load = runpy.run_path(sys.argv[1])['load'];"
    code += "print(load('needs').unknown_to_transformers('eager'))"
    command = [str(python_of(env)), "-c", code, str(SMOKE / "__main__.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = "transformers 4.44.2 takes no attention function of others, as 4.53 and newer do"
    assert done.stdout.strip() == said


def test_a_broken_peft_fails_only_the_lora_rows(patient: Path, tmp_path: Path) -> None:
    put(patient, "peft", "raise ImportError('cannot import name HybridCache')\n")
    run = run_smoke(python_of(patient), tmp_path / "r.jsonl", "--only", "sdpa/MATH/*")
    assert imports(run)[2] == ("peft", "broken", "ImportError", "cannot import name HybridCache")
    outcomes = {row["mode"]: row["outcome"] for row in run.rows.values()}
    assert outcomes == {
        "infer": "pass",
        "generate": "pass",
        "train": "pass",
        "lora": "fail",
    }


def test_without_transformers_the_rows_fail_and_torch_is_still_described(
    patient: Path, tmp_path: Path
) -> None:
    with (site_packages(patient) / REAL).open("a") as lines:
        lines.write("import sys; sys.modules['transformers'] = None\n")
    run = run_smoke(python_of(patient), tmp_path / "r.jsonl")
    assert [record["package"] for record in run.of("import")] == ["torch", "transformers"]
    known = [row for row in run.rows.values() if row["attention"]]  # the others need torch alone
    assert {row["outcome"] for row in known} == {"fail"}
    assert run.of("environment")[0]["packages"]["torch"]
