"""From a request to a plan for this machine: everything up to the steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from llmdoctor import bundle as bundles
from llmdoctor import closure, resolve, sources, target, verify
from llmdoctor.checks import Case, gates
from llmdoctor.errors import LlmdoctorError, RolledBackError
from llmdoctor.finding import Finding
from llmdoctor.install import compiling, patient, with_poetry
from llmdoctor.install.occupied import CODE as IN_USE
from llmdoctor.install.occupied import occupied
from llmdoctor.install.plans import choose, find_uv
from llmdoctor.install.request import Request
from llmdoctor.install.settled import settled
from llmdoctor.install.supply import Supply, choose_from, from_bundle, from_indexes
from llmdoctor.installers import Installer, Job
from llmdoctor.installers.pip import Pip
from llmdoctor.installers.uv import Uv
from llmdoctor.journal import Journal, new_id
from llmdoctor.machine import Environment, Machine
from llmdoctor.plan import Choice, Plan, Smoke
from llmdoctor.prescribe import prescribe
from llmdoctor.probe import Subject, look
from llmdoctor.probe.paths import absolute
from llmdoctor.system import System
from llmdoctor.wheelhouse import OnBytes, WheelRefusedError


@dataclass(frozen=True)
class Prepared:
    """A plan with what it was made from. `blocked` are findings that forbid carrying it out."""

    machine: Machine
    plan: Plan
    journal: Journal
    request: Request
    blocked: tuple[Finding, ...] = ()


def prepare(
    system: System,
    request: Request,
    say: Callable[[str], None],
    on_bytes: OnBytes | None = None,
) -> Prepared:
    """Everything up to the steps. Asks indexes and fetches single wheels into the user's cache.

    A wheel that does not come, or is not what its address says, is passed over for the next one.

    Raises:
        UsageError: an environment or interpreter that cannot be meant.
        CannotFinishError: no interpreter fits.
        NoSolutionError: the packages cannot be resolved together.
        WheelRefusedError: a wheel cannot be had, and no other one would help.
    """
    while True:
        try:
            return _prepared(system, request, say, on_bytes)
        except WheelRefusedError as error:
            if not error.another or error.file in request.avoid:
                raise
            say(f"{error.message}; looking for another one")
            request = replace(request, avoid=(*request.avoid, error.file))


def another(
    system: System,
    prepared: Prepared,
    failed: RolledBackError,
    say: Callable[[str], None],
    on_bytes: OnBytes | None = None,
) -> Prepared | None:
    """The plan with the next wheel, where one that cannot be imported is what made a run fail.

    None: no single wheel was it, or there is no other one.
    """
    files = {item.name: item.wheel for item in prepared.plan.choice.requirements if item.wheel}
    names = [module.partition(".")[0].replace("_", "-") for module in failed.unimportable]
    avoid = [files[name] for name in names if name in files]
    if not avoid:
        return None
    say(f"{' and '.join(avoid)} cannot be imported here; looking for another one")
    request = replace(prepared.request, avoid=(*prepared.request.avoid, *avoid))
    try:
        found = prepare(system, request, say, on_bytes)
    except LlmdoctorError as error:  # what made the run fail is what the user has to know
        say(f"there is no other one: {error.message}")
        return None
    return found if found.plan.choice.feasible and not found.blocked else None


def _prepared(
    system: System, request: Request, say: Callable[[str], None], on_bytes: OnBytes | None
) -> Prepared:
    request = patient.with_absolute_places(system, request)
    path = patient.absolute(system, request.environment)
    of = None
    if request.bundle is not None:
        of = bundles.read(system, absolute(system, request.bundle))
    subject = Subject(environment=path, python=None, project=request.project)
    machine = look(system, subject)
    there = patient.usable(system, machine.environment, path, request)
    if of and request.python is None and (there.kind == "missing" or request.fresh):
        request = replace(request, python=of.purpose.python)
    python = patient.interpreter(system, request, there)
    facts = replace(target.of_machine(machine, python.version), avoid=request.avoid)
    choice = choose_from(request, facts, of) if of else choose(request, facts)
    journal = Journal(system, request.run or new_id(system))
    empty = Prepared(machine, Plan(choice, path, request.tool), journal, request)
    if not choice.feasible:
        return empty
    if of is None and (carried := with_poetry.carried(system, request, machine, say)):
        bench = with_poetry.Bench(system, request, machine, there, python, choice, journal)
        made, blocked = with_poetry.plan(bench, path, carried, say)
        blocked = (*blocked, *_occupied(system, request, made))
        return Prepared(machine, made, journal, request, blocked)
    if right := _already_right(system, request, there, choice, python.executable):
        return replace(empty, plan=right)
    installed = there.packages if there.kind != "missing" and not request.fresh else ()
    if of:
        supply: Supply | Choice = from_bundle(system, choice, of, say)
    else:
        supply = from_indexes(system, request, choice, there, python, installed, say, on_bytes)
    if isinstance(supply, Choice):
        return replace(empty, plan=replace(empty.plan, choice=supply))
    choice, closed = supply.choice, supply.closed
    case = Case(machine, request.profiles, choice)
    blocked = tuple(
        finding
        for finding in (*gates(case), *compiling.in_the_way(case))
        if finding.code not in request.allow
    )
    names = {package.name for package in closed.packages}
    damaged = verify.damaged(system, there, names, choice.variant) if installed else frozenset()
    changes = closure.changes(closed.packages, installed, damaged)
    markers = resolve.marker_environment(choice.target)
    conflicts = closure.conflicts(installed, changes, markers)
    target_python = (request.in_place and there.executable) or patient.python_in(system, path)
    compiled = compiling.compilations(
        system, machine, choice, changes, str(system.flavour(target_python).parent)
    )
    later = {item.change.package.name for item in compiled}
    now = tuple(change for change in changes if change.package.name not in later)
    installer: Installer = Pip()
    if request.tool != "pip":
        installer = Uv(find_uv(system), system.environ)
    job = Job(
        environment=path,
        python=python.executable,
        target_python=target_python,
        folder=journal.folder,
        source=supply.source,
        changes=now,
        lock=closure.only(closed.lock, [change.package.name for change in now]),
        compilations=compiled,
        pip=supply.pip,
        find_links=request.find_links,
        has_pip=there.package("pip") is not None or there.kind == "missing" or request.fresh,
        builds=supply.builds,
        from_torch_index=supply.from_torch_index,
        fetched={url: system.flavour(place).as_uri() for url, place in supply.fetched.items()},
        wheels=supply.wheels,
    )
    steps = prescribe(
        choice,
        job,
        installer,
        there,
        run=journal.id,
        aside=f"{path}{'/' if request.in_place else ''}.llmdoctor-{journal.id}",
        in_place=request.in_place,
        fresh=request.fresh or (there.kind == "missing" and system.kind(path) is not None),
        smoke=request.smoke,
        expect={package.name: package.version for package in closed.packages},
        wheels={package.name: package.wheel for package in closed.packages if package.wheel},
    )
    plan = Plan(
        choice=choice,
        environment=path,
        installer=installer.name,
        source=supply.source,
        changes=changes,
        kept=len(installed) - sum(change.before is not None for change in changes),
        conflicts=conflicts,
        steps=steps,
    )
    return Prepared(machine, plan, journal, request, (*blocked, *_occupied(system, request, plan)))


def _occupied(system: System, request: Request, plan: Plan) -> tuple[Finding, ...]:
    """What is in the way of changing an environment that is there."""
    if IN_USE in request.allow or not (plan.changes or plan.removals):
        return ()
    return occupied(system, plan.environment)


def _already_right(
    system: System, request: Request, there: Environment, choice: Choice, python: str
) -> Plan | None:
    """The plan where there is nothing to change; None where there is, or may be."""
    markers = resolve.marker_environment(choice.target)
    if request.fresh or not settled(there, choice, markers):
        return None
    names = {package.name for package in there.packages}
    if verify.damaged(system, there, names, choice.variant):
        return None
    assert there.path is not None
    smoke = (Smoke("prove it again: run every attention backend", python, choice.due),)
    return Plan(
        choice,
        there.path,
        request.tool,
        sources.expected(choice),
        kept=len(there.packages),
        steps=smoke if request.reprove else (),
    )
