"""What a terminal, a pipe, a file and a program get to read."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import shlex
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from cli.runs import Desk, next_command
from llmdoctor.cli.main import COMMANDS
from llmdoctor.cli.output import Progress, ask
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render import documents
from support.venvs import install_fake_dist, install_fake_torch

CASES = Path(__file__).parents[1] / "cases"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
SICK = sorted(path.parent.name for path in CASES.glob("*/machine.json"))


def machine(case: str) -> str:
    return str(CASES / case / "machine.json")


# JSON

CHECK = {
    "schema", "llmdoctor", "profiles", "machine", "findings", "verdicts", "summary", "tables", "known",
}  # fmt: skip
FINDING = {
    "code",
    "cause",
    "severity",
    "title",
    "detail",
    "evidence",
    "where",
    "remedy",
    "line",
    "url",
}
REMEDY = {"summary", "safety", "commands"}
PLAN = {
    "schema", "llmdoctor", "feasible", "profiles", "torch", "packages", "steps", "reasons",
    "rejected", "alternatives",
}  # fmt: skip
PACKAGE = {"name", "version", "source", "url", "sha256", "size"}
ROW = {
    "backend", "kernel", "mode", "dtype", "device", "outcome", "seconds", "peak_bytes", "error",
    "tolerance", "ran_as", "detail", "attention",
}  # fmt: skip


@pytest.mark.parametrize("case", SICK)
def test_a_check_s_document_has_the_contract_s_keys(case: str, desk: Desk) -> None:
    document = desk.json("check", "--from", machine(case))
    assert document["schema"] == "check/1"
    assert document.keys() == CHECK
    for finding in document["findings"]:
        assert finding.keys() == FINDING
        assert finding["severity"] in ("error", "warning", "note")
        if finding["remedy"]:
            assert finding["remedy"].keys() >= REMEDY
            assert all(isinstance(w, str) for argv in finding["remedy"]["commands"] for w in argv)
    for verdict in document["verdicts"]:
        assert verdict.keys() == {"code", "outcome", "reason", "origin"}
        assert verdict["outcome"] in ("pass", "fail", "skip")  # a crash is a bug in a check
    counted = {"error", "warning", "note", "crashed"}
    assert document["summary"].keys() == {*counted, "worst", "can", "cannot"}


def test_the_exit_code_is_the_worst_finding_s(desk: Desk) -> None:
    asked = itertools.cycle(
        (("error", {"error"}), ("warning", {"error", "warning"}), ("never", set[str]()))
    )
    for case, (fail_on, failing) in zip(SICK, asked, strict=False):  # each of them several times
        worst = desk.json("check", "--from", machine(case))["summary"]["worst"]
        code = int(worst in failing)
        desk.run("check", "--from", machine(case), "--quiet", "--fail-on", fail_on, code=code)


@pytest.mark.parametrize(
    ("words", "feasible"),
    [
        (("--profile", "mainline", "--assume", "gpu=RTX 4090,driver=560.94"), True),
        (("--profile", "cpu", "--assume", "os=linux"), True),
        (("--profile", "mainline", "--assume", "gpu=RTX 4090,driver=400.10"), False),
    ],
)
def test_a_plan_s_document_has_the_contract_s_keys(
    words: tuple[str, ...], feasible: bool, desk: Desk
) -> None:
    document = desk.json("plan", *words, code=int(not feasible))
    assert document["schema"] == "plan/1"
    assert document.keys() >= PLAN
    assert document["feasible"] is feasible
    assert document["torch"].keys() == {"version", "variant", "index"}
    assert bool(document["packages"]) is feasible
    for package in document["packages"]:
        assert package.keys() >= PACKAGE
    for reason in document["reasons"]:
        assert reason.keys() == {"code", "cause", "text"}
    for rejected in document["rejected"]:
        assert rejected.keys() == {"candidate", "reason"}
    for other in document["alternatives"]:
        assert other.keys() >= {"profiles", "text"}
        assert other["fits_here"] is (other["profiles"] == ["cpu"])  # no other driver is there


def test_a_smoke_s_document_has_the_contract_s_keys(desk: Desk) -> None:
    """In an environment without torch: no row ran, and the document says why."""
    desk.environment()
    document = desk.json("smoke", code=1)
    assert document["schema"] == "smoke/1"
    assert document.keys() >= {"schema", "llmdoctor", "rows", "environment"}
    assert document["environment"]["python"]["executable"]
    assert document["passed"] is False
    assert document["rows"] == []
    assert document["problem"] == "torch is not installed in this environment"
    row = SmokeRow("sdpa", "MATH", "infer", "fp32", "cpu", "pass")
    assert documents.smoke(Proof((row,)))["rows"][0].keys() == ROW


def test_profiles_and_history_are_documents_too(desk: Desk) -> None:
    profiles = desk.json("profiles")
    assert profiles["schema"] == "profiles/1"
    assert {"cpu", "mainline"} <= {row["name"] for row in profiles["profiles"]}
    history = desk.json("history")
    assert (history["schema"], history["runs"]) == ("history/1", [])


# terminals


def lines_of(desk: Desk, *words: str, **env: str) -> list[str]:
    return desk.run(*words, code=(0, 1), env=env).stdout.splitlines()


@pytest.mark.parametrize("case", SICK)
@pytest.mark.parametrize("columns", ["40", "80"])
def test_commands_and_addresses_stay_whole_in_a_narrow_terminal(
    case: str, columns: str, desk: Desk
) -> None:
    document = desk.json("check", "--from", machine(case))
    lines = lines_of(desk, "check", "--from", machine(case), COLUMNS=columns)
    stripped = {line.strip() for line in lines}
    for finding in document["findings"]:
        if finding["url"]:
            assert finding["url"] in stripped
        for argv in (finding["remedy"] or {"commands": []})["commands"]:
            shown = [shlex.split(line[2:]) for line in stripped if line.startswith("$ ")]
            assert argv in shown
    free = [  # evidence, commands, code and addresses are copied, and so never broken
        line for line in lines if not line.strip().startswith(("$ ", "· ", "http", "`"))
    ]
    assert [line for line in free if len(line) > int(columns) and " " in line.strip()] == []


@pytest.mark.parametrize(
    "locale", [{"LANG": "C"}, {"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, {"PYTHONIOENCODING": "ascii"}]
)
@pytest.mark.parametrize("case", SICK)
def test_a_terminal_that_knows_ascii_alone_gets_signs_in_ascii(
    case: str, locale: dict[str, str], desk: Desk
) -> None:
    shown = desk.run("check", "--from", machine(case), "--verbose", code=(0, 1), env=locale).stdout
    assert shown.isascii(), sorted({char for char in shown if not char.isascii()})
    assert "?" not in shown.split("\n", 1)[0]


WORD = re.compile(r"[^\W_]{3,}")  # a sign is written in two letters at most
EVERY_COMMAND = (
    ("check", "--from", machine("rtx-5090-with-cu126"), "--verbose"),
    ("check", "--list"),
    ("profiles",),
    ("profiles", "flashattn"),
    ("plan", "--profile", "flashattn", "--assume", "gpu=RTX 4090,driver=560", "--verbose"),
    ("plan", "--profile", "legacy", "--assume", "gpu=RTX 5090,driver=575.51"),
    ("install", "--profile", "legacy", "--profile", "mainline", "--yes"),
    ("bundle", "for-later", "--profile", "no-such-profile"),
    ("smoke",),
    ("fix",),
    ("explain", "-"),
    ("undo", "--yes"),
    ("history",),
    ("completion", "powershell"),
)


POOR_TERMINALS = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "C"},
    {"TERM": "dumb", "NO_COLOR": "1"},
)


def test_every_command_is_among_those_that_a_poor_terminal_is_shown() -> None:
    assert {words[0] for words in EVERY_COMMAND} == COMMANDS.keys()


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=lambda words: " ".join(words[:2]))
def test_a_command_says_the_same_to_a_poor_terminal(words: tuple[str, ...], desk: Desk) -> None:
    desk.environment()
    log = "ModuleNotFoundError: No module named 'torch'\n"
    rich = desk.run(*words, code=(0, 1, 2), stdin=log)
    for terminal in POOR_TERMINALS:
        poor = desk.run(*words, code=rich.returncode, stdin=log, env=terminal)
        for said, told in ((rich.stdout, poor.stdout), (rich.stderr, poor.stderr)):
            assert told.count("?") == said.count("?"), "a sign that it cannot show is written else"
            assert WORD.findall(told) == WORD.findall(said)
            assert "\x1b" not in told


def test_names_that_a_terminal_cannot_show_end_no_run(desk: Desk) -> None:
    odd = desk.project / "prüf \udcff"
    try:
        odd.mkdir()
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such name")
    (odd / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '1'\n")
    name = os.fsencode(odd.name)
    for env in ({}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}):
        for words in (["--format", "json"], []):
            done = subprocess.run(
                [*desk.command("check", "--project"), name, *words],
                cwd=desk.project,
                env={**desk.environ, **env},
                capture_output=True,
            )
            assert done.returncode in (0, 1), done.stderr
            assert b"Traceback" not in done.stderr
            if words:
                json.loads(done.stdout)
    output = subprocess.run(
        [*desk.command("check", "--format", "json", "--output", "r.json", "--project"), name],
        cwd=desk.project,
        env=desk.environ,
        capture_output=True,
    )
    assert output.returncode in (0, 1), output.stderr
    json.loads((desk.project / "r.json").read_text())


def at_a_terminal(desk: Desk, *words: str, **env: str) -> str:
    """What a terminal is sent."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        desk.command(*words),
        cwd=desk.project,
        env={**desk.environ, "TERM": "xterm", **env},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 65536):
            seen += chunk
    except OSError:  # Linux says that the other end is closed
        pass
    finally:
        os.close(master)
    assert child.wait(60) in (0, 1)
    return seen.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_a_line_that_is_written_over_is_for_a_terminal_that_can(desk: Desk) -> None:
    desk.environment()
    words = ("smoke", "--backend", "eager")
    assert "\x1b[2K" in at_a_terminal(desk, *words)
    assert "\x1b" not in at_a_terminal(desk, *words, TERM="dumb")


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("check", "--from", machine("driver-missing")), 1),
        (("profiles",), 0),
        (("profiles", "mainline", "--verbose"), 0),
        (("plan", "--profile", "flashattn", "--assume", "gpu=RTX 4090,driver=560", "-v"), 0),
        (("plan", "--profile", "mainline", "--assume", "gpu=RTX 4090,driver=400.10"), 1),
    ],
)
def test_colours_are_for_a_terminal_that_wants_them(
    words: tuple[str, ...], code: int, desk: Desk
) -> None:
    coloured = at_a_terminal(desk, *words)
    assert ESCAPE.search(coloured)
    plain = at_a_terminal(desk, *words, NO_COLOR="1")
    assert not ESCAPE.search(plain)
    assert not ESCAPE.search(at_a_terminal(desk, *words, TERM="dumb"))
    piped = desk.run(*words, code=code).stdout
    assert "\x1b" not in piped
    assert ESCAPE.sub("", coloured).split() == plain.split() == piped.split()


@pytest.mark.parametrize(
    "words",
    [
        *(("check", "--from", machine(case)) for case in SICK),
        ("check",),
        ("profiles",),
        ("plan", "--profile", "cpu", "--assume", "os=linux"),
        ("plan", "--profile", "mainline", "--assume", "gpu=RTX 4090,driver=400.10"),
        ("smoke",),
        ("fix",),
        ("explain", "build.log"),
        ("history",),
    ],
    ids=" ".join,
)
def test_quiet_is_one_line(words: tuple[str, ...], desk: Desk) -> None:
    if words == ("smoke",):
        desk.environment()
    (desk.project / "build.log").write_text("ModuleNotFoundError: No module named 'torch'\n")
    done = desk.run(*words, "--quiet", code=(0, 1))
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.strip()
    assert done.stderr == ""


def test_quiet_says_the_worst(desk: Desk) -> None:
    case = machine("driver-missing")
    worst = next(
        f for f in desk.json("check", "--from", case)["findings"] if f["severity"] == "error"
    )
    shown = desk.run("check", "--from", case, "-q", code=1).stdout
    assert shown == f"error {worst['code']}: {worst['title']}\n"


# pipes


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("check", "--from", machine("driver-missing")), 1),
        (("check", "--from", machine("driver-missing"), "--format", "json"), 1),
        (("check", "--from", machine("healthy-rtx-4090")), 0),
        (("check", "--help"), 0),
        (("--help",), 0),
        (("chek",), 2),
        (("profiles",), 0),
    ],
)
def test_a_reader_who_has_gone_changes_no_exit_code(
    words: tuple[str, ...], code: int, stream: str, desk: Desk
) -> None:
    """As in `llmdoctor check | head -0`."""
    reading, writing = os.pipe()
    os.close(reading)
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    for name in ("stdout", "stderr") if stream == "both" else (stream,):
        streams[name] = writing
    child = subprocess.Popen(
        desk.command(*words), cwd=desk.project, env=desk.environ, text=True, **streams
    )
    os.close(writing)
    _, err = child.communicate(timeout=60)
    assert child.returncode == code
    assert not err or "Broken pipe" not in err
    assert not err or "Traceback" not in err


def test_an_install_goes_on_when_nobody_listens_any_more(desk: Desk) -> None:
    """What a person wanted done is not undone because a pager was closed."""
    script = """
import sys
from llmdoctor.cli.output import Progress, put, say
progress = Progress(quiet=False)
from llmdoctor.system.local import Local
code = "import sys\\nfor n in range(20000): print(n)"
done = Local().run((sys.executable, "-c", code), on_line=progress.line)
put("x")
open("done", "w").write(str(done.code))
"""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=desk.project, stdout=writing, stderr=writing
    )
    os.close(writing)
    assert done.returncode == 0
    assert (desk.project / "done").read_text() == "0"


# what the user wanted to know


def test_an_installed_stack_is_described_in_the_first_line(desk: Desk) -> None:
    env = desk.environment()
    install_fake_torch(env, "2.9.1", None)
    install_fake_dist(env, "transformers", "4.57.0")
    first = lines_of(desk, "check", "--env", ".venv")[0]
    assert f"Python {sys.version_info[0]}.{sys.version_info[1]}" in first or "Python" in first


def test_the_checks_are_listed(desk: Desk) -> None:
    lines = lines_of(desk, "check", "--list")
    codes = [line.split()[0] for line in lines]
    assert len(codes) == len(set(codes)) > 20
    assert all(re.fullmatch(r"[A-Z]+\d{3}", code) for code in codes)


def test_selected_checks_alone_are_run(desk: Desk) -> None:
    codes = [v["code"] for v in desk.json("check", "--select", "HOST")["verdicts"]]
    assert codes
    assert all(code.startswith("HOST") for code in codes)
    rest = [v["code"] for v in desk.json("check", "--ignore", "HOST")["verdicts"]]
    assert rest
    assert not any(code.startswith("HOST") for code in rest)


def test_without_a_terminal_nothing_is_taken_for_a_yes(desk: Desk) -> None:
    done = desk.run("undo", code=2, stdin="y\n")
    assert "nothing to undo" in done.stderr


def test_a_small_file_is_one_line_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(quiet=False)
    for name, size in (("small.whl", 1_000), ("large.whl", 2_000_000)):
        progress.bytes(name, 0, size)
        progress.bytes(name, size, size)
    told = [line.strip() for line in capsys.readouterr().err.splitlines()]
    assert told == ["small.whl: 1.0 of 1.0 kB", "large.whl: 2.0 of 2.0 MB"]


def test_without_a_terminal_the_command_that_does_it_is_what_was_typed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = ("fix", "--env", "env@2", "--find-links=https://ann:s3cret@host/w")
    assert not ask("mend?", Namespace(yes=False, typed=typed))
    said = next_command(capsys.readouterr().err)
    assert said == "llmdoctor fix --yes --env env@2 --find-links=https://host/w"
