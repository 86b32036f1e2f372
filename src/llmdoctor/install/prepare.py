"""From a request to a plan for this machine: everything up to the steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from llmdoctor import closure, pip_config, resolve, target, verify
from llmdoctor.checks import Case, gates
from llmdoctor.finding import Finding
from llmdoctor.install import patient, with_poetry
from llmdoctor.install.plans import choose, find, find_uv
from llmdoctor.install.request import Request
from llmdoctor.installers import Installer, Job, manifest
from llmdoctor.installers import uv as uv_installer
from llmdoctor.installers.pip import Pip
from llmdoctor.installers.uv import Uv
from llmdoctor.journal import Journal, new_id
from llmdoctor.machine import Machine
from llmdoctor.plan import Choice, Plan
from llmdoctor.prescribe import prescribe
from llmdoctor.probe import Subject, look
from llmdoctor.system import System


@dataclass(frozen=True)
class Prepared:
    """A plan with what it was made from. `blocked` are findings that forbid carrying it out."""

    machine: Machine
    plan: Plan
    journal: Journal
    blocked: tuple[Finding, ...] = ()


def prepare(system: System, request: Request, say: Callable[[str], None]) -> Prepared:
    """Everything up to the steps. Asks indexes, changes nothing.

    Raises:
        UsageError: an environment or interpreter that cannot be meant.
        CannotFinishError: no interpreter fits.
        NoSolutionError: the packages cannot be resolved together.
    """
    request = patient.with_absolute_places(system, request)
    path = patient.absolute(system, request.environment)
    subject = Subject(environment=path, python=None, project=request.project)
    machine = look(system, subject)
    there = patient.usable(system, machine.environment, path, request)
    python = patient.interpreter(system, request, there)
    choice = choose(request, target.of_machine(machine, python.version))
    journal = Journal(system, new_id(system))
    empty = Prepared(machine, Plan(choice, path, request.tool), journal)
    if not choice.feasible:
        return empty
    if carried := with_poetry.carried(system, request, machine, say):
        bench = with_poetry.Bench(system, request, machine, there, python, choice, journal)
        made, blocked = with_poetry.plan(bench, path, carried, say)
        return Prepared(machine, made, journal, blocked)
    say(f"asking where torch {choice.torch}+{choice.variant} can be had")
    found = find(system, request, choice, pip_config.read(system, patient.prefixes(system, there)))
    if isinstance(found, Choice):
        return replace(empty, plan=replace(empty.plan, choice=found))
    choice = found.choice
    blocked = tuple(
        finding
        for finding in gates(Case(machine, request.profiles, choice))
        if finding.code not in request.allow
    )
    installed = there.packages if there.kind != "missing" and not request.fresh else ()
    say("resolving packages")
    uv = find_uv(system)
    closed = closure.close(
        system,
        uv,
        manifest(found.requirements, found.source, python.minor),
        python.executable,
        installed,
        uv_installer.environment(found.pip, system.environ, request.find_links),
        builds=found.builds,
    )
    names = {package.name for package in closed.packages}
    damaged = verify.damaged(system, there, names, choice.variant) if installed else frozenset()
    changes = closure.changes(closed.packages, installed, damaged)
    markers = resolve.marker_environment(choice.target)
    conflicts = closure.conflicts(installed, changes, markers)
    installer: Installer = Pip() if request.tool == "pip" else Uv(uv, system.environ)
    job = Job(
        environment=path,
        python=python.executable,
        target_python=patient.python_in(system, path),
        folder=journal.folder,
        source=found.source,
        changes=changes,
        lock=closure.only(closed.lock, [change.package.name for change in changes]),
        pip=found.pip,
        find_links=request.find_links,
        has_pip=there.package("pip") is not None or there.kind == "missing" or request.fresh,
        builds=found.builds,
        from_torch_index=tuple(item.name for item in found.requirements if item.source == "torch"),
    )
    steps = prescribe(
        choice,
        job,
        installer,
        there,
        run=journal.id,
        aside=f"{path}.llmdoctor-{journal.id}",
        fresh=request.fresh or (there.kind == "missing" and system.kind(path) is not None),
        smoke=request.smoke,
        expect={package.name: package.version for package in closed.packages},
        wheels={package.name: package.wheel for package in closed.packages if package.wheel},
    )
    plan = Plan(
        choice=choice,
        environment=path,
        installer=installer.name,
        source=found.source,
        changes=changes,
        kept=len(installed) - sum(change.before is not None for change in changes),
        conflicts=conflicts,
        steps=steps,
    )
    return Prepared(machine, plan, journal, blocked)
