"""`llmdoctor explain` as a user runs it: a file or a pipe in, the root cause out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.runs import Desk
from llmdoctor.cli.explain import log_chunks, told
from llmdoctor.errors import UsageError
from llmdoctor.system.local import Local

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
    assert first.keys() == CAUSE | {"rivals"}  # which is added to it
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


@pytest.mark.skipif(sys.platform == "win32", reason="a named pipe of POSIX")
def test_a_named_pipe_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    chunks = log_chunks(Local(), str(tmp_path / "pipe"), first_word=0.2)
    with pytest.raises(UsageError, match=r"pipe: it said nothing within 0\.2 seconds"):
        next(chunks)


@pytest.mark.skipif(sys.platform == "win32", reason="a named pipe of POSIX")
def test_a_named_pipe_carries_a_log(desk: Desk) -> None:
    os.mkfifo(desk.project / "pipe")
    (desk.project / "build.log").write_text(LOG)
    with subprocess.Popen(["sh", "-c", "exec cat build.log > pipe"], cwd=desk.project):
        said = desk.run("explain", "pipe").stdout
    assert "line 3: NVIDIA GeForce RTX 5080" in said


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe of POSIX")
def test_an_interrupt_ends_the_wait_for_a_silent_pipe(desk: Desk) -> None:
    with subprocess.Popen(
        desk.command("explain", "-"), cwd=desk.project, env=desk.environ,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as waiting:  # fmt: skip
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1.5)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(20) == 130
        assert waiting.stderr is not None
        said = waiting.stderr.read()
    assert b"Traceback" not in said
    assert b"Fatal" not in said


def test_its_help_has_examples(desk: Desk) -> None:
    said = desk.run("explain", "--help").stdout
    assert "llmdoctor explain build.log" in said
    assert "explain -" in said


def test_a_long_log_shows_that_it_is_being_read_and_a_slow_one_does_not() -> None:
    def words(sizes: list[int], times: list[float]) -> list[str]:
        heard: list[str] = []
        chunks = [bytes(size) for size in sizes]
        assert list(told(iter(chunks), heard.append, iter(times).__next__)) == chunks
        return heard

    big = [2 << 20] * 4
    assert words(big, [0, 1, 3.5, 4, 7]) == [
        "read 4 MiB of the log",
        "read 8 MiB of the log",
    ]
    assert words(big, [0, 0.1, 0.2, 0.3, 0.4]) == []  # read at once
    assert words([100] * 3, [0, 60, 120, 180]) == []  # a build that says little


def test_a_log_read_at_once_says_nothing_beside_the_report(desk: Desk) -> None:
    assert desk.run("explain", "-", stdin=LOG).stderr == ""
