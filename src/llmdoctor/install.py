"""The road of an install: look, choose, locate, close, prescribe; then carry out and prove."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from llmdoctor import closure, interpreters, pip_config, resolve, sources, target
from llmdoctor.checks import Case, gates
from llmdoctor.errors import CannotFinishError, UsageError
from llmdoctor.execute import Done, Watcher, execute, recover
from llmdoctor.finding import Finding
from llmdoctor.installers import Installer, Job, manifest
from llmdoctor.installers import uv as uv_installer
from llmdoctor.installers.pip import Pip
from llmdoctor.installers.uv import Uv
from llmdoctor.journal import Entry, Journal, new_id
from llmdoctor.machine import Environment, Machine
from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Alternative, Choice, Plan, Reason, Requirement, Source, Target
from llmdoctor.prescribe import prescribe
from llmdoctor.probe import Subject, look
from llmdoctor.profile import Profile
from llmdoctor.system import System


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    profiles: tuple[Profile, ...]
    known: tuple[Profile, ...]
    environment: str = ".venv"
    python: str | None = None
    installer: str = "auto"
    variant: str = "auto"
    index_url: str | None = None
    find_links: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    smoke: bool = True
    fresh: bool = False


@dataclass(frozen=True)
class Prepared:
    """A plan with what it was made from. `blocked` are findings that forbid carrying it out."""

    machine: Machine
    plan: Plan
    journal: Journal
    blocked: tuple[Finding, ...] = ()


def assumed(request: Request, machine: Target) -> Plan:
    """The plan for an assumed machine: from the tables alone, nothing is read or asked."""
    choice = _choose(request, machine)
    source = sources.expected(choice) if choice.feasible else None
    return Plan(choice, request.environment, _name(request), source)


def resolved(system: System, request: Request, machine: Target) -> Plan:
    """The same with every package that it would install: asks the indexes, reads nothing else."""
    made = assumed(request, machine)
    if not made.choice.feasible:
        return made
    found = _find(system, request, made.choice, pip_config.read(system))
    if isinstance(found, Choice):
        return replace(made, choice=found, source=None)
    closed = closure.close(
        system,
        _uv(system),
        manifest(found.requirements, found.source, machine.python),
        system.interpreter(),
        (),
        uv_installer.environment(found.pip, system.environ, request.find_links),
        uv_installer.platform_options(machine),
    )
    return replace(
        made, source=found.source, changes=closure.changes(closed.packages, ()), choice=found.choice
    )


@dataclass(frozen=True)
class _Found:
    """Where everything comes from."""

    choice: Choice
    source: Source
    requirements: tuple[Requirement, ...]
    pip: PipConfig


def _find(system: System, request: Request, choice: Choice, pip: PipConfig) -> _Found | Choice:
    """Ask the places for the torch build; an infeasible choice when none has it."""
    located = sources.locate(
        system, choice, pip, index_url=request.index_url, find_links=request.find_links
    )
    if located.source is None:
        return _nowhere(choice, located)
    requirements = tuple(
        replace(item, text=f"{item.name} @ {url}", url=url)
        if item.url and (url := sources.mirrored(item.url, system.environ)) != item.url
        else item
        for item in choice.requirements
    )
    choice = replace(choice, rejected=(*choice.rejected, *located.asked))
    return _Found(choice, located.source, requirements, pip)


def prepare(system: System, request: Request, say: Callable[[str], None]) -> Prepared:
    """Everything up to the steps. Asks indexes, changes nothing.

    Raises:
        UsageError: an environment or interpreter that cannot be meant.
        CannotFinishError: no interpreter fits.
        NoSolutionError: the packages cannot be resolved together.
    """
    path = _absolute(system, request.environment)
    subject = Subject(environment=path, python=None, project=system.cwd())
    machine = look(system, subject)
    there = _usable(machine.environment, path, request)
    if request.fresh and path == system.real_path(_own_prefix(system)):
        raise UsageError(
            f"llmdoctor itself runs in {path}; building that anew would take it away",
            next_command=_again(request, "--env", ".venv-llm"),
        )
    python = _interpreter(system, request, there)
    choice = _choose(request, target.of_machine(machine, python.version))
    journal = Journal(system, new_id(system))
    empty = Prepared(machine, Plan(choice, path, _name(request)), journal)
    if not choice.feasible:
        return empty
    blocked = tuple(
        finding
        for finding in gates(Case(machine, request.profiles, choice))
        if finding.code not in request.allow
    )
    say(f"asking where torch {choice.torch}+{choice.variant} can be had")
    found = _find(system, request, choice, pip_config.read(system, _prefixes(system, there)))
    if isinstance(found, Choice):
        return replace(empty, plan=replace(empty.plan, choice=found))
    installed = there.packages if there.kind != "missing" and not request.fresh else ()
    say("resolving packages")
    uv = _uv(system)
    closed = closure.close(
        system,
        uv,
        manifest(found.requirements, found.source, python.minor),
        python.executable,
        installed,
        uv_installer.environment(found.pip, system.environ, request.find_links),
    )
    changes = closure.changes(closed.packages, installed)
    markers = resolve.marker_environment(choice.target)
    conflicts = closure.conflicts(installed, changes, markers)
    installer: Installer = Pip() if _name(request) == "pip" else Uv(uv, system.environ)
    job = Job(
        environment=path,
        python=python.executable,
        target_python=_python_in(system, path),
        folder=journal.folder,
        source=found.source,
        changes=changes,
        lock=closure.only(closed.lock, [change.package.name for change in changes]),
        pip=found.pip,
        find_links=request.find_links,
        has_pip=there.package("pip") is not None or there.kind == "missing" or request.fresh,
        from_torch_index=tuple(item.name for item in found.requirements if item.source == "torch"),
    )
    steps = prescribe(
        choice,
        job,
        installer,
        there,
        aside=f"{path}.llmdoctor-{journal.id}",
        fresh=request.fresh or (there.kind == "missing" and system.kind(path) is not None),
        smoke=request.smoke,
        expect={package.name: package.version for package in closed.packages},
        conflicts=conflicts,
    )
    plan = Plan(
        choice=found.choice,
        environment=path,
        installer=installer.name,
        source=found.source,
        changes=changes,
        kept=len(installed) - sum(change.before is not None for change in changes),
        conflicts=conflicts,
        steps=steps,
    )
    return Prepared(machine, plan, journal, blocked)


def carry_out(system: System, prepared: Prepared, watch: Watcher) -> Done:
    """Execute a prepared plan; the caller holds the environment's lock (`hold`)."""
    return execute(system, prepared.plan, prepared.journal, watch)


def hold(system: System, environment: str, wait: float = 10.0) -> AbstractContextManager[None]:
    """Hold the one lock of an environment."""
    path = _absolute(system, environment)
    name = hashlib.sha256(path.encode()).hexdigest()[:16]
    return system.lock(f"{system.state_dir()}/locks/{name}.lock", wait)


def recover_cut_off(system: System, environment: str) -> tuple[Entry, ...]:
    """Put back what an earlier run on that environment left half-done."""
    return recover(system, _absolute(system, environment))


def _choose(request: Request, machine: Target) -> Choice:
    return resolve.resolve(
        request.profiles, request.known, machine, variant=request.variant, allow=request.allow
    )


def _name(request: Request) -> str:
    return "uv" if request.installer == "auto" else request.installer


def _usable(environment: Environment, path: str, request: Request) -> Environment:
    """The environment, if it is one that may be changed or nothing at all."""
    problem = environment.problem
    if environment.kind == "missing" or (
        environment.kind == "venv" and (request.fresh or not problem)
    ):
        return environment
    if environment.kind in ("venv", "broken"):
        no_environment = "not a Python environment" in (problem or "")
        if request.fresh and not no_environment:
            return environment
        way_out = ("--env", ".venv") if no_environment else ("--env", path, "--fresh")
        raise UsageError(f"{path}: {problem}", next_command=_again(request, *way_out))
    raise UsageError(
        f"{path} is a {environment.kind} environment; llmdoctor changes virtual environments only",
        next_command=_again(request, "--env", ".venv"),
    )


def _again(request: Request, *more: str) -> str:
    """The same install, typed differently."""
    words = [word for profile in request.profiles for word in ("--profile", profile.name)]
    if request.environment != Request.environment and "--env" not in more:
        words += ["--env", request.environment]
    return shlex.join(["llmdoctor", "install", *words, *more])


def _interpreter(system: System, request: Request, there: Environment) -> interpreters.Interpreter:
    if there.kind == "venv" and not request.fresh:
        if there.executable is None or there.version is None:
            raise CannotFinishError(f"{there.path}: the version of its Python is not known")
        minor = ".".join(there.version.split(".")[:2])
        if request.python is not None and request.python not in (minor, there.executable):
            raise UsageError(
                f"{there.path} has Python {there.version}; --python {request.python} needs a new "
                "environment",
                next_command=_again(request, "--fresh", "--python", request.python),
            )
        found = interpreters.ask(system, there.executable)
        if isinstance(found, str):
            raise CannotFinishError(
                f"{there.executable} does not start: {found}",
                next_command=_again(request, "--fresh"),
            )
        return found
    spec = next((profile.python for profile in request.profiles if profile.python), ">=3.10")
    return interpreters.choose(system, request.python, spec)


def _nowhere(choice: Choice, located: sources.Located) -> Choice:
    """A feasible choice whose torch build no place offers."""
    build = f"torch {choice.torch}+{choice.variant}"
    asked = [Reason("no-source", f"{place.candidate}: {place.reason}") for place in located.asked]
    text = f"no place that was asked offers {build}"
    way_out = (
        f"give the folder of a downloaded wheel (--find-links DIR), or an index that has {build} "
        "(--index-url URL)"
    )
    return replace(
        choice,
        feasible=False,
        reasons=(Reason("no-source", text), *asked),
        rejected=(*choice.rejected, *located.asked),
        alternatives=(Alternative(choice.profiles, way_out),),
    )


def _prefixes(system: System, there: Environment) -> tuple[str, ...]:
    """Environments whose own pip configuration counts: the doctor's and the target's."""
    own = _own_prefix(system)
    return tuple(dict.fromkeys([own, *([there.path] if there.path else [])]))


def _own_prefix(system: System) -> str:
    """The environment that the doctor runs in."""
    return str(system.flavour(system.interpreter()).parent.parent)


def _python_in(system: System, environment: str) -> str:
    parts = ("Scripts", "python.exe") if system.uname().system == "windows" else ("bin", "python")
    return str(system.flavour(environment, *parts))


def _absolute(system: System, path: str) -> str:
    """The environment's own path: a link is followed, so that a rename moves the real folder."""
    place = system.flavour(path)
    absolute = place if place.is_absolute() else system.flavour(system.cwd(), path)
    return system.real_path(str(absolute))


def _uv(system: System) -> str:
    """The uv that came with llmdoctor, else the one on PATH (a distribution's package)."""
    from uv import find_uv_bin

    try:
        return find_uv_bin()
    except FileNotFoundError:
        found = system.which("uv")
        if found is None:
            raise CannotFinishError(
                "the uv program is missing from this installation of llmdoctor",
                next_command="python3 -m pip install --force-reinstall uv",
            ) from None
        return found


def fits(system: System, wanted: Sequence[Profile]) -> list[tuple[Profile, Plan]]:
    """What each profile would be on this machine, from the tables alone."""
    from llmdoctor import profiles

    machine = look(system, Subject(environment=None, python=None, project=system.cwd()))
    own = interpreters.ask(system, system.interpreter())
    version = own.version if isinstance(own, interpreters.Interpreter) else "3.12"
    facts = target.of_machine(machine, machine.environment.version or version)
    known = tuple(profiles.builtin().values())
    return [
        (profile, Plan(resolve.resolve([profile], known, facts), ".venv")) for profile in wanted
    ]
