"""From a look to a plan: which findings can be mended, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from llmdoctor import checks
from llmdoctor.diagnose import Question, judge, judge_closely
from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, FixPlan, Keep, Repair, Repairer, manual
from llmdoctor.fix.repairs import REPAIRERS, TOGETHER, profile
from llmdoctor.fix.reviewed import fingerprints
from llmdoctor.install import absolute
from llmdoctor.journal import new_id
from llmdoctor.machine import MARK, Machine
from llmdoctor.plan import Recheck, SetAside, Snapshot, Step, Write
from llmdoctor.probe import paths
from llmdoctor.system import System
from llmdoctor.system.readonly import ReadOnly


def place(system: System, question: Question) -> str:
    """The environment that a fix is about: it is what is locked, and what `undo` asks for.

    The whole look is made, so that what cannot be meant is refused before anything is locked; it is
    made again under the lock.

    Raises:
        UsageError: there is no such project or environment, or no such check.
    """
    case, _ = judge(ReadOnly(system), question)
    return _place(system, question, case.machine)


def _place(system: System, question: Question, machine: Machine) -> str:
    dot_venv = paths.join(system, paths.absolute(system, question.project), ".venv")
    return absolute(system, machine.environment.path or dot_venv)


def prepare(system: System, question: Question, keep: Keep, say: Callable[[str], None]) -> FixPlan:
    """Look, judge, and plan the repairs. Changes nothing of the user's.

    Raises:
        UsageError: there is no such project or environment, or no such check.
    """
    case, all_verdicts = judge_closely(ReadOnly(system), question_of_all(question))
    chosen = checks.run_checks(case, select=question.select, ignore=question.ignore)
    found = [item for verdict in chosen for item in verdict.findings]
    environment = _place(system, question, case.machine)
    project = paths.absolute(system, question.project)
    run = new_id(system)
    with system.scratch() as scratch:
        bench = Bench(
            system, case.machine, scratch, say, keep, question.select, question.profiles, run
        )
        wanted = {one.name for one in case.profiles}
        repairs = _anew_alone(tuple(_repairs(bench, found, wanted)), question)
    before = tuple(item.key for verdict in all_verdicts for item in verdict.findings)
    recheck = Recheck(
        "look again: what was found is gone, and nothing new is wrong",
        project,
        tuple(repair.finding for repair in repairs if repair.steps),
        before,
        environment if system.kind(environment) is not None else None,
        question.profiles,
    )
    steps = compose(environment, run, repairs)
    steps = (*steps, recheck) if steps else ()
    return FixPlan(
        run,
        environment,
        project,
        repairs,
        steps,
        fingerprints(system, project, case.machine, steps),
    )


def question_of_all(question: Question) -> Question:
    """The same question without a choice of checks."""
    return Question(question.profiles, question.environment, question.python, question.project)


def compose(environment: str, run: str, repairs: Sequence[Repair]) -> tuple[Step, ...]:
    """The steps of all repairs: files first, then the environment under one snapshot."""
    files = _last_writes(step for r in repairs if not r.inside for step in r.steps)
    inside: list[Step] = []
    for step in (step for repair in repairs if repair.inside for step in repair.steps):
        if step not in inside:  # one repair can mend several findings
            inside.append(step)
    if not inside:
        return tuple(files)
    if any(isinstance(step, SetAside) for step in inside):
        return (*files, *inside)
    aside = f"{environment}.llmdoctor-{run}"
    guard: list[Step] = [
        Snapshot(f"take a snapshot of {environment}", environment, aside),
        Write("mark the environment as this run's", f"{environment}/{MARK}", f"{run}\n"),
    ]
    return (*files, *guard, *inside)


def _anew_alone(repairs: tuple[Repair, ...], question: Question) -> tuple[Repair, ...]:
    """Where the environment is made anew, what else is wrong in it waits: it may be gone then."""
    anew = [repair for repair in repairs if any(isinstance(s, SetAside) for s in repair.steps)]
    waits = ("the environment is made anew first; fix again afterwards",)
    place = () if question.environment is None else ("--env", question.environment)
    project = () if question.project == "." else ("--project", question.project)
    again = ("llmdoctor", "fix", *place, *project)
    return tuple(
        replace(it, safety="manual", steps=(), details=waits, commands=(again,))
        if anew and it.inside and it is not anew[0]
        else it
        for it in repairs
    )


def _last_writes(steps: Iterable[Step]) -> list[Step]:
    """Files that two repairs write are written once, as the later one wants them."""
    found = list(steps)
    last = {step.path: number for number, step in enumerate(found) if isinstance(step, Write)}
    return [
        step
        for number, step in enumerate(found)
        if not isinstance(step, Write) or last[step.path] == number
    ]


def _repairs(bench: Bench, found: Sequence[Finding], wanted: set[str]) -> Iterator[Repair]:
    """What is done about each finding; a note that nothing repairs is not a fault.

    What mends several findings at once is worked out once, since it asks the index.
    """
    worked_out: dict[Repairer, Repair | None] = {}
    for item in found:
        repairer = profile.install if _asks_profiles(item, wanted) else REPAIRERS.get(item.code)
        if repairer in TOGETHER:
            if repairer not in worked_out:
                worked_out[repairer] = repairer(bench, item)
            shared = worked_out[repairer]
            made = shared and replace(shared, finding=item.key, code=item.code)
        else:
            made = repairer(bench, item) if repairer else None
        if made is None and item.severity != "note":
            made = manual(item)
        if made is not None:
            yield made


def _asks_profiles(found: Finding, wanted: set[str]) -> bool:
    """Whether the way out is to install just the profiles that were named, into what is there."""
    for argv in found.remedy.commands if found.remedy and wanted else ():
        if argv[:2] == ("llmdoctor", "install") and "--fresh" not in argv:
            named = {value for word, value in pairwise(argv) if word == "--profile"}
            return named == wanted
    return False
