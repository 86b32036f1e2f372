"""Running the program as a user does, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from support import ready
from support.environment import hermetic_env
from support.tree import assert_same_tree, snapshot
from support.venvs import make_venv

NO_VARIABLES: Mapping[str, str] = {}


class Desk:
    """A user at a project folder; what a command must not do is looked for after each run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.project.mkdir()
        self.state = folder / "state"
        self.environ = {
            **hermetic_env(folder / "outside"),
            "LLMDOCTOR_STATE_DIR": str(self.state),
            "COLUMNS": "80",
            "LANG": "C.UTF-8",
        }
        for name in ("LC_ALL", "NO_COLOR", "CI", "FORCE_COLOR", "GITHUB_STEP_SUMMARY"):
            self.environ.pop(name, None)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-B", "-m", "llmdoctor", *arguments]

    def run(
        self,
        *arguments: str,
        code: int | Sequence[int] = 0,
        stdin: str | bytes = "",
        env: Mapping[str, str] = NO_VARIABLES,
    ) -> subprocess.CompletedProcess[str]:
        """Run it; the exit code is the meant one, and there is never a traceback."""
        done = ready.run(
            arguments,
            self.project,
            {**self.environ, **env},
            stdin if isinstance(stdin, bytes) else stdin.encode(),
        )
        out = done.stdout.decode(errors="surrogateescape")
        err = done.stderr.decode(errors="surrogateescape")
        codes = [code] if isinstance(code, int) else code
        assert done.returncode in codes, f"exit {done.returncode}, wanted {code}\n{out}\n{err}"
        assert "Traceback" not in err
        assert "this is a bug" not in err
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def refused(self, *arguments: str, code: int = 2, stdin: str | bytes = "") -> str:
        """A run that is refused: a message, a next command, nothing on stdout, nothing written."""
        before = snapshot(self.folder, mtime=True)
        done = self.run(*arguments, code=code, stdin=stdin)
        assert done.stdout == ""
        lines = done.stderr.splitlines()
        assert lines[0].startswith("llmdoctor: ")
        assert lines[-1].startswith("next: ")
        assert_same_tree(before, snapshot(self.folder, mtime=True))
        return done.stderr

    def json(self, *arguments: str, code: int | Sequence[int] = (0, 1)) -> Any:
        return json.loads(self.run(*arguments, "--format", "json", code=code).stdout)

    def environment(self) -> Path:
        return make_venv(self.project / ".venv")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def assert_nothing_to_repair(desk: Desk, code: str) -> None:
    """`fix`, which looks as closely as `check --deep`, finds nothing of that code any more."""
    told = desk.json("fix", "--select", code, "--yes", code=0)
    assert (told["outcome"], told["repairs"], told["steps"]) == ("nothing to repair", [], [])


def check_sees(desk: Desk, code: str) -> bool:
    """Whether a plain `check`, which looks at no file more closely, finds that code."""
    return code in {item["code"] for item in desk.json("check", "--select", code)["findings"]}


def next_command(said: str) -> str:
    return said.splitlines()[-1].removeprefix("next: ")


def starts(command: str, cwd: Path, env: Mapping[str, str]) -> bool:
    """Whether a shell and the program understand a command that was proposed: its help is shown."""
    words = command.split()
    assert words[0] == "llmdoctor"
    options = [word for word in words[1:] if word != "--yes"]
    done = subprocess.run(
        [sys.executable, "-m", "llmdoctor", *options, "--help"],
        cwd=cwd,
        env=dict(env),
        capture_output=True,
    )
    return done.returncode == os.EX_OK
