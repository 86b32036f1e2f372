"""The commands as they declare themselves: for completion, the manual and the reference.

A command declares its options on a parser and then has it read the line. Here the parser stops it
at that point, so that nothing is written down twice and nothing is run.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.main import COMMANDS


@dataclass(frozen=True)
class Option:
    """An option, or an argument where `names` is empty. `words`: the only values it takes."""

    names: tuple[str, ...]
    text: str
    metavar: str | None = None  # None: it takes no value
    words: tuple[str, ...] = ()
    repeatable: bool = False


@dataclass(frozen=True)
class Command:
    """A command with its options in the order of its help."""

    name: str
    summary: str
    usage: str
    options: tuple[Option, ...]
    examples: tuple[str, ...]


class _DeclaredError(Exception):
    """A command has declared all of its options."""


class _Declaring(Parser):
    def read(self, words: Sequence[str]) -> NoReturn:  # noqa: ARG002 - as commands call it
        raise _DeclaredError


def commands() -> tuple[Command, ...]:
    """Every command, in the order of `--help`."""
    return tuple(_command(name) for name in COMMANDS)


def _command(name: str) -> Command:
    module, summary = COMMANDS[name]
    parser = _Declaring(name, summary)
    with contextlib.suppress(_DeclaredError):
        getattr(import_module(f"llmdoctor.cli.{module}"), name)(parser, ())
    options = tuple(_option(action) for action in parser._actions)  # noqa: SLF001 - its own
    shown = (parser.epilog or "").splitlines()[1:]
    usage = " ".join(parser.format_usage().removeprefix("usage:").split())
    return Command(name, summary, usage, options, tuple(line.strip() for line in shown))


def _option(action: argparse.Action) -> Option:
    metavar = action.metavar if isinstance(action.metavar, str) else None
    if action.nargs == 0:
        metavar = None
    words = tuple(metavar.split("|")) if metavar and "|" in metavar else ()
    if words and not all(word.islower() for word in words):  # X.Y|EXE is a kind of value
        words = tuple(word for word in words if word.islower())
    return Option(
        names=tuple(action.option_strings),
        text=(action.help or "").strip(),
        metavar=metavar,
        words=words,
        repeatable=isinstance(action.default, list),
    )
