"""Completion, the manual and the reference of commands, all from the parsers themselves."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import manual
import pytest

from cli.runs import Desk
from llmdoctor.cli.completion import script
from llmdoctor.cli.declared import commands
from llmdoctor.cli.main import COMMANDS


def shell(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"there is no {name} here")
    return program


def in_bash(tmp_path: Path, *words: str) -> set[str]:
    path = tmp_path / "completion.bash"
    path.write_text(script("bash"))
    typed = " ".join(f'"{word}"' for word in words)
    code = f"source {path}; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _llmdoctor; "
    done = subprocess.run(
        [shell("bash"), "-c", code + 'printf "%s\\n" "${COMPREPLY[@]}"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def in_fish(tmp_path: Path, *words: str) -> set[str]:
    path = tmp_path / "completion.fish"
    path.write_text(script("fish"))
    code = f"source {path}; complete -C '{' '.join(words)}'"
    done = subprocess.run(
        [shell("fish"), "--no-config", "-c", code],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.partition("\t")[0] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("complete", [in_bash, in_fish])
def test_a_shell_completes_commands_options_and_values(
    complete: Callable[..., set[str]], tmp_path: Path
) -> None:
    assert complete(tmp_path, "llmdoctor", "pl") == {"plan"}
    assert complete(tmp_path, "llmdoctor", "check", "--fo") == {"--format"}
    assert complete(tmp_path, "llmdoctor", "check", "--format", "s") == {"sarif"}
    assert complete(tmp_path, "llmdoctor", "plan", "--profile", "ma") == {"mainline", "mamba"}
    assert "--yes" in complete(tmp_path, "llmdoctor", "install", "--")
    assert "--yes" not in complete(tmp_path, "llmdoctor", "check", "--")
    assert complete(tmp_path, "llmdoctor", "completion", "z") == {"zsh"}


def test_zsh_takes_the_script(tmp_path: Path) -> None:
    path = tmp_path / "_llmdoctor"
    path.write_text(script("zsh"))
    code = f"autoload -Uz compinit; compinit -D; source {path}; print $_comps[llmdoctor]"
    done = subprocess.run([shell("zsh"), "-fc", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("_llmdoctor", "")


# What a person presses in zsh: Tab, and a key that shows the line as it then is.
ZSH = """
PROMPT=; zle_highlight=(); autoload -Uz compinit; compinit -D; source {script}
function show() {{ print -r -- "<<$BUFFER>>"; BUFFER=; zle accept-line }}
zle -N show; bindkey '^X' show; print rea''dy
"""


@pytest.mark.skipif(os.name == "nt", reason="a terminal of POSIX")
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("llmdoctor pl", "llmdoctor plan "),
        ("llmdoctor check --format sa", "llmdoctor check --format sarif "),
        ("llmdoctor plan --profile main", "llmdoctor plan --profile mainline "),
    ],
)
def test_zsh_completes_at_a_terminal(typed: str, line: str, tmp_path: Path) -> None:
    import pty

    path = tmp_path / "_llmdoctor"
    path.write_text(script("zsh"))
    ours, theirs = pty.openpty()
    environ = {"HOME": str(tmp_path), "ZDOTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    zsh = subprocess.Popen(
        [shell("zsh"), "-fi"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env={**environ, "TERM": "dumb"},
    )  # fmt: skip
    try:
        os.write(ours, ZSH.format(script=path).encode())
        until(ours, "ready")
        os.write(ours, f"{typed}\t\x18".encode())
        assert until(ours, ">>").partition("<<")[2] == f"{line}>>"
    finally:
        zsh.kill()
        zsh.wait()
        os.close(ours)
        os.close(theirs)


def until(terminal: int, end: str) -> str:
    """What a terminal shows, up to a text."""
    text, last = "", time.monotonic() + 20
    while end not in text:
        assert time.monotonic() < last, text
        if select.select([terminal], [], [], 0.1)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
    return text[: text.index(end) + len(end)]


def test_powershell_takes_the_script(tmp_path: Path) -> None:
    path = tmp_path / "completion.ps1"
    path.write_text(script("powershell"))
    code = f". {path}; (TabExpansion2 'llmdoctor check --fo' 20).CompletionMatches.CompletionText"
    done = subprocess.run(
        [shell("pwsh"), "-NoProfile", "-Command", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["--format"]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "powershell"])
def test_a_script_knows_every_command_and_option(name: str) -> None:
    text = script(name)
    for command in commands():
        assert command.name in text
        for option in command.options:
            for word in option.names:
                assert (word.lstrip("-") if name == "fish" else word) in text


def test_every_command_is_declared_with_examples_and_a_text_for_each_option() -> None:
    assert [command.name for command in commands()] == list(COMMANDS)
    for command in commands():
        assert command.examples
        assert any(f"llmdoctor {command.name}" in line for line in command.examples)
        assert all(option.text for option in command.options)


def test_the_committed_manual_and_reference_are_what_the_generator_gives() -> None:
    for name, text in manual.files().items():
        assert (manual.FOLDER / name).read_text("utf-8") == text, "run `nox -s reference`"


def test_the_manual_is_a_page_without_warnings() -> None:
    page = manual.FOLDER / "llmdoctor.1"
    words = [shell("groff"), "-man", "-ww", "-z", "-Tutf8", str(page)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_help_fits_eighty_columns(desk: Desk) -> None:
    for words in ((), *((name,) for name in COMMANDS)):
        lines = desk.run(*words, "--help").stdout.splitlines()
        # an example is typed as it stands, however long
        lines = lines[: lines.index("examples:")] if "examples:" in lines else lines
        # what can be chosen is one word, and never broken either
        wide = [line for line in lines if len(line) > 80 and " " in line.strip().strip("[]")]
        assert [line for line in wide if "|" not in line] == []


def test_a_shell_that_is_none_is_refused(desk: Desk) -> None:
    said = desk.refused("completion", "fsh")
    assert "'fsh' is none of bash, zsh, fish, powershell; did you mean 'fish'?" in said
