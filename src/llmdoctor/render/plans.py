"""A plan for a person at a terminal: what is done and why, or why nothing can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmdoctor.render import documents
from llmdoctor.render.terminal import Paper, command, finding

if TYPE_CHECKING:
    from llmdoctor.finding import Finding
    from llmdoctor.plan import Alternative, Choice, Plan, Target

_SOURCES = {"index": "from an index", "wheel": "a wheel", "sdist": "built from source"}


@dataclass(frozen=True)
class Asked:
    """What was typed, so that an alternative is a command that can be typed as well.

    `words` begin such a command, `options` end it; `spelled` says how a profile is named on the
    command line (one in a file: by its path); `forced` is whether a build of torch was named.
    """

    profiles: tuple[str, ...]
    words: tuple[str, ...] = ("llmdoctor", "install")
    options: tuple[str, ...] = ()
    spelled: Mapping[str, str] = field(default_factory=dict)
    forced: bool = False

    def instead(self, other: Alternative) -> tuple[str, ...]:
        """The same command with other profiles, and with the build of torch left to llmdoctor."""
        names = (self.spelled.get(name, name) for name in other.profiles)
        flags = [word for name in names for word in ("--profile", name)]
        kept = (word for word in self.options if word != "--build" or other.compiles)
        return (*self.words, *flags, *kept)


def plan(
    plan: Plan, paper: Paper, asked: Asked, *, blocked: Sequence[Finding] = (), verbose: bool
) -> None:
    """A plan, or why there is none."""
    choice = plan.choice
    if not choice.feasible:
        _infeasible(choice, paper, asked, verbose=verbose)
        return
    if blocked and not verbose:
        paper.line(f"✗ {' + '.join(choice.profiles)} fits, but cannot be installed yet", "bold red")
        _blocked(blocked, paper)
        return
    paper.verbatim(f"{' + '.join(choice.profiles)} into {plan.environment}", "bold")
    paper.line(f"torch {choice.torch}, build {choice.variant}")
    if plan.source:
        paper.verbatim(f"from {plan.source.text}", indent=2)
    _machine(choice.target, paper, verbose=verbose)
    paper.line()
    _why(choice, paper, asked, verbose=verbose)
    _rejected(choice, paper, verbose=verbose)
    if verbose:
        _every_package(plan, paper)
    else:
        _packages(plan, paper)
    _conflicts_and_steps(plan, paper, verbose=verbose)
    if blocked:
        paper.line()
        _blocked(blocked, paper)


def _machine(target: Target, paper: Paper, indent: int = 0, *, verbose: bool) -> None:
    """What was decided for; of a machine that nobody saw, always."""
    if target.assumed or verbose:
        word = "assumed: " if target.assumed else "for "
        paper.line(f"{word}{machine(target)}", indent=indent)


def machine(target: Target) -> str:
    """The facts that were decided on."""
    words = [f"{target.os} {target.arch}"]
    if target.wsl:
        words.append(f"WSL {target.wsl}")
    if target.os == "linux":
        words.append("musl" if target.musl else f"glibc {target.glibc or 'not known'}")
    words.append(f"Python {target.python}")
    words += [
        f"{gpu.name} (compute capability {gpu.compute_capability or 'not known'})"
        for gpu in target.gpus
    ]
    if not target.gpus:
        words.append("no NVIDIA GPU")
    elif target.driver_missing:
        words.append("no driver")
    else:
        words.append(f"driver {target.driver or 'not known'}")
    return ", ".join(words)


def alternatives(choice: Choice, paper: Paper, asked: Asked) -> None:
    """What works instead, each with the command to type."""
    for other in choice.alternatives:
        paper.item("→", f"what works instead: {other.text}")
        if _is_a_command(other, choice, asked):
            paper.verbatim(f"$ {command(asked.instead(other))}", "bold", 4)


def _is_a_command(other: Alternative, choice: Choice, asked: Asked) -> bool:
    """Whether other words are the way out, and not another machine or what the text says to add."""
    if not other.fits_here:
        return False
    # The same profiles fit with another build: the one that was forced is then left out.
    return asked.forced or other.profiles not in (asked.profiles, choice.profiles)


def _infeasible(choice: Choice, paper: Paper, asked: Asked, *, verbose: bool) -> None:
    paper.line(f"✗ {' + '.join(choice.profiles)} cannot be installed here", "bold red")
    _machine(choice.target, paper, 2, verbose=verbose)
    for number, reason in enumerate(choice.reasons, 1):
        paper.item(f"{number}." if verbose else "·", reason.text)
    if verbose:
        _rejected(choice, paper, verbose=True)
    alternatives(choice, paper, asked)


def _why(choice: Choice, paper: Paper, asked: Asked, *, verbose: bool) -> None:
    """The chain of reasons, from the stack to the wheels; where asked for, as a numbered list."""
    paper.line("why", "bold")
    if not verbose:
        for reason in choice.reasons:
            paper.item("·", reason.text)
        return
    stack = choice.profiles[0]
    number = 0
    for number, reason in enumerate(choice.reasons, 1):
        text = reason.text
        if reason.code == "stack":
            named = "it was asked for" if stack in asked.profiles else _why_stack(choice)
            text = f"{text}; {named}"
        paper.item(f"{number}.", f"{reason.code}: {text}")


def _why_stack(choice: Choice) -> str:
    addons = " and ".join(choice.profiles[1:])
    return f"the first stack that carries {addons} on this machine"


def _rejected(choice: Choice, paper: Paper, *, verbose: bool) -> None:
    shown = choice.rejected if verbose else choice.rejected[:6]
    if shown:
        paper.line("not taken", "bold")
    for item in shown:
        paper.item("·", f"{item.candidate}: {item.reason}")
    if more := len(choice.rejected) - len(shown):
        paper.item("·", f"{more} more with --verbose")


def _packages(plan: Plan, paper: Paper) -> None:
    if not plan.complete:
        paper.line("packages", "bold")
        for row in documents.packages(plan):
            known = f"{row['name']} {row['version']}" if row["url"] else row["requirement"]
            paper.item("·", known)
            if row["url"]:
                paper.verbatim(row["url"], "dim", 4)
        return
    new = [change for change in plan.changes if change.before is None]
    moved = [change for change in plan.changes if change.before is not None]
    if moved:
        paper.line(f"{_count(len(moved), 'package')} to change", "bold")
        for change in moved:
            package = change.package
            paper.item("·", f"{package.name} {change.before} → {package.version}")
    if new:
        paper.line(f"{_count(len(new), 'new package')}", "bold")
        names = [f"{change.package.name} {change.package.version}" for change in new]
        paper.line(", ".join(names), indent=2)
    _kept(plan, paper)


def _kept(plan: Plan, paper: Paper) -> None:
    if plan.removals:
        paper.line(f"{_count(len(plan.removals), 'package')} to remove", "bold yellow")
    for removal in plan.removals:
        paper.item("·", f"{removal.name} {removal.version}")
    if plan.kept:
        paper.line(f"kept as they are: {_count(plan.kept, 'installed package')}", "bold")
    if not plan.changes and not plan.removals:
        paper.line("every package is there already")


def _every_package(plan: Plan, paper: Paper) -> None:
    """Each package by itself: version, where it comes from, its address, hash and size."""
    rows = documents.packages(plan)
    if rows:
        paper.line("packages", "bold")
    for number, row in enumerate(rows, 1):
        _package(f"{number}.", row, paper)
    sizes = [row["size"] for row in rows if row["size"] is not None]
    if sizes:
        rest = len(rows) - len(sizes)
        unknown = f", and {rest} whose size is not known" if rest else ""
        paper.line(f"to download: {megabytes(sum(sizes))}{unknown}", "bold")
    if plan.complete:
        _kept(plan, paper)
    else:
        paper.line("no index was asked: --resolve does, and lists every package", "dim")


def _package(number: str, row: Mapping[str, Any], paper: Paper) -> None:
    asked = row.get("requirement", "")
    exact = row["version"] is not None
    name = f"{row['name']} {row['version']}" if exact else f"{asked} (version not known yet)"
    before = row.get("before")
    now = f", now {before}" if before else ""
    paper.item(number, f"{name}, {_SOURCES[row['source']]}{now}")
    within = 3 + len(number)
    if row["reason"]:
        paper.line(f"why: {row['reason']}", indent=within)
    size = None if row["size"] is None else f"size {megabytes(row['size'])}"
    sha256 = row["sha256"] and f"sha256 {row['sha256']}"
    facts = {"address": row["url"], "sha256": sha256, "size": size}
    for text in filter(None, facts.values()):
        paper.verbatim(text, "dim", within)
    if unknown := [name for name, text in facts.items() if not text]:
        paper.line(f"not known: {', '.join(unknown)}", "dim", within)


def _conflicts_and_steps(plan: Plan, paper: Paper, *, verbose: bool) -> None:
    for conflict in plan.conflicts:
        needs = f"{conflict.package} {conflict.version} needs {conflict.requires}"
        paper.item("!", f"{needs}, and will get {conflict.found}", "yellow", 0)
    if plan.steps:
        paper.line("steps", "bold")
    for number, step in enumerate(plan.steps, 1):
        paper.item(f"{number}.", step.text)
        if verbose and step.kind == "run":
            paper.verbatim(f"$ {command(step.argv)}", "dim", 5)


def _blocked(blocked: Sequence[Finding], paper: Paper) -> None:
    for item in blocked:
        finding(item, paper)
        paper.verbatim(f"override: --allow {item.code}", "dim", 2)


def megabytes(count: int) -> str:
    """A number of bytes, for reading."""
    if count >= 10**9:
        return f"{count / 1e9:.2f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 10**7 else f"{count / 1e6:.2f} MB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
