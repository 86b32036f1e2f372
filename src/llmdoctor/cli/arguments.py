"""The command line's words: one small parser, and the options that commands share.

`argparse` and nothing on top of it: what builds a command line from annotations today brings a
validation library with a compiled part, and costs more than a whole check.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from llmdoctor.cli.output import put, ready
from llmdoctor.errors import UsageError, nearest

# How a report can be written, and which commands have what not every command has.
FORMATS: dict[str, tuple[str, ...] | None] = {
    "terminal": None,
    "json": None,
    "markdown": None,
    "html": None,
    "junit": ("check", "smoke"),
    "github": ("check", "smoke", "explain", "plan", "install"),
    "sarif": ("check",),
    "gitlab": ("check",),
}


class Parser(argparse.ArgumentParser):
    """A command's parser. What it cannot read is a `UsageError` that names the nearest word."""

    def __init__(self, command: str, summary: str) -> None:
        self._options: list[str] = []
        self._command = command
        super().__init__(
            prog=f"llmdoctor {command}",
            description=summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # a shortened option of today may be two options tomorrow
        )

    def add_argument(self, *words: Any, **how: Any) -> argparse.Action:  # noqa: ANN401 - argparse's
        """Declare an option or argument."""
        action = super().add_argument(*words, **how)
        self._options += action.option_strings
        return action

    def repeatable(self, name: str, metavar: str, text: str) -> None:
        """Declare an option that may be given several times."""
        self.add_argument(name, action="append", default=[], metavar=metavar, help=text)

    def flag(self, *names: str, text: str) -> None:
        """Declare an option without a value."""
        self.add_argument(*names, action="store_true", help=text)

    def choice(self, name: str, known: Sequence[str], text: str, *, optional: bool = False) -> None:
        """Declare an option that takes one of a few words; the first is the default, or none."""
        default = None if optional else known[0]
        self.add_argument(
            name, type=_one_of(known), default=default, metavar="|".join(known), help=text
        )

    def report(self, *, quiet: bool = True, verbose: bool = True) -> None:
        """Declare how the report is written."""
        own = [name for name, of in FORMATS.items() if of is None or self._command in of]
        self.choice("--format", own, "How the report is written.")
        self.add_argument("--output", metavar="FILE", help="Write the report there, not to stdout.")
        if quiet:
            self.flag("--quiet", "-q", text="Only the result, in one line.")
        if verbose:
            self.flag("--verbose", "-v", text="Everything that was seen.")

    def examples(self, *commands: str) -> None:
        """Show these under the help."""
        self.epilog = "examples:\n" + "\n".join(f"  {command}" for command in commands)

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Read the words of the command line, which are kept as `typed`.

        Raises:
            UsageError: they cannot be meant.
        """
        options, unread = self.parse_known_args(list(words))
        options.typed = (self._command, *words)
        if unread:
            if not unread[0].startswith("-"):
                self._see_profile(unread[0], words)
            word = unread[0].partition("=")[0]
            what = "option" if word.startswith("-") else "argument"
            whole = [name for name in self._options if name.startswith("--")]
            near = nearest(word, whole) if what == "option" else ""
            self.error(f"there is no {what} {word!r}{near}")
        for action in self._actions:
            value = getattr(options, action.dest, None)
            if value == "" or (isinstance(value, list) and "" in value):
                name = action.option_strings[0] if action.option_strings else action.metavar
                self.error(f"{name} is empty: was a variable meant that is not set?")
        if getattr(options, "output", None) == "-":  # stdout, as elsewhere
            options.output = None
        elif getattr(options, "output", None):
            options.output = ready(options.output)
        return options

    def _see_profile(self, word: str, words: Sequence[str]) -> None:
        """Tell who types a profile's name by itself how it is asked for.

        Raises:
            UsageError: the word is one, or near to one.
        """
        from llmdoctor.profiles import places

        if "--profile" in self._options and (name := places.meant(word, places.shipped())):
            place = list(words).index(word)
            meant = [*words[:place], "--profile", name, *words[place + 1 :]]
            raise UsageError(
                f"{self._command}: there is no argument {word!r}; did you mean --profile {name}?",
                next_command=shlex.join([*self.prog.split(), *meant]),
            )

    def refuse_unused(
        self, options: argparse.Namespace, names: Sequence[str], why: str, instead: Sequence[str]
    ) -> None:
        """Refuse these options where they were given and would count for nothing.

        Raises:
            UsageError: one was; `why` it cannot count, and what to type `instead`.
        """
        for action in self._actions:
            given = getattr(options, action.dest, action.default) != action.default
            if given and (name := action.option_strings[:1]) and name[0] in names:
                raise UsageError(f"{why}: leave out {name[0]}", next_command=shlex.join(instead))

    def print_help(self, file: object = None) -> None:  # noqa: ARG002 - as argparse calls it
        """Show the help."""
        put(self.format_help().rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        """Refuse what was typed."""
        raise UsageError(f"{self._command}: {message}", next_command=f"{self.prog} --help")


def _one_of(known: Sequence[str]) -> Callable[[str], str]:
    def read(word: str) -> str:
        if word in known:
            return word
        there = ", ".join(known)
        whose = f"; {word} is a format of {' and '.join(of)}" if (of := FORMATS.get(word)) else ""
        raise argparse.ArgumentTypeError(
            f"{word!r} is none of {there}{whose or nearest(word, known)}"
        )

    return read
