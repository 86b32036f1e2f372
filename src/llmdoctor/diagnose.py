"""One diagnosis from end to end: look (or read a saved look), judge, report."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmdoctor import checks, wire
from llmdoctor.checks import CHECKS, Case, Check
from llmdoctor.errors import ProfileError, UsageError
from llmdoctor.finding import Report
from llmdoctor.machine import SCHEMA, Machine, redact
from llmdoctor.probe import Subject, look
from llmdoctor.system import System

if TYPE_CHECKING:  # without a wish there is no profile and no choice, and each costs milliseconds
    from llmdoctor.plan import Choice
    from llmdoctor.profile import Profile


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


def catalogue() -> tuple[Check, ...]:
    """Every check, most fundamental first."""
    return CHECKS


def diagnose(system: System, question: Question) -> Report:
    """Look and judge. What names a person or a device is taken out before anything is judged."""
    wanted = _wanted(question.profiles)
    machine = _machine(system, question)
    case = Case(machine, wanted, _choice(wanted, machine))
    verdicts = checks.run_checks(case, select=question.select, ignore=question.ignore)
    can, cannot = checks.capabilities(case)
    return Report(machine, verdicts, can, cannot, question.profiles)


def one_line(report: Report) -> str:
    """The whole result in a line."""
    if not report.findings:
        return "healthy"
    first = next(item for item in report.findings if item.severity == report.worst)
    return f"{first.severity} {first.code}: {first.title}"


def _machine(system: System, question: Question) -> Machine:
    if question.snapshot is not None:
        return _saved(system, question.snapshot)
    project = str(system.flavour(system.cwd(), question.project))
    if system.names(project) is None:
        raise UsageError(f"--project {question.project}: there is no such folder")
    subject = Subject(question.environment, question.python, project)
    return redact(look(system, subject), system.home())


def _saved(system: System, path: str) -> Machine:
    text = sys.stdin.read() if path == "-" else system.read_text(path)
    if text is None:
        raise UsageError(
            f"--from {path}: there is no such file",
            next_command="llmdoctor check --format json --output machine.json",
        )
    try:
        data = json.loads(text)
        if isinstance(data, dict) and "machine" in data:
            data = data["machine"]
        machine = wire.load(Machine, data)
    except json.JSONDecodeError as error:
        raise ProfileError(
            f"{path}:{error.lineno}:{error.colno}: {error.msg}; expected what "
            "`llmdoctor check --format json` writes"
        ) from None
    except wire.WireError as error:
        raise ProfileError(f"{path}: {error}") from None
    if machine.schema != SCHEMA:
        raise ProfileError(f"{path}: schema is {machine.schema}, this llmdoctor reads {SCHEMA}")
    return machine


def _wanted(names: tuple[str, ...]) -> tuple[Profile, ...]:
    if not names:
        return ()
    from llmdoctor import profiles

    return tuple(profiles.find(name) for name in names)


def _choice(wanted: tuple[Profile, ...], machine: Machine) -> Choice | None:
    if not wanted:
        return None
    from llmdoctor import profiles, target
    from llmdoctor.resolve import resolve

    python = machine.environment.version or "3.12"
    known = tuple(profiles.builtin().values())
    return resolve(wanted, known, target.of_machine(machine, python))
