"""A run that fails leaves the whole of what was said, and names the cause in it."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Any

import pytest

from llmdoctor.cli.failures import tell
from llmdoctor.errors import FailedRunError, RollbackIncompleteError, RolledBackError
from llmdoctor.execute import execute
from llmdoctor.failure import Log, cause
from llmdoctor.journal import Journal
from llmdoctor.plan import Choice, Plan, Run, Target
from llmdoctor.system.local import Local


class Silent:
    def step(self, number: int, total: int, text: str) -> None: ...

    def line(self, text: str) -> None: ...


def failed(folder: Path, code: str, **variables: str) -> RolledBackError:
    """How a run ends whose second program is this one."""
    environ = {"LLMDOCTOR_STATE_DIR": str(folder / "state"), "HOME": str(folder), **variables}
    system = Local({**environ, "PATH": ""})
    steps = tuple(
        Run(text, (sys.executable, "-I", "-c", program))
        for text, program in (("begin", "print('from the first program')"), ("go on", code))
    )
    plan = Plan(Choice(("cpu",), Target(), feasible=True), str(folder / ".venv"), steps=steps)
    with pytest.raises(RolledBackError) as raised:
        execute(system, plan, Journal(system, "1"), Silent())
    return raised.value


def test_all_that_was_said_lies_in_one_file_however_long(tmp_path: Path) -> None:
    code = "import sys\nfor n in range(3000): print('line', n)\nsys.exit('the end')"
    error = failed(tmp_path, code)
    assert error.log == str(tmp_path / "state/runs/1/output.log")
    lines = Path(error.log).read_text("utf-8").splitlines()
    assert lines[:3] == ["[1/2] begin", "from the first program", "[2/2] go on"]
    assert {f"line {n}" for n in range(3000)} | {"the end"} <= set(lines)
    assert "could not go on: exit code 1" in lines


def test_the_log_holds_no_password_and_no_name(tmp_path: Path) -> None:
    code = "import sys; sys.exit('https://ann:hunter2@host.example/simple and /home/ann/x')"
    error = failed(tmp_path, code)
    text = Path(str(error.log)).read_text("utf-8")
    assert "hunter2" not in text
    assert "ann" not in text
    assert "https://host.example/simple" in text


def test_the_cause_stands_on_top_with_its_remedy_and_in_the_document(tmp_path: Path) -> None:
    error = failed(tmp_path, "import sys; sys.exit('OSError: [Errno 28] No space left on device')")
    named = cause(error)
    assert named is not None
    told = tell(error)
    first, *rest = error.message.splitlines()
    assert first == f"{named.title} ({named.cause}, {named.confidence})"
    assert any(line.startswith("→ ") for line in rest)
    assert rest[-1] == f"the whole log: {error.log}"
    assert "could not go on: exit code 1" in rest
    assert told["log"] == error.log
    assert told["cause"]["cause"] == named.cause


def test_what_nobody_knows_is_told_without_a_cause(tmp_path: Path) -> None:
    error = failed(tmp_path, "import sys; sys.exit('words that mean nothing to anybody')")
    assert tell(error) == {"log": error.log, "cause": None}
    assert error.message.startswith("could not go on")


@pytest.mark.parametrize("kind", [RolledBackError, RollbackIncompleteError])
def test_a_disk_that_takes_no_log_hides_nothing(tmp_path: Path, kind: type[FailedRunError]) -> None:
    class Full:
        def home(self) -> str:
            return "/nowhere"

        def write_bytes(self, path: str, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "no space left on device")

    door: Any = Full()
    log, error = Log(Silent()), kind("it failed")
    log.line("OSError: [Errno 28] No space left on device\n")
    log.keep(door, str(tmp_path / "log"), "why", error)
    assert error.log is None
    named = cause(error)
    assert named is not None
    tell(error)
    assert error.message.endswith("it failed")
    assert error.message.startswith(named.title)
