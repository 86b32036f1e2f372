"""The door runs programs: to their end or to the time limit, and nothing of them stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from llmdoctor.system import Completed
from llmdoctor.system.local import Local

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups")


def python(code: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-B", "-c", textwrap.dedent(code), *words)


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process has ended; a zombie that nobody reaps has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if " Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_a_program_that_ends_gives_code_and_both_streams() -> None:
    done = Local().run(
        python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    )
    assert (done.code, done.out, done.err, done.problem) == (3, "out\n", "err\n", None)
    assert not done.ok


def test_a_program_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    argv = (str(tmp_path / "nothing"), "x")
    assert Local().run(argv) == Completed(argv, None, problem="not found")


def test_a_program_that_may_not_be_run_says_so(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    assert Local().run((str(tmp_path / "tool"),)).problem == "permission denied"


def test_a_file_that_is_no_program_says_so(tmp_path: Path) -> None:
    (tmp_path / "tool").write_bytes(b"\x00\x01 of another machine")
    (tmp_path / "tool").chmod(0o755)
    assert Local().run((str(tmp_path / "tool"),)).problem == "exec format error"


def test_a_program_that_a_signal_killed_names_the_signal() -> None:
    done = Local().run(python("import os; print('before', flush=True); os.abort()"))
    assert (done.code, done.problem) == (None, f"killed by signal {int(signal.SIGABRT)}")
    assert done.out == "before\n"


def test_the_environment_is_laid_over_and_none_removes(tmp_path: Path) -> None:
    system = Local({**os.environ, "GOES": "1", "STAYS": "2"})
    done = system.run(
        python("import os; print(os.environ.get('GOES'), os.environ['STAYS'], os.environ['NEW'])"),
        env={"GOES": None, "NEW": "3"},
        cwd=str(tmp_path),
    )
    assert done.out == "None 2 3\n"


def test_nothing_waits_for_an_answer_from_the_terminal() -> None:
    assert Local().run(python("import sys; print(repr(sys.stdin.read()))")).out == "''\n"


def test_a_flood_on_stderr_does_not_stop_a_program() -> None:
    done = Local().run(
        python("import sys; sys.stderr.write('e' * 2**20); sys.stdout.write('o' * 2**20)"),
        timeout=30.0,
    )
    assert done.ok
    assert len(done.err) == len(done.out) == 2**20


def test_output_that_is_not_utf_8_is_still_output() -> None:
    done = Local().run(python(r"import sys; sys.stdout.buffer.write(b'a\xff\n')"))
    assert done.out == "a\ufffd\n"


def test_lines_are_told_in_order_as_they_come(tmp_path: Path) -> None:
    go = tmp_path / "go"
    told = []

    def hear(line: str) -> None:
        told.append(line)
        go.touch()

    done = Local().run(
        python(
            """
            import pathlib, sys, time
            print("first", flush=True)
            while not pathlib.Path(sys.argv[1]).exists():  # nobody has heard the first line yet
                time.sleep(0.01)
            print("second\\nthird")
            """,
            str(go),
        ),
        on_line=hear,
        timeout=30.0,
    )
    assert told == ["first", "second", "third"]
    assert done.out == "first\nsecond\nthird\n"


def test_a_listener_that_fails_is_heard_of_and_stops_no_program(tmp_path: Path) -> None:
    def hear(line: str) -> None:
        raise BrokenPipeError(f"nobody listens to {line}")

    with pytest.raises(BrokenPipeError, match="nobody listens to 0"):
        Local().run(
            python(
                "import sys; [print(n) for n in range(50_000)]; open(sys.argv[1], 'w')",
                str(tmp_path / "ran-to-its-end"),
            ),
            on_line=hear,
        )
    assert (tmp_path / "ran-to-its-end").exists()


_FAMILY = """
import subprocess, sys, time, signal
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open(sys.argv[1] + ".new", "w").write(str(child.pid))
import os; os.rename(sys.argv[1] + ".new", sys.argv[1])
"""


def test_the_time_limit_ends_a_program_and_everything_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    began = time.monotonic()
    done = Local().run(python(_FAMILY + "time.sleep(300)", str(note)), timeout=1.5)
    assert (done.code, done.problem) == (None, "timeout")
    assert time.monotonic() - began < 10
    assert gone(int(note.read_text()))


def test_a_program_that_refuses_to_end_is_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
    done = Local().run(python(_FAMILY + deaf, str(note)), timeout=1.0)
    assert done.problem == "timeout"
    assert gone(int(note.read_text()))


def test_what_a_program_left_running_does_not_hold_the_call_up(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    began = time.monotonic()
    done = Local().run(python(_FAMILY + "print('done')", str(note)), timeout=60.0)
    assert done.ok
    assert done.out == "done\n"
    assert time.monotonic() - began < 20
    assert gone(int(note.read_text()))


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_ends_the_program_and_a_second_one_ends_it_at_once(
    times: int, tmp_path: Path
) -> None:
    """The second interrupt comes while a program that will not listen is being asked to end."""
    note = tmp_path / "pid"
    script = f"""
import sys
from llmdoctor.system.local import Local
code = {_FAMILY!r} + "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
try:
    Local().run((sys.executable, "-c", code, {str(note)!r}), timeout=300)
except KeyboardInterrupt:
    print("interrupted")
"""
    doctor = subprocess.Popen(python(script), stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not note.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for _ in range(times):
        doctor.send_signal(signal.SIGINT)
        time.sleep(0.5)
    out, _ = doctor.communicate(timeout=30)
    assert out == "interrupted\n"
    assert gone(int(note.read_text()))


def test_a_program_dies_with_a_doctor_that_was_killed_while_it_held_a_lock(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"""
import sys
from llmdoctor.system.local import Local
system = Local()
code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(300)"
with system.lock({str(tmp_path / "lock")!r}, 1.0):
    system.run((sys.executable, "-c", code, {str(note)!r}), timeout=300)
"""
    if sys.platform != "linux":
        pytest.skip("a death signal is Linux's own")
    doctor = subprocess.Popen(python(script))
    deadline = time.monotonic() + 30
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    doctor.kill()
    doctor.wait()
    assert gone(int(note.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_a_killed_child_has_started_is_found_by_its_mark_and_ended() -> None:
    """As with pip, which ensurepip starts with every descriptor closed."""
    code = (
        "import subprocess, sys; "
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']; "
        "print(subprocess.Popen(sleep, stdout=subprocess.DEVNULL).pid)"
    )
    started = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LLMDOCTOR_TEST": "marked"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        start_new_session=True,
    )
    pid = int(started.stdout)
    Local().end_marked("LLMDOCTOR_TEST", "another")
    assert not gone(pid, seconds=0.3), "what bears another mark lives on"
    Local().end_marked("LLMDOCTOR_TEST", "marked")
    assert gone(pid)
