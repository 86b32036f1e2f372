"""Reports for a person at a terminal.

Readable at 80 columns and without colour: every meaning has a word or a sign of its own. Commands
and addresses are printed on lines of their own, never cut or wrapped, so that they can be copied.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from llmdoctor import __version__
from llmdoctor.finding import SEVERITIES, Finding, Report

if TYPE_CHECKING:
    from rich.console import Console

    from llmdoctor.execute import Done
    from llmdoctor.machine import Machine, Note
    from llmdoctor.plan import Plan

_SIGNS = {
    "error": "✗",
    "warning": "!",
    "note": "·",
    "pass": "✓",
    "fail": "✗",
    "crash": "✗",
    "skip": "-",
}
_PLAIN = {"✗": "x", "✓": "ok", "·": "*", "→": "->", "…": "...", "≥": ">="}
_HARD = "\N{NO-BREAK SPACE}"
# What would steer a terminal, or turn the direction of writing: a log may hold anything.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
STYLES = {
    "error": "bold red",
    "warning": "yellow",
    "note": "cyan",
    "pass": "green",
    "fail": "bold red",
    "crash": "bold red",
    "timeout": "bold red",
    "skip": "dim",
}


class Paper:
    """What a report is written on: a terminal, or a sheet for Markdown and html."""

    def line(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """A paragraph; in bold and not indented, it heads what follows."""
        raise NotImplementedError

    def item(self, sign: str, text: str, style: str = "", indent: int = 2) -> None:
        """A paragraph behind a sign or a number."""
        raise NotImplementedError

    def verbatim(self, text: str, style: str = "", indent: int = 0) -> None:
        """A line that is never cut or wrapped: a command, a path, an address."""
        raise NotImplementedError


class Screen(Paper):
    """A terminal's paper; knows the width, the colours and the signs that the reader has."""

    def __init__(self, *, width: int, colour: bool, unicode: bool) -> None:
        from rich.console import Console

        self._text = StringIO()
        self._unicode = unicode
        self.console: Console = Console(
            file=self._text,
            width=width,
            force_terminal=colour,
            no_color=not colour,
            highlight=False,
            emoji=False,
        )

    def line(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """A paragraph, wrapped at spaces with its indent; a long path or address stays whole."""
        for part in self._wrapped(text, indent) or [""]:
            self.verbatim(part, style, indent)

    def item(self, sign: str, text: str, style: str = "", indent: int = 2) -> None:
        """A paragraph behind a sign or a number, all its lines as far in as the first."""
        sign = self._signs(sign)
        within = indent + len(sign) + 1
        first, *rest = self._wrapped(text, within) or [""]
        self.verbatim(f"{sign} {first}", style, indent)
        for part in rest:
            self.verbatim(part, style, within)

    def _wrapped(self, text: str, indent: int) -> list[str]:
        """Lines of the width that is left; what stands in backticks is typed, and never broken."""
        typed = re.sub("`[^`]+`", lambda found: found[0].replace(" ", _HARD), self._signs(text))
        lines = textwrap.wrap(
            typed, self.console.width - indent, break_long_words=False, break_on_hyphens=False
        )
        return [line.replace(_HARD, " ") for line in lines]

    def verbatim(self, text: str, style: str = "", indent: int = 0) -> None:
        """A line that is never cut or wrapped: a command, a path, an address."""
        from rich.text import Text

        self.console.print(
            Text(" " * indent + self._signs(text), style), soft_wrap=True, no_wrap=True
        )

    def _signs(self, text: str) -> str:
        text = _STEERING.sub("\ufffd", text)
        if self._unicode:
            return text
        for sign, plain in _PLAIN.items():
            text = text.replace(sign, plain)
        return text

    @property
    def text(self) -> str:
        """Everything written."""
        return self._text.getvalue()


def command(argv: Sequence[str]) -> str:
    """An argument vector as a shell takes it; a leading ~ stays open to the shell."""
    return " ".join(map(_shell_word, argv))


def _shell_word(word: str) -> str:
    if word == "~":
        return word
    return "~/" + shlex.quote(word[2:]) if word.startswith("~/") else shlex.quote(word)


def check(report: Report, paper: Paper, *, verbose: bool) -> None:
    """A whole check."""
    paper.line(f"llmdoctor {__version__} · {_facts(report.machine)}", "bold")
    paper.line()
    for item in report.findings:
        finding(item, paper)
    for verdict in report.verdicts:
        if verdict.outcome == "crash" or (verbose and verdict.outcome == "skip"):
            text = f"{_SIGNS[verdict.outcome]} {verdict.code} {verdict.outcome}: {verdict.reason}"
            paper.line(text, STYLES[verdict.outcome])
    for label, lines in (("can", report.can), ("cannot", report.cannot)):
        for text in lines:
            paper.line(f"{'✓' if label == 'can' else '-'} {label}: {text}")
    if report.can or report.cannot:
        paper.line()
    outcomes = [verdict.outcome for verdict in report.verdicts]
    words = [_count(report.count(severity), severity) for severity in SEVERITIES]
    checks = f"{outcomes.count('pass')} checks passed, {outcomes.count('skip')} skipped"
    if report.crashed:
        checks += f", {len(report.crashed)} crashed"
    paper.line(f"{', '.join(words)}; {checks}", "bold")
    if report.known:
        paper.line(f"{_count(len(report.known), 'known finding')} left out", "dim")
    if verbose:
        for known in report.known:
            paper.item("-", f"{known.finding.code}: {known.finding.title} ({known.reason})", "dim")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _facts(machine: Machine) -> str:
    host, environment = machine.host, machine.environment
    words = [
        " ".join(
            word for word in (host.distribution or host.system, host.distribution_version) if word
        ),
        host.arch,
    ]
    if machine.nvidia.gpus:
        words.append(", ".join(gpu.name for gpu in machine.nvidia.gpus))
        unread = machine.note("driver") or machine.note("nvidia")
        words.append(f"driver {machine.nvidia.driver_version or _absent(unread)}")
    else:
        words.append("GPU unknown" if machine.note("nvidia") else "no NVIDIA GPU seen")
    if environment.version:
        torch = f", torch {environment.torch.version}" if environment.torch else ""
        words.append(f"Python {environment.version}{torch}")
    return " · ".join(words)


def _absent(unread: Note | None) -> str:
    """What was looked for in vain is missing; what nobody looked for is not."""
    return "unknown" if unread else "missing"


def finding(item: Finding, paper: Paper) -> None:
    """One finding, with its way out."""
    sign = _SIGNS[item.severity]
    paper.line(f"{sign} {item.severity} {item.code}: {item.title}", STYLES[item.severity])
    if item.detail:
        paper.line(item.detail, indent=2)
    for text in item.evidence:
        paper.verbatim(f"· {text}", "dim", 2)
    if item.remedy:
        paper.line(f"→ {item.remedy.summary}", indent=2)
        for argv in item.remedy.commands:
            paper.verbatim(f"$ {command(argv)}", "bold", 4)
    if item.url:
        paper.verbatim(item.url, "dim", 2)
    paper.line()


def installed(plan: Plan, done: Done, paper: Paper, *, verbose: bool) -> None:
    """What came of an install that was kept."""
    if done.proof:
        from llmdoctor.render.proof import smoke

        smoke(done.proof, paper, verbose=verbose)
    names = " + ".join(plan.choice.profiles)
    whole = done.proof is None or done.proof.passed
    sign, style = ("✓", "green") if whole else (_SIGNS["warning"], STYLES["warning"])
    paper.verbatim(f"{sign} {names} {standing(plan, done)}: {plan.environment}", style)
    if done.backup:
        paper.verbatim(f"the former environment is kept: {done.backup}")
        paper.verbatim(f"$ llmdoctor undo {done.run}", "bold", 4)


def standing(plan: Plan, done: Done) -> str:
    """What is known of an environment that was installed; it claims no more than was run."""
    if done.proof is None:
        return "installed, not proven (--no-smoke)"
    if not done.proof.passed:
        return "installed; what it promises passed, and other rows of the smoke test did not"
    if plan.choice.variant == "cpu" or any(row.device != "cpu" for row in done.proof.rows):
        return "proven"
    if plan.choice.promises != plan.choice.due:
        return (
            "proven on the processor; what it promises on a GPU is not proven: there is none here"
        )
    return "proven on the processor; its GPU kernels are not covered by this version's proof"


def ages(dates: Mapping[str, str], today: str, paper: Paper, *, verbose: bool) -> None:
    """How old the tables are that were judged from; unasked, only where one is out of date."""
    from llmdoctor.tables import outdated

    if verbose and dates:
        words = ", ".join(f"{name} {date}" for name, date in dates.items())
        paper.line(f"judged from the tables: {words}", "dim")
    if old := outdated(dates, today):
        words = ", ".join(f"{name} ({dates[name]})" for name in old)
        paper.item(
            _SIGNS["note"],
            f"not checked for over a year: {words}; what came out since then is not known here. "
            "A newer llmdoctor knows more",
            STYLES["note"],
            0,
        )


def document(write: Callable[[Paper], None], *, width: int, colour: bool, unicode: bool) -> str:
    """What `write` puts on paper of that kind."""
    paper = Screen(width=width, colour=colour, unicode=unicode)
    write(paper)
    return paper.text
