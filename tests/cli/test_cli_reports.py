"""Where reports go and what becomes of a run whose report cannot be written, or whom nobody hears."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.runs import Desk, next_command
from install.conftest import World
from llmdoctor.execute import Done
from llmdoctor.plan import Choice, Plan, Target
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render import terminal
from support.index import LoopbackIndex
from support.venvs import install_fake_dist, make_venv
from system.unprivileged import unprivileged

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="streams and signals of POSIX")
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
CPU = ("install", "--profile", "cpu", "--yes")


@pytest.fixture
def world(tmp_path: Path, loopback_index: LoopbackIndex) -> World:
    return World(tmp_path, loopback_index)


def shell(where: Desk | World, line: str) -> subprocess.CompletedProcess[str]:
    """A line as a shell runs it, where `llmdoctor` is this one."""
    program = f"{shlex.quote(sys.executable)} -B -m llmdoctor"
    done = subprocess.run(
        ["sh", "-c", line.replace("llmdoctor", program, 1)],
        cwd=where.project, env=where.environ, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    return done


# reports that cannot be written


@FULL
@pytest.mark.parametrize("where", ["--output /dev/full", "--format json >/dev/full"])
def test_a_failed_install_keeps_its_exit_code_and_reason_without_its_report(
    world: World, where: str
) -> None:
    world.index.fail("/simple/*peft-0.21.2*.whl", "404")
    done = shell(world, f"llmdoctor {shlex.join(CPU)} --no-smoke {where}")
    assert done.returncode == 4, done.stderr
    assert "cannot write the report" in done.stderr
    assert "could not" in done.stderr
    assert "was removed again" in done.stderr


@FULL
@pytest.mark.parametrize("where", ["--output /dev/full", "--format json >/dev/full"])
def test_an_install_that_was_kept_ends_well_without_its_report(world: World, where: str) -> None:
    done = shell(world, f"llmdoctor {shlex.join(CPU)} --no-smoke {where}")
    assert done.returncode == 0, done.stderr
    assert "cannot write the report" in done.stderr
    assert world.versions()["torch"] == "2.13.0+cpu"


@FULL
def test_an_install_goes_on_when_its_log_takes_no_more(world: World) -> None:
    done = shell(world, f"llmdoctor {shlex.join(CPU)} --no-smoke 2>/dev/full")
    assert done.returncode == 0
    assert world.versions()["torch"] == "2.13.0+cpu"


@FULL
def test_a_report_alone_that_cannot_be_written_is_an_error(desk: Desk) -> None:
    done = shell(desk, "llmdoctor check >/dev/full")
    assert done.returncode == 3
    assert "cannot write the report: no space left on device" in done.stderr
    assert shell(desk, "llmdoctor check --output /dev/full").returncode == 2


@POSIX
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_report_that_may_not_be_written_is_said_before_anything_is_done(
    kind: str, desk: Desk
) -> None:
    target = desk.project / "closed"
    if kind == "file":
        target.touch(mode=0o444)
        output = "closed"
    else:
        target.mkdir(mode=0o555)
        output = "closed/report"
    words = desk.command(*CPU, "--output", output)
    done = unprivileged(*words, cwd=desk.project, env=desk.environ)
    assert done.returncode == 2, done.stderr
    assert f"cannot write the report to {output}: no permission" in done.stderr
    assert not desk.state.exists()
    assert list(desk.project.iterdir()) == [target]


# nobody there


@POSIX
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_changes_no_exit_code(closed: str, desk: Desk) -> None:
    assert shell(desk, f"llmdoctor check --fail-on never {closed}").returncode == 0
    assert shell(desk, f"llmdoctor chek {closed}").returncode == 2
    assert shell(desk, f"llmdoctor --help {closed}").returncode == 0


@POSIX
def test_a_report_reaches_its_file_with_every_stream_closed(desk: Desk) -> None:
    """No file that is opened later may get the number of a closed stream."""
    words = "check --fail-on never --format json --output r.json"
    assert shell(desk, f"llmdoctor {words} <&- >&- 2>&-").returncode == 0
    assert json.loads((desk.project / "r.json").read_text())["schema"] == "check/1"


@POSIX
def test_without_stdin_nothing_is_taken_for_a_yes(world: World) -> None:
    done = shell(world, "llmdoctor install --profile cpu --no-smoke <&-")
    assert done.returncode == 1
    assert "there is no terminal" in done.stderr
    assert not world.venv.exists()


WAITING = """
import sys, time
from llmdoctor.cli.output import ended, put

def wait():
    put("ready")
    time.sleep(60)

sys.exit(ended(wait))
"""


@POSIX
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_a_command_lets_it_clean_up(number: signal.Signals) -> None:
    child = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(number)
    child.communicate(timeout=30)
    assert child.returncode == 130


@POSIX
def test_what_nohup_started_goes_on_when_its_terminal_is_closed() -> None:
    child = subprocess.Popen(
        ["nohup", sys.executable, "-c", WAITING.replace("60", "1")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    os.kill(child.pid, signal.SIGHUP)
    child.communicate(timeout=30)
    assert child.returncode == 0


# documents


CONTRACT = {
    "schema", "llmdoctor", "feasible", "profiles", "torch", "packages", "steps", "reasons",
    "rejected", "alternatives",
}  # fmt: skip
OUTCOME = {"outcome", "run", "backup", "smoke", "error"}


@pytest.fixture
def unsolvable(world: World) -> World:
    world.index.fail("/simple/peft/*", "404")
    return world


def test_packages_that_do_not_resolve_are_a_document_too(unsolvable: World) -> None:
    planned = unsolvable.json("plan", "--profile", "cpu", code=1)
    assert planned["schema"] == "plan/1"
    assert planned.keys() >= CONTRACT
    assert (planned["feasible"], planned["profiles"]) == (False, ["cpu"])
    assert (planned["packages"], planned["steps"], planned["target"]) == ([], [], None)
    assert planned["torch"] == {"version": None, "variant": None, "index": None}
    (reason,) = planned["reasons"]
    assert (reason["code"], reason["cause"]) == ("no-solution", None)
    assert "peft" in reason["text"]
    installed = unsolvable.json(*CPU, code=1)
    assert installed["schema"] == "install/1"
    assert installed.keys() >= CONTRACT | OUTCOME
    assert installed["outcome"] == "not feasible"


def test_a_failed_install_names_its_run(world: World) -> None:
    done = world.json(*CPU, code=4)  # the tiny torch proves nothing
    assert done.keys() >= CONTRACT | OUTCOME
    (run,) = world.json("history")["runs"]
    assert (done["run"], done["outcome"]) == (run["id"], "restored")
    assert run["outcome"] == "restored"


def test_taking_back_is_a_document_too(world: World) -> None:
    made = world.json(*CPU, "--no-smoke")
    declined = world.json("undo", code=1)
    assert (declined["schema"], declined["outcome"]) == ("undo/1", "declined")
    assert world.venv.exists()
    done = world.json("undo", "--yes")
    assert (done["run"], done["outcome"], done["error"]) == (made["run"], "undone", None)
    assert done["environment"] == str(world.venv)
    assert not world.venv.exists()
    assert world.run("history", "--quiet").stdout == f"{made['run']} undone\n"
    assert "verify" in world.run("history", "--verbose").stdout


def test_undo_takes_back_the_run_of_the_environment_that_is_meant(world: World) -> None:
    first = world.json(*CPU, "--no-smoke")["run"]
    second = world.json(*CPU, "--no-smoke", "--env", "other")["run"]
    assert world.json("undo", "--yes")["run"] == first
    assert world.json("undo", "--yes", "--env", "other")["run"] == second


def test_undo_says_what_else_goes_away_before_it_asks(world: World) -> None:
    import pty

    world.run(*CPU, "--no-smoke")
    master, slave = pty.openpty()
    os.write(master, b"n\n")
    done = subprocess.run(
        [sys.executable, "-m", "llmdoctor", "undo", "--quiet"],
        cwd=world.project, env=world.environ, stdin=slave, capture_output=True, text=True,
    )  # fmt: skip
    os.close(master)
    os.close(slave)
    assert done.returncode == 1
    assert f"remove {world.venv}, which run " in done.stderr
    assert "Everything done in the environment since then goes away too." in done.stderr
    assert done.stdout == f"nothing was changed: {world.venv}\n"
    assert world.venv.exists()


def test_verbose_profiles_say_every_reason(desk: Desk) -> None:
    brief, verbose = (desk.run("profiles", *more).stdout for more in ((), ("--verbose",)))
    rows = desk.json("profiles")["profiles"]
    text = " ".join(verbose.split())
    for reason in (reason for row in rows for reason in row["reasons"]):
        assert " ".join(reason["text"].split()) in text
    assert len(verbose) > len(brief)


# what a proof claims


def proof_of(cuda: str | None, *devices: str) -> Proof:
    rows = [SmokeRow("sdpa", "MATH", "infer", "fp32", device, "pass") for device in devices]
    return Proof(tuple(rows), {"cuda": cuda})


@pytest.mark.parametrize(
    ("variant", "cuda", "devices", "claim"),
    [
        ("cpu", None, ("cpu",), "proven: "),
        ("cu126", "12.6", ("cpu",), "proven on the processor; its GPU kernels are not covered"),
        ("cu126", "12.6", ("cpu", "cuda"), "proven: "),
    ],
)
def test_a_proof_claims_no_more_than_was_run(
    variant: str, cuda: str | None, devices: tuple[str, ...], claim: str
) -> None:
    done = Done("1", proof_of(cuda, *devices), None)
    choice = Choice(("mainline",), Target(), feasible=True, torch="2.9.1", variant=variant)
    shown = terminal.document(
        lambda paper: terminal.installed(Plan(choice, "/e"), done, paper, verbose=False),
        width=80, colour=False, unicode=True,
    ).splitlines()  # fmt: skip
    assert shown[-1].startswith(f"✓ mainline {claim}")
    assert shown[-1].endswith(": /e")
    on_cpu_alone = "processor" in claim
    verdict = "proven on the processor: " if on_cpu_alone else "proven: "
    assert (
        [line for line in shown if line.startswith("proven")]
        == [line for line in shown if line.startswith(verdict)]
        != []
    )


# lines that cannot be meant


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--env", ""),
        ("check", "--python="),
        ("check", "--project", ""),
        ("check", "--profile", ""),
        ("install", "--profile", "cpu", "--env", "", "--yes"),
        ("install", "--profile", "cpu", "--find-links", "", "--yes"),
        ("plan", "--profile", "cpu", "--profile", ""),
        ("check", "--output", ""),
        ("smoke", "--env", ""),
        ("undo", "", "--yes"),
    ],
)
def test_an_empty_value_is_refused(words: tuple[str, ...], desk: Desk) -> None:
    said = desk.refused(*words)
    assert " is empty: was a variable meant that is not set?" in said
    assert shell(desk, next_command(said)).returncode == 0


@pytest.mark.parametrize("kind", ["--env", "--python"])
def test_a_glob_that_means_no_row_is_refused_with_rows_that_there_are(
    kind: str, desk: Desk
) -> None:
    place = make_venv(desk.project / "v")
    subject = str(place if kind == "--env" else place / "bin" / "python")
    said = desk.refused("smoke", kind, subject, "--only", "sdpa/*", "--only", "nonsense")
    assert "--only nonsense: there is no such row" in said
    assert "eager/default/infer/fp32" in said
    proposed = shell(desk, f"{next_command(said)} --format json")
    assert proposed.returncode == 1, proposed.stderr  # it has no torch, and says so
    assert json.loads(proposed.stdout)["problem"] == "torch is not installed in this environment"


def test_an_export_in_another_format_is_refused(desk: Desk) -> None:
    words = ("plan", "--profile", "cpu", "--assume", "os=linux", "--export", "uv")
    assert "--export uv has a format of its own" in desk.refused(*words, "--format", "json")
    desk.run(*words, "--format", "terminal")


def test_why_there_is_no_plan_is_not_written_as_an_export(desk: Desk) -> None:
    words = ("--profile", "mainline", "--assume", "gpu=RTX 4090,driver=400.10")
    done = desk.run("plan", *words, "--export", "uv", "--output", "pyproject.toml", code=1)
    assert "cannot be installed" in done.stdout
    assert not (desk.project / "pyproject.toml").exists()


def test_a_lock_s_next_command_makes_the_lock(world: World) -> None:
    words = ("plan", "--profile", "cpu", "--assume", "os=linux,arch=x86_64")
    said = world.run(*words, "--export", "pylock", code=2).stderr
    assert next_command(said) == f"{shlex.join(['llmdoctor', *words])} --export pylock --resolve"
    done = shell(world, next_command(said))
    assert done.returncode == 0, done.stderr
    assert 'name = "torch"' in done.stdout


def test_a_live_plan_takes_resolve_for_granted(world: World) -> None:
    plain, resolved = (
        world.json("plan", "--profile", "cpu", *more) for more in ((), ("--resolve",))
    )
    assert plain["packages"] == resolved["packages"]


def test_an_environment_that_is_built_on_is_exported_whole(world: World) -> None:
    make_venv(world.venv, with_pip=False)
    install_fake_dist(world.venv, "numpy", "2.0.0", files={"numpy/__init__.py": ""})
    said = world.run("plan", "--profile", "cpu", "--export", "requirements").stdout
    assert "numpy==2.0.0" in said


def test_the_list_of_checks_is_chosen_as_the_checks_are(desk: Desk) -> None:
    listed = desk.run("check", "--list", "--select", "PY", "--ignore", "PY00").stdout.splitlines()
    codes = [line.split()[0] for line in listed]
    assert {"PY010", "PY011"} <= set(codes)
    assert {code[:4] for code in codes} == {"PY01"}
    assert "did you mean 'PY'" in desk.refused("check", "--list", "--select", "PYY")


def test_an_output_called_dash_is_stdout(desk: Desk) -> None:
    done = desk.run("check", "--select", "HOST001", "--format", "json", "--output", "-")
    assert json.loads(done.stdout)["schema"] == "check/1"
    assert list(desk.project.iterdir()) == []


def test_an_option_that_would_count_for_nothing_is_refused(desk: Desk) -> None:
    report = (("--format", "json"), ("--output", "list.txt"))
    for command in ("check", "smoke"):
        for words in report:
            said = desk.refused(command, "--list", *words)
            assert "--list writes plain lines" in said
            assert f": leave out {words[0]}" in said
    for words in report:
        said = desk.refused("check", "--write-baseline", "b.json", *words)
        assert f"no report: leave out {words[0]}" in said
        assert next_command(said) == "llmdoctor check --write-baseline b.json"
