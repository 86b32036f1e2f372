"""One diagnosis from end to end: look (or read a saved look), judge, report."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmdoctor import checks, wire
from llmdoctor.checks import CHECKS, Case, Check
from llmdoctor.errors import ProfileError, UnreadableError, UsageError
from llmdoctor.finding import Report
from llmdoctor.machine import SCHEMA, Machine
from llmdoctor.probe import Subject, look
from llmdoctor.probe.paths import absolute
from llmdoctor.redact import redact, redact_text, redact_verdict
from llmdoctor.system import System

if TYPE_CHECKING:  # without a wish there is no profile and no choice, and each costs milliseconds
    from llmdoctor.plan import Choice
    from llmdoctor.profile import Profile

_SAVE = "llmdoctor check --format json --output machine.json"


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
    """Look and judge. What names a person or a device is taken out of what was judged."""
    wanted = _wanted(question.profiles)
    machine = _machine(system, question)
    case = Case(machine, wanted, _choice(wanted, machine))
    verdicts = checks.run_checks(case, select=question.select, ignore=question.ignore)
    can, cannot = checks.capabilities(case)
    if question.snapshot is not None:  # as it was written down, on whatever machine that was
        return Report(machine, verdicts, can, cannot, question.profiles)
    home = system.home()
    return Report(
        machine=redact(machine, home),
        verdicts=tuple(redact_verdict(verdict, home) for verdict in verdicts),
        can=tuple(redact_text(text, home) for text in can),
        cannot=tuple(redact_text(text, home) for text in cannot),
        profiles=question.profiles,
    )


def one_line(report: Report) -> str:
    """The whole result in a line."""
    if not report.findings:
        return "healthy"
    first = next(item for item in report.findings if item.severity == report.worst)
    return f"{first.severity} {first.code}: {first.title}"


def _machine(system: System, question: Question) -> Machine:
    if question.snapshot is not None:
        return _saved(system, question.snapshot)
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
            next_command=f"llmdoctor install --profile cpu --env {question.environment}",
        )
    if question.python is not None and machine.environment.kind == "broken":
        raise UsageError(
            f"--python {question.python}: {(machine.environment.problem or '').splitlines()[0]}",
            next_command="llmdoctor check",
        )
    return machine


def _saved(system: System, path: str) -> Machine:
    text = sys.stdin.buffer.read().decode(errors="replace") if path == "-" else _text(system, path)
    if text is None:
        raise UsageError(
            f"--from {path}: there is no such file",
            next_command=_SAVE,
        )
    try:
        data = json.loads(text)
        if isinstance(data, dict) and "machine" in data:
            data = data["machine"]
        _right_schema(data, path)
        machine = wire.load(Machine, data)
    except json.JSONDecodeError as error:
        raise ProfileError(
            f"{path}:{error.lineno}:{error.colno}: {error.msg}; expected what "
            "`llmdoctor check --format json` writes",
            next_command=_SAVE,
        ) from None
    except RecursionError:
        raise ProfileError(f"{path}: nested too deeply for a report", next_command=_SAVE) from None
    except wire.WireError as error:
        raise ProfileError(f"{path}: {error}", next_command=_SAVE) from None
    return machine


def _text(system: System, path: str) -> str | None:
    try:
        return system.read_text(absolute(system, path))
    except UnreadableError as error:
        raise UsageError(f"--from {path}: {error.reason}", next_command=_SAVE) from None


def _right_schema(data: object, path: str) -> None:
    """A newer schema is named as that, before its unknown keys are."""
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(data, dict) and schema is None:
        raise ProfileError(
            f"{path} is no saved look: it has no schema; expected what "
            "`llmdoctor check --format json` writes",
            next_command=_SAVE,
        )
    if isinstance(schema, int) and schema != SCHEMA:
        raise ProfileError(
            f"{path}: schema is {schema}, this llmdoctor reads {SCHEMA}: update it",
            next_command="llmdoctor --version",
        )


def _wanted(names: tuple[str, ...]) -> tuple[Profile, ...]:
    if not names:
        return ()
    from llmdoctor import profiles

    return tuple(profiles.find(name) for name in names)


def _choice(wanted: tuple[Profile, ...], machine: Machine) -> Choice | None:
    if not wanted:
        return None
    from llmdoctor import profiles, target
    from llmdoctor.plan import Target
    from llmdoctor.resolve import resolve

    # without an environment, the Python that a target has by default
    python = machine.environment.version or Target().python
    known = tuple(profiles.builtin().values())
    return resolve(wanted, known, target.of_machine(machine, python))
