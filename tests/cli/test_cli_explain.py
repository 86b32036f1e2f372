"""`llmdoctor explain` as a user runs it: a file or a pipe in, the root cause out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from cli.runs import Desk

LOG = """Collecting flash-attn
/home/jane/venv/lib/python3.12/site-packages/torch/cuda/__init__.py:128: UserWarning:
NVIDIA GeForce RTX 5080 with CUDA capability sm_120 is not compatible with the current PyTorch installation.
The current PyTorch install supports CUDA capabilities sm_50 sm_60 sm_70 sm_75 sm_80 sm_86 sm_90.
RuntimeError: CUDA error: no kernel image is available for execution on the device
"""
CAUSE = {"cause", "title", "confidence", "evidence", "explanation", "remedy", "url"}


def test_a_file_and_a_pipe_give_the_same(desk: Desk) -> None:
    (desk.project / "build.log").write_text(LOG)
    from_file = desk.run("explain", "build.log").stdout
    assert from_file == desk.run("explain", "-", stdin=LOG).stdout
    assert from_file == desk.run("explain", stdin=LOG).stdout
    assert "line 3: NVIDIA GeForce RTX 5080" in from_file
    assert "llmdoctor install --profile mainline" in from_file
    assert max(map(len, from_file.splitlines())) < 120


def test_the_document_is_that_of_the_contract(desk: Desk) -> None:
    document = json.loads(desk.run("explain", "-", "--format", "json", stdin=LOG).stdout)
    assert document["schema"] == "explain/1"
    first = document["causes"][0]
    assert first.keys() == CAUSE
    assert first["cause"] == "gpu-too-new-for-torch"
    assert first["confidence"] == "certain"
    assert first["evidence"][0] == {"line": 3, "text": LOG.splitlines()[2]}
    assert first["remedy"].keys() == {"summary", "safety", "commands"}
    assert document["lines"] == 5


def test_nothing_recognised_is_an_empty_list_and_exit_code_1(desk: Desk) -> None:
    done = desk.run("explain", "-", "--format", "json", stdin="all is well\n", code=1)
    assert json.loads(done.stdout)["causes"] == []
    said = desk.run("explain", "-", stdin="all is well\n", code=1).stdout
    assert "no known cause" in said
    assert "llmdoctor check" in said


def test_one_line_for_a_reader_who_wants_no_more(desk: Desk) -> None:
    said = desk.run("explain", "-", "--quiet", stdin=LOG).stdout
    assert said.startswith("gpu-too-new-for-torch: ")
    assert said.count("\n") == 1


def test_here_looks_at_this_machine_and_says_what_it_found(desk: Desk) -> None:
    desk.environment()
    log = "ModuleNotFoundError: No module named 'torch'\n"
    done = desk.run("explain", "-", "--here", "--format", "json", stdin=log)
    causes = json.loads(done.stdout)["causes"]
    assert causes[0]["cause"] == "torch-missing"


def test_nobody_is_named_in_what_is_quoted(desk: Desk) -> None:
    log = "/home/jane/app/a.c:5:10: fatal error: Python.h: No such file or directory\n"
    said = desk.run("explain", "-", "--format", "json", stdin=log).stdout
    assert "Python.h" in said
    assert "jane" not in said


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("none.log",), "", "no such file"),
        (("folder",), "", "directory"),
        (("-",), "", "empty"),
        (("-",), b"\x7fELF\x02\x01\x01" + bytes(500), "binary"),
        (("a.log", "b.log"), "", "b.log"),
        (("--form", "json"), "", "--format"),
    ],
)
def test_what_is_no_log_is_refused(
    words: tuple[str, ...], stdin: str | bytes, said: str, desk: Desk
) -> None:
    (desk.project / "folder").mkdir()
    assert said in desk.refused("explain", *words, stdin=stdin)


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal and a pipe of POSIX")
def test_a_pipe_is_read_while_its_writer_is_at_work(desk: Desk) -> None:
    reader, writer = os.pipe()
    with subprocess.Popen(
        desk.command("explain", "-", "--quiet"), stdin=reader, stdout=subprocess.PIPE,
        cwd=desk.project, env=desk.environ,
    ) as child:  # fmt: skip
        os.close(reader)
        for line in LOG.splitlines(keepends=True):
            os.write(writer, line.encode())
        os.close(writer)
        assert child.communicate(timeout=60)[0].startswith(b"gpu-too-new-for-torch")
    assert child.returncode == 0


def test_its_help_has_examples(desk: Desk) -> None:
    said = desk.run("explain", "--help").stdout
    assert "llmdoctor explain build.log" in said
    assert "explain -" in said
