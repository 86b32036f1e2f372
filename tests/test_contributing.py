"""docs/contributing.md adds a profile, a check, a cause and a wheel in ten lines each: they are added.

To a copy of the sources, by the text of the page, and the page's own commands are then run there.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.environment import hermetic_env
from support.venvs import install_fake_torch, make_venv
from test_docs import CONTRIBUTING, ROOT, commands

TEXT = CONTRIBUTING.read_text("utf-8")
PARTS = dict(part.split("\n", 1) for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:])
BLOCK = re.compile(r"^```(?:toml|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
WHEELS = "profiles/tables/wheels/mamba-ssm-official.toml"
MESSAGE = "ValueError: tokenizer.chat_template is not set and no template argument was passed!\n"


def block(part: str) -> str:
    (found,) = BLOCK.findall(PARTS[part])
    return str(found)


def command(part: str) -> list[str]:
    (typed,) = re.findall(r"^\$ llmdoctor (.*)$", PARTS[part], re.MULTILINE)
    return shlex.split(typed)


class Copy:
    """The sources to which something is added, and a folder in which commands are typed."""

    def __init__(self, folder: Path) -> None:
        self.root, self.desk = folder / "llmdoctor", folder / "desk"
        self.desk.mkdir()
        for name in ("src", "profiles"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, self.root / name, ignore=ignored)
        state = {"LLMDOCTOR_STATE_DIR": str(folder / "state"), "COLUMNS": "200"}
        self.environ = {**hermetic_env(folder / "outside"), **state}
        self.environ["PYTHONPATH"] = str(self.root / "src")

    def run(self, *words: str) -> tuple[int, str]:
        program = [sys.executable, "-B", "-m", "llmdoctor", *words]
        done = subprocess.run(
            program, cwd=self.desk, env=self.environ, capture_output=True, text=True
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text("utf-8")
        assert text.count(old) == 1, (name, old)
        path.write_text(text.replace(old, new), "utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.mark.parametrize("part", PARTS)
def test_each_is_ten_lines(part: str) -> None:
    """Blank ones and the headers of tables aside."""
    assert len([line for line in block(part).splitlines() if line and line[0] != "["]) <= 10


def test_the_profile_can_be_planned(copy: Copy) -> None:
    assert copy.run(*command("A profile"))[0] == 2
    (copy.root / "profiles" / "datasets.toml").write_text(block("A profile"), "utf-8")
    code, said = copy.run(*command("A profile"), "--format", "json")
    assert code == 0
    assert "datasets" in [package["name"] for package in json.loads(said)["packages"]]


def test_the_check_finds_a_nightly_and_no_release(copy: Copy) -> None:
    nightly, release = (make_venv(copy.desk / name) for name in ("nightly", "release"))
    install_fake_torch(nightly, "2.14.0.dev20261120", "12.8")
    install_fake_torch(release, "2.9.1", "12.8")
    with (copy.root / "src/llmdoctor/checks/torch.py").open("a", encoding="utf-8") as module:
        module.write(f"\n\n{block('A check')}")
    place = "    torch.torch_missing,\n"
    copy.edit("src/llmdoctor/checks/__init__.py", place, f"{place}    torch.nightly,\n")
    code, said = copy.run(*command("A check"), "--env", "nightly")
    assert (code, "note TORCH099: The installed torch is a nightly" in said) == (0, True)
    assert "2.14.0.dev20261120" in said
    assert "TORCH099" not in copy.run(*command("A check"), "--env", "release")[1]


def test_the_cause_is_named(copy: Copy) -> None:
    (copy.desk / "build.log").write_text(MESSAGE)
    assert copy.run(*command("A cause"))[0] == 1
    place = copy.root / "profiles/tables/causes/no-chat-template.toml"
    place.write_text(block("A cause"), "utf-8")
    code, said = copy.run(*command("A cause"))
    assert (code, "no-chat-template, certain" in said) == (0, True)


def candidates(said: str) -> Iterator[str]:
    return (item["candidate"] for item in json.loads(said)["rejected"])


def test_the_wheel_is_a_candidate(copy: Copy) -> None:
    lines = block("A wheel")
    (version,) = re.findall(r'^version = "(.*)"$', lines, re.MULTILINE)
    table = (copy.root / WHEELS).read_text("utf-8")
    head, *releases = re.split(r"^(?=\[\[release\]\])", table, flags=re.MULTILINE)
    without = head + "".join(one for one in releases if f'version = "{version}"' not in one)
    words = (*command("A wheel"), "--format", "json")
    for text, there in ((without, False), (f"{without}\n{lines}", True)):
        (copy.root / WHEELS).write_text(text, "utf-8")
        assert any(version in name for name in candidates(copy.run(*words)[1])) is there
    (real,) = (one for one in releases if f'version = "{version}"' in one)
    facts = [line for line in lines.splitlines() if line and not line.startswith("source")]
    assert set(facts) <= set(real.splitlines()), "a row of the table, and no invented one"


def test_the_commands_of_the_page_are_those_that_were_run() -> None:
    typed = [" ".join(shlex.split(line)[1:]) for line in commands(CONTRIBUTING)]
    assert typed == [" ".join(command(part)) for part in PARTS]
