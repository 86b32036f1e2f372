"""Every command of the README and of docs/ is one that the program takes; the harmless ones are run.

`LLMDOCTOR_TEST_UPDATE=1` writes anew what commands say in the README.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

import pytest

from cli.runs import Desk, desk
from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.main import COMMANDS

__all__ = ["desk"]
ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
# not evidence and decisions, which tell what was typed on a day
UNTYPED = ("evidence", "decisions")
PAGES = [
    README,
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md")),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name not in UNTYPED),
]
EXAMPLES = ROOT / "docs" / "reference" / "commands.md"  # they name files of somebody
CONTRIBUTING = (
    ROOT / "docs" / "contributing.md"
)  # run by test_contributing, where they mean something
HARMLESS = ("check", "profiles", "explain", "history")
# What a command says stands below a comment with its words, and is written anew by the test.
SAID = re.compile(r"(<!-- llmdoctor (.*?) -->\n```text\n)(.*?)(?=\n```)", re.DOTALL)


class ReadError(Exception):
    """A line was read to its end."""


class Reader(Parser):
    """A command's parser that ends the command once the line is read."""

    def read(self, words: Sequence[str]) -> object:  # type: ignore[override]
        super().read(words)
        raise ReadError


def commands(page: Path) -> Iterator[str]:
    """The command lines of llmdoctor in a page's console blocks, as a shell splits them."""
    for block in re.findall(
        r"^```console\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    ):
        for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            for part in re.split(r"\s*(?:&&|\||>)\s*", line):
                if part.startswith("llmdoctor "):
                    yield part


def quoted(page: Path) -> Iterator[str]:
    """Those that stand within a sentence, whole ones alone."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for typed in re.findall(r"`(llmdoctor [^`]+)`", text):
        if "…" not in typed and not re.search(r"(COMMAND|SHELL| --[\w-]+)$", typed):
            yield from (
                part for part in re.split(r"\s*\\?\|\s*", typed) if part[:10] == "llmdoctor "
            )


ALL = [(page, line) for page in PAGES for line in commands(page)]
QUOTED = [(page, line) for page in PAGES for line in quoted(page)]


def name(value: object) -> str | None:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else None


@pytest.mark.parametrize(("page", "line"), [*ALL, *QUOTED], ids=name)
def test_a_command_that_is_shown_is_one(page: Path, line: str) -> None:
    command, *rest = shlex.split(line)[1:]
    if command in ("--help", "--version"):
        return
    module, summary = COMMANDS[command]
    with pytest.raises(ReadError):
        getattr(import_module(f"llmdoctor.cli.{module}"), command)(Reader(command, summary), rest)


def runnable(line: str) -> bool:
    words = shlex.split(line)[1:]
    assumed = words[0] == "plan" and "--assume" in words and "--write" not in words
    return (words[0] in HARMLESS or assumed) and "-" not in words and "--deep" not in words


@pytest.mark.parametrize("page", [p for p in PAGES if p not in (EXAMPLES, CONTRIBUTING) and any(q == p and runnable(x) for q, x in ALL)], ids=name)  # fmt: skip
def test_the_harmless_commands_of_a_page_run(page: Path, desk: Desk) -> None:
    (desk.project / "pyproject.toml").write_text(
        '[tool.llmdoctor.profiles.own]\nextends = "mainline"\n'
    )
    (desk.project / "gpu-box.toml").write_text(box())
    (desk.project / "build.log").write_text("CUDA error: no kernel image is available\n")
    (desk.project / "smoke.json").write_text('{"schema": "smoke/1", "rows": []}')
    for path, line in ALL:
        if path == page and runnable(line):
            desk.run(*shlex.split(line)[1:], code=(0, 1))


def box() -> str:
    page = (ROOT / "docs" / "reference" / "own-profiles.md").read_text("utf-8")
    (text,) = re.findall(r"```toml\n(# gpu-box\.toml\n.*?)```", page, re.DOTALL)
    return str(text)


def test_pages_show_commands() -> None:
    assert {name(page) for page, _ in ALL} >= {"README.md", "docs/tutorial.md"}
    assert all(
        any(p == page for p, _ in ALL) for page in (ROOT / "docs" / "how-to").glob("[!R]*.md")
    )


def test_the_readmes_blocks_are_what_the_commands_say(desk: Desk) -> None:
    text = README.read_text("utf-8")
    (desk.project / "tests").symlink_to(ROOT / "tests")
    said = {
        words: desk.run(*shlex.split(words), code=(0, 1)).stdout.strip()
        for _, words, _ in SAID.findall(text)
    }
    assert "--help" in said
    if os.environ.get("LLMDOCTOR_TEST_UPDATE"):
        text = SAID.sub(lambda found: found[1] + said[found[2]], text)
        README.write_text(text, "utf-8", newline="\n")
    assert {words: block for _, words, block in SAID.findall(text)} == said


def test_the_tutorials_lora_steps_lower_the_loss(tmp_path: Path) -> None:
    python = os.environ.get("LLMDOCTOR_TEST_SMOKE_PYTHON")
    if not python:
        pytest.skip("LLMDOCTOR_TEST_SMOKE_PYTHON names no environment with a stack")
    text = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    words = [python, "-W", "ignore", "-c", script]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    losses = [float(line.rpartition(" ")[2]) for line in done.stdout.splitlines()]
    assert len(losses) == 5, done.stderr
    assert losses == sorted(losses, reverse=True)


def test_every_link_between_pages_leads_somewhere() -> None:
    lost = [
        f"{name(page)}: {target}"
        for page in [*PAGES, *(ROOT / "docs").glob("*/*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert lost == []


def test_the_readmes_proof_counts_every_row_of_a_processor() -> None:
    from llmdoctor.inside.smoke.backends import BACKENDS
    from llmdoctor.inside.smoke.direct import DIRECT

    found = re.search(r"^proven: (\d+) pass, (\d+) skip$", README.read_text("utf-8"), re.MULTILINE)
    assert found
    rows = [row for backend in (*BACKENDS, *DIRECT) for row in backend.rows("cpu")]
    assert int(found[1]) + int(found[2]) == len(rows)
