"""From a request to a project's new files: what is there, the choice, the manifest, its lock.

The lock is the project's own tool's, from a copy of the project. No environment is looked into but
for its Python, and none is changed.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from llmdoctor import pip_config, target
from llmdoctor.addresses import has_credentials
from llmdoctor.closure import NoSolutionError
from llmdoctor.errors import UsageError
from llmdoctor.fix.relock import LOCKS, differences, relock
from llmdoctor.fix.repair import Bench
from llmdoctor.install import Request, patient
from llmdoctor.install.plans import Found, choose, find
from llmdoctor.journal import new_id
from llmdoctor.machine import Machine
from llmdoctor.plan import Plan, Source, Step, Target, Write
from llmdoctor.probe import Subject, look
from llmdoctor.probe.paths import absolute, join
from llmdoctor.probe.project import read_project
from llmdoctor.probe.toml import parse_toml
from llmdoctor.profile import Profile
from llmdoctor.system import System
from llmdoctor.write.manifest import NotWritableError, Rewritten, rewrite, stack_of

MANIFEST = "pyproject.toml"


@dataclass(frozen=True)
class WritePlan:
    """What is going to be written. `plan` is the choice behind it; no steps: nothing is to do.

    `changes` are those of the manifest, `moves` those of the lock; `groups` carry the profiles.
    """

    run: str
    project: str
    tool: str
    plan: Plan
    changes: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def command(self) -> str:
        """What carries it out."""
        return "write"

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the journal calls it."""
        return self.plan.choice.profiles

    @property
    def environment(self) -> str:
        """The environment that the project is for: `undo` finds the run by it."""
        return self.plan.environment

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are written."""
        return tuple(step.path for step in self.steps if isinstance(step, Write))


def prepare(
    system: System, request: Request, assumed: Target | None, say: Callable[[str], None]
) -> WritePlan:
    """Everything up to the steps. Asks indexes, and changes nothing of the user's.

    Raises:
        UsageError: there is no project of Poetry or uv, or its manifest cannot be changed.
        NoSolutionError: the tool cannot lock what would be written.
    """
    folder = absolute(system, request.project)
    place, text, tool = project(system, folder)
    request = _with_its_stack(patient.with_absolute_places(system, request), text, tool)
    path = patient.absolute(system, request.environment)
    machine = look(system, Subject(environment=path, python=None, project=folder))
    facts = assumed or _here(system, request, machine, path)
    choice = choose(request, facts)
    found = find(system, request, choice, pip_config.read(system)) if choice.feasible else choice
    run = new_id(system)
    if not isinstance(found, Found):
        return WritePlan(run, folder, tool, Plan(found, path, tool))
    choice = replace(found.choice, requirements=found.requirements)
    source = _in_a_manifest(found.source, request, tool)
    made = WritePlan(run, folder, tool, Plan(choice, path, tool, source))
    _see_no_credentials(made.plan)
    try:
        new = rewrite(text, tool, choice, source, request.known)
    except NotWritableError as error:
        raise UsageError(
            f"{place}: {error}", next_command=_exported(request.profiles, tool)
        ) from None
    return _locked(system, made, machine, (place, text), new, say)


def project(system: System, folder: str) -> tuple[str, str, str]:
    """The manifest's place and text, and whose project it is.

    Raises:
        UsageError: there is no manifest, it is neither tool's, cannot be read or not be written.
    """
    place = system.real_path(join(system, folder, MANIFEST))
    text = system.read_text(place)
    found = read_project(system, folder)
    if text is None or found is None:
        raise UsageError(
            f"there is no {MANIFEST} in {folder}, and --write changes a project's",
            next_command="uv init --bare",
        )
    _, problem = parse_toml(text, MANIFEST)
    if problem:
        raise UsageError(f"{folder}: {problem}", next_command="llmdoctor check --select PROJ")
    if found.tool not in LOCKS:
        raise UsageError(
            f"{place} is no project of Poetry's or uv's: it has neither [tool.poetry] nor "
            "[tool.uv], and there is no lock",
            next_command="uv lock",
        )
    for path in (place, system.real_path(join(system, folder, LOCKS[found.tool]))):
        space = system.space(path) if system.kind(path) is not None else None
        if space is not None and not space.writable:
            raise UsageError(
                f"{path} is read-only, and --write changes it",
                next_command="llmdoctor plan --help",
            )
    return place, text, found.tool


def _with_its_stack(request: Request, text: str, tool: str) -> Request:
    """Add-ons alone are for the stack that the project has a group of."""
    if any(profile.kind == "stack" for profile in request.profiles):
        return request
    stack = stack_of(text, tool, request.known)
    return replace(request, profiles=(stack, *request.profiles)) if stack else request


def _here(system: System, request: Request, machine: Machine, path: str) -> Target:
    there = patient.usable(system, machine.environment, path, request)
    python = patient.interpreter(system, request, there)
    return target.of_machine(machine, python.version)


def _in_a_manifest(source: Source, request: Request, tool: str) -> Source:
    """Where a manifest says that torch comes from: pip's configuration is not in it.

    Raises:
        UsageError: torch lies in a folder or on a page of wheels.
    """
    if not source.by_address:
        return source
    if source.index is None:
        raise UsageError(
            f"torch comes from {source.text}, and a manifest names an index for it: give one by "
            "--index-url, or make a project that takes it by its address",
            next_command=_exported(request.profiles, tool),
        )
    return replace(source, url=source.index)


def _see_no_credentials(plan: Plan) -> None:
    urls = [plan.source.url if plan.source else None, *(i.url for i in plan.choice.requirements)]
    if any(url and has_credentials(url) for url in urls):
        raise UsageError(
            "an index's address holds a user name or a password, and a manifest is shared: give "
            "the address without them, and leave them to netrc or the keyring",
            next_command="llmdoctor plan --help",
        )


def _exported(profiles: Sequence[Profile], tool: str) -> str:
    names = " ".join(f"--profile {profile.spelled}" for profile in profiles)
    return f"llmdoctor plan {names} --export {tool}"


def _locked(
    system: System,
    made: WritePlan,
    machine: Machine,
    manifest: tuple[str, str],
    new: Rewritten,
    say: Callable[[str], None],
) -> WritePlan:
    """The plan with the lock of the new manifest."""
    place, before = manifest
    lock = system.real_path(join(system, made.project, LOCKS[made.tool]))
    old = system.read_text(lock)
    with system.scratch() as scratch:
        fresh = relock(Bench(system, machine, scratch, say), new.text, old)
    if fresh.why:
        raise NoSolutionError(
            f"nothing was changed, since what would be written cannot be locked: {fresh.why}",
            next_command=f"llmdoctor check --project {shlex.quote(made.project)} "
            "--select LOCK --select PROJ",
        )
    names = " + ".join(made.plan.choice.profiles)
    steps = []
    if new.text != before:
        steps.append(Write(f"write {names} into {MANIFEST}", place, new.text))
    if fresh.text != old:
        steps.append(Write("put the renewed lock in place", lock, fresh.text))
    moves = differences(old or "", fresh.text) if fresh.text != old else ()
    return replace(made, changes=new.changes, moves=moves, groups=new.groups, steps=tuple(steps))
