"""The program: its commands, and which module reads the rest of the line."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from llmdoctor import __version__
from llmdoctor.cli.output import ended, put
from llmdoctor.errors import LlmdoctorError, UsageError, nearest

# name: (module, summary), in the order of `--help`
COMMANDS = {
    "check": ("check", "Say what is wrong on this machine, why, and what to type next."),
    "profiles": ("profiles", "List every profile: fits this machine, or why not."),
    "plan": ("install", "Show what `install` would do, here or elsewhere, and why."),
    "install": ("install", "Install a stack, prove that it works, or leave all as it was."),
    "bundle": ("bundle", "Gather all that a machine without a network needs, in a folder."),
    "smoke": ("smoke", "Run every attention backend forward and backward; check numbers."),
    "fix": ("fix", "Repair lock, keyring and environment trouble; `undo` takes it back."),
    "explain": ("explain", "Name the root cause of a failing log, and the way out."),
    "undo": ("history", "Put an environment back as it was before a run."),
    "history": ("history", "List what llmdoctor did on this machine, newest first."),
    "completion": ("completion", "Print what makes a shell complete these commands."),
}


def main() -> None:
    """Entry point of the console script."""
    sys.exit(ended(lambda: run(sys.argv[1:])))


def run(words: Sequence[str]) -> int:
    """Carry out a command line; gives the exit code.

    Raises:
        LlmdoctorError: it could not be carried out, with the exit code of its class.
    """
    name, rest = (words[0], words[1:]) if words else ("--help", ())
    if name in ("-h", "--help"):
        put(_help())
        return 0
    if name == "--version":
        put(f"llmdoctor {__version__}")
        return 0
    if name not in COMMANDS:
        what = "option" if name.startswith("-") else "command"
        raise UsageError(
            f"there is no {what} {name!r}{nearest(name, [*COMMANDS, '--help', '--version'])}",
            next_command="llmdoctor --help",
        )
    from importlib import import_module

    from llmdoctor.cli.arguments import Parser

    module, summary = COMMANDS[name]
    command = getattr(import_module(f"llmdoctor.cli.{module}"), name)
    try:
        code: int = command(Parser(name, summary), rest)
    except LlmdoctorError as error:  # none leaves its reader without something to type
        error.next_command = error.next_command or f"llmdoctor {name} --help"
        raise
    return code


def _help() -> str:
    return "\n".join(
        [
            "usage: llmdoctor COMMAND [OPTION]...",
            "",
            "From any machine to a working, proven local LLM stack.",
            "",
            "commands:",
            *(f"  {name:10} {summary}" for name, (_, summary) in COMMANDS.items()),
            "",
            "options:",
            "  -h, --help  Show this help; after a command, that command's.",
            "  --version   Show the version.",
            "",
            "start here:",
            "  llmdoctor check",
        ]
    )
