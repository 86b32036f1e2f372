"""Reports for a person at a terminal.

Readable at 80 columns and without colour: every meaning has a word or a sign of its own. Commands
and addresses are printed on lines of their own, never cut or wrapped, so that they can be copied.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from llmdoctor import __version__
from llmdoctor.finding import SEVERITIES, Finding, Report

if TYPE_CHECKING:
    from rich.console import Console

    from llmdoctor.execute import Done
    from llmdoctor.machine import Machine
    from llmdoctor.plan import Choice, Plan
    from llmdoctor.profile import Profile
    from llmdoctor.proof import Proof, SmokeRow

_SIGNS = {"error": "✗", "warning": "!", "note": "·", "pass": "✓", "fail": "✗", "skip": "-"}
_PLAIN = {"✗": "x", "✓": "ok", "·": "*", "→": "->", "…": "...", "≥": ">="}
_STYLES = {
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
    """What is written on; knows the width, the colours and the signs that the reader has."""

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
        width = self.console.width - indent
        lines = textwrap.wrap(
            self._signs(text), width, break_long_words=False, break_on_hyphens=False
        )
        for part in lines or [""]:
            self.verbatim(part, style, indent)

    def verbatim(self, text: str, style: str = "", indent: int = 0) -> None:
        """A line that is never cut or wrapped: a command, a path, an address."""
        from rich.text import Text

        self.console.print(
            Text(" " * indent + self._signs(text), style), soft_wrap=True, no_wrap=True
        )

    def _signs(self, text: str) -> str:
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
        _finding(item, paper)
    for verdict in report.verdicts:
        if verdict.outcome == "crash" or (verbose and verdict.outcome == "skip"):
            sign = "✗" if verdict.outcome == "crash" else "-"
            paper.line(f"{sign} {verdict.code} {verdict.outcome}: {verdict.reason}", "dim")
    for label, lines in (("can", report.can), ("cannot", report.cannot)):
        for text in lines:
            paper.line(f"{'✓' if label == 'can' else '-'} {label}: {text}")
    if report.can or report.cannot:
        paper.line()
    outcomes = [verdict.outcome for verdict in report.verdicts]
    words = [_count(report.count(severity), severity) for severity in SEVERITIES]
    checks = f"{outcomes.count('pass')} checks passed, {outcomes.count('skip')} skipped"
    if crashed := outcomes.count("crash"):
        checks += f", {crashed} crashed"
    paper.line(f"{', '.join(words)}; {checks}", "bold")


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
        words.append(f"driver {machine.nvidia.driver_version or 'missing'}")
    else:
        words.append("no NVIDIA GPU seen")
    if environment.version:
        torch = f", torch {environment.torch.version}" if environment.torch else ""
        words.append(f"Python {environment.version}{torch}")
    return " · ".join(words)


def _finding(item: Finding, paper: Paper) -> None:
    sign = _SIGNS[item.severity]
    paper.line(f"{sign} {item.severity} {item.code}: {item.title}", _STYLES[item.severity])
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


def plan(plan: Plan, paper: Paper, *, blocked: Sequence[Finding] = (), verbose: bool) -> None:
    """A plan, or why there is none."""
    choice = plan.choice
    if not choice.feasible:
        _infeasible(choice, paper)
        return
    if blocked and not verbose:
        paper.line(f"✗ {' + '.join(choice.profiles)} fits, but cannot be installed yet", "bold red")
        for item in blocked:
            _finding(item, paper)
            paper.verbatim(f"override: --allow {item.code}", "dim", 2)
        return
    paper.verbatim(f"{' + '.join(choice.profiles)} into {plan.environment}", "bold")
    paper.line(f"torch {choice.torch}, build {choice.variant}")
    if plan.source:
        paper.verbatim(f"from {plan.source.text}", indent=2)
    paper.line()
    paper.line("why", "bold")
    for reason in choice.reasons:
        paper.line(f"· {reason.text}", indent=2)
    _rejected(choice, paper, verbose=verbose)
    _packages(plan, paper)
    for conflict in plan.conflicts:
        needs = f"! {conflict.package} {conflict.version} needs {conflict.requires}"
        paper.line(f"{needs}, and will get {conflict.found}", "yellow")
    if plan.steps:
        paper.line("steps", "bold")
    for number, step in enumerate(plan.steps, 1):
        paper.line(f"{number}. {step.text}", indent=2)
        if verbose and step.kind == "run":
            paper.verbatim(f"$ {command(step.argv)}", "dim", 5)
    for item in blocked:
        paper.line()
        _finding(item, paper)


def _infeasible(choice: Choice, paper: Paper) -> None:
    paper.line(f"✗ {' + '.join(choice.profiles)} cannot be installed here", "bold red")
    for reason in choice.reasons:
        paper.line(f"· {reason.text}", indent=2)
    for other in choice.alternatives:
        paper.line(f"→ what works instead: {other.text}", indent=2)
        # The text says what to add; and what fits an assumed machine is not for this one.
        if other.profiles == choice.profiles or choice.target.assumed:
            continue
        flags = [word for name in other.profiles for word in ("--profile", name)]
        paper.verbatim(f"$ {command(['llmdoctor', 'install', *flags])}", "bold", 4)


def _rejected(choice: Choice, paper: Paper, *, verbose: bool) -> None:
    shown = choice.rejected if verbose else choice.rejected[:6]
    if shown:
        paper.line("not taken", "bold")
    for item in shown:
        paper.line(f"· {item.candidate}: {item.reason}", indent=2)
    if more := len(choice.rejected) - len(shown):
        paper.line(f"· {more} more with --verbose", indent=2)


def _packages(plan: Plan, paper: Paper) -> None:
    from llmdoctor.plan import pinned

    choice = plan.choice
    if not plan.steps and not plan.changes:
        paper.line("packages", "bold")
        for requirement in choice.requirements:
            paper.verbatim(f"· {pinned(requirement, plan.source)}", indent=2)
        return
    new = [change for change in plan.changes if change.before is None]
    moved = [change for change in plan.changes if change.before is not None]
    if moved:
        paper.line(f"{len(moved)} packages change", "bold")
        for change in moved:
            package = change.package
            paper.line(f"· {package.name} {change.before} → {package.version}", indent=2)
    if new:
        paper.line(f"{len(new)} packages are new", "bold")
        names = [f"{change.package.name} {change.package.version}" for change in new]
        paper.line(", ".join(names), indent=2)
    if plan.kept:
        paper.line(f"{plan.kept} installed packages stay as they are", "bold")
    if not plan.changes:
        paper.line("every package is there already")


def smoke(proof: Proof, paper: Paper, *, verbose: bool) -> None:
    """The smoke matrix: outcome, backend, mode, dtype, measured error against its gate, seconds."""
    if proof.problem:
        paper.line(f"✗ not proven: {proof.problem}", "bold red")
    for row in proof.rows:
        measured = "" if row.error is None else f"{row.error:.1e} / {row.tolerance:.0e}"
        seconds = "" if row.seconds is None else f"{row.seconds:.2f} s"
        cells = f"{row.outcome:7} {_ran(row):30} {row.mode:8} {row.dtype:4} {measured:15} {seconds}"
        paper.verbatim(cells.rstrip(), _STYLES[row.outcome])
        if row.detail and (verbose or row.outcome != "pass"):
            paper.line(row.detail, _STYLES[row.outcome], indent=8)
    outcomes = [row.outcome for row in proof.rows]
    words = ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))
    verdict = proven(proof) if proof.passed else "NOT proven"
    paper.line(f"{verdict}: {words or 'no row ran'}", "bold green" if proof.passed else "bold red")


def _ran(row: SmokeRow) -> str:
    """The backend and its kernel; for a backend's own choice, the kernel that was seen."""
    if row.kernel != "default":
        return f"{row.backend} {row.kernel}"
    return row.backend if row.ran_as in (None, row.backend) else f"{row.backend} → {row.ran_as}"


def proven(proof: Proof) -> str:
    """What a passed proof shows: of a torch that was built for a GPU, the processor's part."""
    on_cpu = all(row.device == "cpu" for row in proof.rows)
    built_for_gpu = proof.environment.get("cuda") is not None
    return "proven on the processor" if built_for_gpu and on_cpu else "proven"


def installed(plan: Plan, done: Done, paper: Paper, *, verbose: bool) -> None:
    """What came of an install that was kept."""
    if done.proof:
        smoke(done.proof, paper, verbose=verbose)
    names = " + ".join(plan.choice.profiles)
    paper.verbatim(f"✓ {names} {standing(plan, done)}: {plan.environment}", "green")
    if done.backup:
        paper.verbatim(f"the former environment is kept: {done.backup}")
        paper.verbatim(f"$ llmdoctor undo {done.run}", "bold", 4)


def standing(plan: Plan, done: Done) -> str:
    """What is known of an environment that was installed; it claims no more than was run."""
    if done.proof is None:
        return "installed, not proven (--no-smoke)"
    if plan.choice.variant == "cpu" or any(row.device != "cpu" for row in done.proof.rows):
        return "proven"
    return "proven on the processor; its GPU kernels are not covered by this version's proof"


def profiles(rows: Sequence[tuple[Profile, Plan]], paper: Paper, *, verbose: bool) -> None:
    """Every profile on this machine."""
    for profile, made in rows:
        choice = made.choice
        sign = "✓" if choice.feasible else "-"
        paper.line(f"{sign} {profile.name} ({profile.kind}): {profile.title}", "bold")
        paper.line(profile.summary, indent=2)
        if choice.feasible:
            stack = "" if profile.kind == "stack" else f" on {choice.profiles[0]}"
            paper.line(f"fits{stack}: torch {choice.torch}+{choice.variant}", "green", 2)
        else:
            paper.line(f"does not fit: {choice.reasons[0].text}", "yellow", 2)
        if verbose:
            for reason in choice.reasons if choice.feasible else choice.reasons[1:]:
                paper.line(f"· {reason.text}", indent=2)
            for item in choice.rejected:
                paper.line(f"· not taken: {item.candidate}: {item.reason}", indent=2)


def document(write: Callable[[Paper], None], *, width: int, colour: bool, unicode: bool) -> str:
    """What `write` puts on paper of that kind."""
    paper = Paper(width=width, colour=colour, unicode=unicode)
    write(paper)
    return paper.text
