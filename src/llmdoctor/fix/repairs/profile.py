"""Findings whose way out is to install the profile, where the user has named it.

The plan is that of `llmdoctor install`: the same resolver, which keeps every version that may stay,
and the same installer. So what is done is the smallest set of reinstalls that makes it the profile.
"""

from __future__ import annotations

from llmdoctor import install as road
from llmdoctor import profiles
from llmdoctor.errors import LlmdoctorError
from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.machine import MARK
from llmdoctor.plan import Plan, Run, Snapshot, Step, Write


def install(bench: Bench, found: Finding) -> Repair:
    """The steps that `install` would take, without its smoke test: `fix` looks again instead."""
    machine = bench.machine
    path = machine.environment.path
    if machine.environment.kind != "venv" or path is None:
        return manual(found)
    root = machine.project.root if machine.project else bench.system.cwd()
    try:
        wish = profiles.wish(bench.profiles, root)
        request = road.Request(
            wish.wanted, wish.known, path, project=root, smoke=False, run=bench.run
        )
        made = road.prepare(bench.system, request, bench.say)
    except LlmdoctorError as error:
        return manual(found, error.message)
    plan = made.plan
    if not plan.choice.feasible:
        return manual(found, "; ".join(reason.text for reason in plan.choice.reasons))
    if made.blocked:
        return manual(found, f"{made.blocked[0].code}: {made.blocked[0].title}")
    steps = _own_steps(plan)
    if plan.installer == "poetry" or not any(isinstance(step, Run) for step in steps):
        return manual(found)  # Poetry installs its lock; or there is nothing to install
    names = " and ".join(plan.choice.profiles)
    summary = f"Install what {names} needs and is not there; everything else stays."
    return Repair(found.key, found.code, "ask", summary, steps, inside=True, details=_details(plan))


def _own_steps(plan: Plan) -> tuple[Step, ...]:
    """Without the guard, which a fix puts before all of its repairs."""
    mark = f"{plan.environment}/{MARK}"
    return tuple(
        step
        for step in plan.steps
        if not isinstance(step, Snapshot) and not (isinstance(step, Write) and step.path == mark)
    )


def _details(plan: Plan) -> tuple[str, ...]:
    changes = (
        f"{change.package.name}: {change.before or 'absent'} → {change.package.version}"
        for change in plan.changes
    )
    conflicts = (
        f"{item.package} {item.version}, which stays, wants {item.requires}"
        for item in plan.conflicts
    )
    return (*changes, *conflicts)
