"""One diagnosis from end to end: look (or read a saved look), judge, report."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from llmdoctor import checks
from llmdoctor.checks import Case, Check
from llmdoctor.errors import CannotFinishError, LlmdoctorError, UsageError
from llmdoctor.finding import Report, Verdict
from llmdoctor.machine import Machine
from llmdoctor.probe import Subject, look
from llmdoctor.probe.paths import absolute
from llmdoctor.redact import redact, redact_path, redact_text, redact_verdict
from llmdoctor.system import System

if TYPE_CHECKING:  # without a wish there is no profile and no choice, and each costs milliseconds
    from collections.abc import Callable, Sequence

    from llmdoctor.plan import Choice
    from llmdoctor.profiles import Wish


@dataclass(frozen=True)
class Question:
    """What is to be diagnosed, and for what."""

    profiles: tuple[str, ...] = ()
    environment: str | None = None
    python: str | None = None
    project: str = "."
    snapshot: str | None = None  # a file with a saved look; "-" is stdin
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()  # names of other packages' checks


def catalogue(select: Sequence[str] = (), ignore: Sequence[str] = ()) -> tuple[Check, ...]:
    """The chosen checks, or every one, most fundamental first.

    Raises:
        UsageError: no code begins with one of the prefixes.
    """
    return checks.chosen(select, ignore)


def diagnose(
    system: System, question: Question, further: Sequence[Callable[[Machine], Machine]] = ()
) -> Report:
    """Look and judge. What names a person or a device is taken out of what was judged.

    `further` looks go beyond what a check does unasked (`probe.deep`, `probe.network`): each gives
    the machine with what it saw.
    """
    case, verdicts = judge(system, question, further)
    machine = case.machine
    can, cannot = checks.capabilities(case, verdicts)
    if question.snapshot is not None:  # as it was written down, on whatever machine that was
        return Report(machine, verdicts, can, cannot, question.profiles)
    home = system.home()
    return Report(
        machine=redact(machine, home),
        verdicts=tuple(redact_verdict(verdict, home) for verdict in verdicts),
        can=tuple(redact_text(text, home) for text in can),
        cannot=tuple(redact_text(text, home) for text in cannot),
        profiles=tuple(redact_path(name, home) for name in question.profiles),
        base=_base(system, question.project),
    )


def _base(system: System, project: str) -> str | None:
    """The way from the working folder down to the project, links followed."""
    if project == ".":
        return project
    try:
        here = system.real_path(system.cwd())
    except CannotFinishError:  # it is gone
        return None
    place = system.flavour(system.real_path(absolute(system, project)))
    return place.relative_to(here).as_posix() if place.is_relative_to(here) else None


def judge(
    system: System, question: Question, further: Sequence[Callable[[Machine], Machine]] = ()
) -> tuple[Case, tuple[Verdict, ...]]:
    """Look and judge, with the names and paths as they are: for who goes on to act."""
    wish = _wish(system, question)
    wanted = wish.wanted if wish else ()
    machine = _machine(system, question)
    for look_on in further:
        machine = look_on(machine)
    case = Case(machine, wanted, _choice(wish, machine), question.project)
    judged = partial(checks.run_checks, case, select=question.select, ignore=question.ignore)
    if not question.plugins:
        return case, judged()
    from llmdoctor import plugins

    others = plugins.load(question.plugins)
    verdicts = judged(others=others.checks, strict=not others.crashes)
    return case, others.named(verdicts)


def judge_closely(system: System, question: Question) -> tuple[Case, tuple[Verdict, ...]]:
    """The same with a closer look, as `fix` needs it: at every file, and at Poetry's keyring."""
    from llmdoctor.probe.closer import look_closer

    return judge(system, question, (partial(look_closer, system),))


def one_line(report: Report) -> str:
    """The whole result in a line: nothing is called healthy without what was not judged."""
    words = []
    if report.findings:
        first = next(item for item in report.findings if item.severity == report.worst)
        words.append(f"{first.severity} {first.code}: {first.title}")
    if report.crashed:
        words.append(f"{_checks(len(report.crashed))} crashed: {', '.join(report.crashed)}")
    if words:
        return "; ".join(words)
    skipped = sum(verdict.outcome == "skip" for verdict in report.verdicts)
    left = [f"{skipped} skipped"] if skipped else []
    left += [f"{len(report.known)} known left out"] if report.known else []
    return f"healthy ({', '.join(left)})" if left else "healthy"


def _checks(number: int) -> str:
    return f"{number} check{'' if number == 1 else 's'}"


def _machine(system: System, question: Question) -> Machine:
    if question.snapshot is not None:
        from llmdoctor.ingest import source

        return source.load(system, question.snapshot)
    project = absolute(system, question.project)
    if system.names(project) is None:
        raise UsageError(
            f"--project {question.project}: there is no such folder",
            next_command="llmdoctor check --project .",
        )
    subject = Subject(question.environment, question.python, project)
    machine = look(system, subject)
    if question.environment is not None and machine.environment.kind == "missing":
        raise UsageError(  # nothing would be judged, and that would look healthy
            f"--env {question.environment}: there is no environment",
            next_command=shlex.join(
                ["llmdoctor", "install", "--profile", "cpu", "--env", question.environment]
            ),
        )
    if question.python is not None and machine.environment.kind == "broken":
        raise UsageError(
            f"--python {question.python}: {(machine.environment.problem or '').splitlines()[0]}",
            next_command=shlex.join(["llmdoctor", "check", *_of_version(system, question.python)]),
        )
    return machine


def _of_version(system: System, version: str) -> tuple[str, ...]:
    """`--python` with an interpreter of the version that was named in its place, if one is here."""
    if not re.fullmatch(r"3\.\d{1,2}", version):
        return ()
    from llmdoctor import interpreters

    try:
        return ("--python", interpreters.choose(system, version, "").executable)
    except LlmdoctorError:
        return ()


def _wish(system: System, question: Question) -> Wish | None:
    if not question.profiles:
        return None
    from llmdoctor import profiles

    return profiles.wish(question.profiles, absolute(system, question.project))


def _choice(wish: Wish | None, machine: Machine) -> Choice | None:
    unsaid = {note.reader for note in machine.notes if note.status == "unsaid"}
    if wish is None or ("nvidia" in unsaid and Case(machine, wish.wanted).wants_gpu):
        return None
    from llmdoctor import profiles, target
    from llmdoctor.plan import Target
    from llmdoctor.resolve import resolve

    # without an environment, the Python that a target has by default
    python = machine.environment.version or Target().python
    asked = target.as_judged(machine, python)
    choice = resolve(wish.wanted, wish.known, asked)
    return profiles.combined(choice, wish.known)
