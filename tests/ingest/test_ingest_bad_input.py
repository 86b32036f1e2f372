"""What is no report: one clear sentence, the next command, exit 2, nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.runs import Desk
from ingest.reports import COLLECT_ENV_2_9_WSL
from llmdoctor import ingest
from llmdoctor.errors import UsageError
from llmdoctor.ingest import source

PROSE = "Dear all,\n\nPython 3.12 is out. I use PyTorch 2.4 on Linux and like it: very much.\n" * 30
LOG = (
    """\
2026-01-05 10:00:00 INFO  server: GET /index.html 200
2026-01-05 10:00:01 ERROR server: upstream timed out (110: Connection timed out)
Collecting torch==2.9.1
  Downloading torch-2.9.1-cp312-cp312-manylinux_2_28_x86_64.whl (900.1 MB)
gcc -O2 -c x.c -o x.o
Successfully installed torch-2.9.1
"""
    * 50
)
CODE = Path(ingest.__file__).read_text("utf-8")


@pytest.mark.parametrize("text", [PROSE, LOG, CODE, "x", "a: b\nc: d\n", "<html></html>"])
def test_a_text_that_is_no_report_is_refused(text: str, desk: Desk) -> None:
    (desk.project / "it.txt").write_text(text)
    said = desk.refused("check", "--from", "it.txt")
    assert "it.txt is no report that llmdoctor knows" in said
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\x7fELF\x02\x01\x01" + bytes(500), "is not text"),
        (bytes(range(256)) * 20, "is not text"),
        (b'{"schema": "check/9", "machine": {"schema": 9, "later": {}}}', "schema is check/9"),
        (b'{"schema": "check/99", "machine": {"schema": 1}}', "reads check/1: update llmdoctor"),
        (b'{"schema": "check/0", "machine": {"schema": 1}}', "is check/0, expected check/1"),
        (b'{"schema": "plan/1", "machine": {"schema": 1}}', "is plan/1, expected check/1"),
        (b'{"schema": "check/1", "machine": {"schema": 2}}', "reads 1: update llmdoctor"),
        (b'{"schema": "check/1", "machine": {"schema": 0}}', "schema is 0, expected 1"),
        (b'{"schema": ' + b"1" * 5000 + b"}", "a number in it cannot be read"),
        (b"See:\n" + b'{"schema": ' + b"1" * 5000 + b"}\n", "a number in it cannot be read"),
        (b'See:\n```json\n{"schema": 9, "later": {}}\n```\n', "schema is 9"),
        (b'See:\n```json\n{"schema": 1, "host": {"system"\n```\n', "it.txt:4:1"),
    ],
)
def test_what_cannot_be_read_is_said(data: bytes, said: str, desk: Desk) -> None:
    (desk.project / "it.txt").write_bytes(data)
    assert said in desk.refused("check", "--from", "it.txt")
    assert said.replace("it.txt", "standard input") in desk.refused(
        "check", "--from", "-", stdin=data
    )


def test_only_a_newer_schema_asks_for_an_update(desk: Desk) -> None:
    for schema, newer in (("check/2", True), ("check/0", False), ("check", False), (7, False)):
        document = {"schema": schema, "machine": {"schema": 1}}
        (desk.project / "it.json").write_text(json.dumps(document))
        said = desk.refused("check", "--from", "it.json")
        assert ("update llmdoctor" in said) is newer
        assert ("expected check/1" in said) is not newer


def test_a_huge_file_is_refused_without_reading_it(desk: Desk) -> None:
    with (desk.project / "huge.txt").open("wb") as file:
        file.truncate(1024**3)
    assert "larger than 16 MiB" in desk.run("check", "--from", "huge.txt", code=2).stderr


def test_a_pipe_that_never_ends_is_read_to_the_limit(desk: Desk) -> None:
    os.mkfifo(desk.project / "pipe")
    with subprocess.Popen(["sh", "-c", "exec yes PyTorch > pipe"], cwd=desk.project) as writer:
        said = desk.run("check", "--from", "pipe", code=2).stderr
        writer.kill()
    assert "larger than 16 MiB" in said


def test_a_pipe_carries_a_report(desk: Desk) -> None:
    os.mkfifo(desk.project / "pipe")
    (desk.project / "it.txt").write_text(COLLECT_ENV_2_9_WSL)
    with subprocess.Popen(["sh", "-c", "exec cat it.txt > pipe"], cwd=desk.project):
        document = desk.json("check", "--from", "pipe")
    again = desk.run(
        "check", "--from", "-", "--format", "json", code=(0, 1), stdin=COLLECT_ENV_2_9_WSL
    )
    assert json.loads(again.stdout) == document
    assert document["machine"]["nvidia"]["gpus"][0]["name"] == "NVIDIA GeForce RTX 5090"


def test_a_silent_pipe_has_a_limit_of_time() -> None:
    def silent() -> list[bytes]:
        time.sleep(2)
        return []

    with pytest.raises(UsageError, match=r"did not end within 0\.1 seconds"):
        source.patiently(silent, "-", seconds=0.1)


def test_the_first_word_has_a_limit_of_time_and_the_next_has_none() -> None:
    def slow(first: float, second: float) -> Iterator[bytes]:
        time.sleep(first)
        yield b"a"
        time.sleep(second)
        yield b"b"

    assert source.first_in_time(slow(2, 0), seconds=0.1) is None
    chunks = source.first_in_time(slow(0, 0.5), seconds=0.4)
    assert chunks is not None
    assert b"".join(chunks) == b"ab"
    assert list(source.first_in_time(iter(()), seconds=5) or "silent") == [b""]


@pytest.mark.parametrize("where", ["pipe", "-"])
def test_an_interrupt_ends_the_wait(where: str, desk: Desk) -> None:
    os.mkfifo(desk.project / "pipe")
    with subprocess.Popen(
        desk.command("check", "--from", where),
        cwd=desk.project,
        env=desk.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(10) == 130
        assert waiting.stderr is not None
        said = waiting.stderr.read()
    assert "Traceback" not in said
    assert "Fatal" not in said


def test_a_wish_that_the_report_cannot_answer_is_not_refused_for_what_is_unsaid(
    desk: Desk,
) -> None:
    """Only what the text states may speak against a profile."""
    (desk.project / "it.txt").write_text("Python 3.12.4\n")
    document = desk.json("check", "--from", "it.txt", "--profile", "flashattn")
    assert "PROFILE001" not in {finding["code"] for finding in document["findings"]}
    smi = (
        "NVIDIA-SMI 580.65.06  Driver Version: 580.65.06  CUDA Version: 13.0\n"
        "GPU 0: NVIDIA GeForce RTX 4090\n"
    )
    (desk.project / "it.txt").write_text(smi)
    document = desk.json("check", "--from", "it.txt", "--profile", "flashattn", code=0)
    assert document["summary"]["error"] == 0
