"""Which rows `smoke` is asked for: by device, backend and glob. Listing needs no torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.runs import Desk, next_command
from support.venvs import find_python, make_venv


@pytest.fixture
def env(desk: Desk) -> Path:
    """An environment without torch."""
    return make_venv(desk.project / ".venv")


def test_the_rows_are_listed_one_a_line(env: Path, desk: Desk) -> None:
    rows = desk.run("smoke", "--list").stdout.split()
    assert "eager/default/infer/fp32" in rows
    assert all(row.count("/") == 3 for row in rows)
    of_one = desk.run("smoke", "--list", "--backend", "sdpa", "--only", "*/lora/*").stdout.split()
    assert of_one == [row for row in rows if row.startswith("sdpa/") and "/lora/" in row]


def test_full_lists_more(env: Path, desk: Desk) -> None:
    rows, full = (desk.run("smoke", "--list", *more).stdout.split() for more in ((), ("--full",)))
    assert set(rows) < set(full)


def test_a_gpu_has_rows_of_its_own(env: Path, desk: Desk) -> None:
    rows = desk.run("smoke", "--list", "--device", "cuda:1").stdout.split()
    assert "sdpa/FLASH_ATTENTION/train/bf16" in rows
    assert "sdpa/FLASH_ATTENTION/train/fp32" not in rows


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--backend", "sdp"), "did you mean 'sdpa'? (there are eager, sdpa,"),
        (("--backend", "eager", "--only", "sdpa/*"), "these --backend and --only mean no row"),
        (("--backend", "int8"), "--backend int8: there is no such backend"),
        (("--only", "sdpa/*/infer/int8"), "--only sdpa/*/infer/int8: there is no such row"),
    ],
)
def test_what_means_no_row_is_refused_with_what_there_is(
    words: tuple[str, ...], said: str, env: Path, desk: Desk
) -> None:
    refused = desk.refused("smoke", *words)
    assert said in refused
    assert next_command(refused).startswith("llmdoctor smoke ")


@pytest.mark.parametrize("word", ["gpu", "cuda", "cuda:x", "0", "cpu:0"])
def test_a_device_is_cpu_or_one_gpu(word: str, desk: Desk) -> None:
    assert "is neither cpu nor cuda:N" in desk.refused("smoke", "--device", word)


def test_a_python_that_the_smoke_test_cannot_run_in_is_named(desk: Desk) -> None:
    python = find_python("3.7") or find_python("3.6")
    if python is None:
        pytest.skip("no Python 3.7 or 3.6 here")
    said = desk.refused("smoke", "--python", str(python))
    assert "the smoke test needs 3.8 or newer" in said


def test_without_torch_there_is_one_reason_and_no_row(env: Path, desk: Desk) -> None:
    done = desk.run("smoke", "--backend", "eager", "--format", "json", code=1)
    document = json.loads(done.stdout)
    assert document["problem"] == "torch is not installed in this environment"
    assert document["rows"] == []
    assert "eager/" not in done.stderr  # nor any row in what it says while it runs


def test_what_cannot_be_proven_in_is_built_anew_or_left_alone(desk: Desk) -> None:
    (desk.project / "photo.jpg").write_bytes(b"")
    (desk.project / "broken" / "bin").mkdir(parents=True)
    (desk.project / "broken" / "pyvenv.cfg").write_text("home = /nowhere\nversion = 3.12.1\n")
    install = "llmdoctor install --profile cpu --env"
    assert next_command(desk.refused("smoke", "--env", "photo.jpg")) == f"{install} .venv"
    assert next_command(desk.refused("smoke", "--env", "broken")) == f"{install} broken --fresh"
    for taken in (".venv", ".venv-llm", ".venv-llm-2"):
        (desk.project / taken).touch()
    assert next_command(desk.refused("smoke", "--env", "photo.jpg")) == f"{install} .venv-llm-3"


def test_after_a_named_interpreter_a_new_environment_is_proposed(env: Path, desk: Desk) -> None:
    """An interpreter that was named by itself may be the system's."""
    words = ("smoke", "--python", ".venv/bin/python", "--backend", "eager")
    done = desk.run(*words, code=1)
    assert next_command(done.stderr) == "llmdoctor install --profile cpu --env .venv-llm"
    assert next_command(desk.run(*words[:1], code=1).stderr).endswith("--env .venv")
    desk.run("smoke", "--backend", "eager", "--format", "json", "--output", "proof.json", code=1)
    document = json.loads((desk.project / "proof.json").read_text("utf-8"))
    assert document["asked"] == ["--backend eager"]
