# ruff: noqa: INP001 - a program, not a package
"""Write the manual page and the reference of the commands, from the parsers themselves.

python tools/manual.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from llmdoctor import __version__
from llmdoctor.cli.declared import Command, Option, commands

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
TITLE = "a working, proven local LLM stack, and the cause when one is broken"
CODES = (
    ("0", "clean"),
    (
        "1",
        "findings at or above --fail-on, no feasible plan, a failed proof, no known cause in a log",
    ),
    ("2", "usage or profile error"),
    ("3", "could not finish, or a check crashed and nothing worse was found"),
    ("4", "failed, and everything is as it was"),
    ("5", "failed, and the rollback is incomplete"),
    ("130", "interrupted, and everything is as it was"),
)


def files() -> dict[str, str]:
    """The text of each file."""
    known = commands()
    return {"commands.md": "\n".join(_page(known)), "llmdoctor.1": "\n".join(_manual(known))}


def _page(known: tuple[Command, ...]) -> Iterator[str]:
    yield "# Commands"
    for command in known:
        yield from ("", f"## {command.name}", "", command.summary, "")
        yield from ("| option | |", "|---|---|")
        for option in command.options:
            yield f"| `{_spelled(option)}` | {option.text} |".replace("|`", "| `")
        yield from ("", "```console", *(f"$ {line}" for line in command.examples), "```")
    yield from ("", "## Exit codes", "", "| code | |", "|---|---|")
    yield from (f"| {code} | {text} |" for code, text in CODES)
    yield ""


def _spelled(option: Option) -> str:
    names = ", ".join(option.names)
    value = "" if option.metavar is None else option.metavar.replace("|", "\\|")
    return f"{names} {value}".strip()


def _manual(known: tuple[Command, ...]) -> Iterator[str]:
    yield f'.TH LLMDOCTOR 1 "" "llmdoctor {__version__}" "User Commands"'
    yield from (
        ".SH NAME",
        "llmdoctor \\- a working, proven local LLM stack, and the cause when one is broken",
    )
    yield from (".SH SYNOPSIS", ".B llmdoctor", ".I COMMAND", "[OPTION]...")
    yield ".SH COMMANDS"
    for command in known:
        yield from (f".SS {command.name}", _roff(command.summary))
        for option in command.options:
            names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in option.names)
            value = f" \\fI{_roff(option.metavar)}\\fR" if option.metavar else ""
            yield from (".TP", f"{names}{value}".strip(), _roff(option.text))
        for line in command.examples:
            yield from (".PP", ".EX", _roff(line), ".EE")
    yield ".SH EXIT STATUS"
    for code, text in CODES:
        yield from (".TP", f".B {code}", _roff(text))
    yield ""


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def main() -> None:
    """Write them."""
    for name, text in files().items():
        (FOLDER / name).write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
