"""An install by the project's own Poetry: from its lock, into one environment, under guard.

Poetry itself says beforehand what it would do (`--dry-run`), on the environment that is there or on
an empty one in a scratch folder: markers, groups and extras are then read by the one who installs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from llmdoctor import tags
from llmdoctor.addresses import file_name
from llmdoctor.checks import Case, gates, lock_gates
from llmdoctor.errors import CannotFinishError, UsageError
from llmdoctor.finding import Finding
from llmdoctor.install import patient
from llmdoctor.install.plans import find_uv
from llmdoctor.install.request import Request
from llmdoctor.install.supply import unmet
from llmdoctor.installers import CLEARED, Job
from llmdoctor.installers.poetry import QUIET, Operations, Poetry, parse_operations, pinned_to
from llmdoctor.installers.poetry_groups import Carriers, NotCarriedError, carriers
from llmdoctor.installers.uv import Uv
from llmdoctor.interpreters import Interpreter
from llmdoctor.journal import Journal
from llmdoctor.machine import Environment, Machine, Project, Tool
from llmdoctor.plan import Choice, Plan, Reason, Source
from llmdoctor.prescribe import prescribe
from llmdoctor.probe.paths import join
from llmdoctor.probe.poetry_sources import private_sources
from llmdoctor.probe.toml import parse_toml
from llmdoctor.system import System
from llmdoctor.tables import PoetryRules, poetry_rules

ANSWER_WITHIN = 120.0  # seconds for a dry run; a cold Poetry on a busy machine took 13


@dataclass(frozen=True)
class Bench:
    """What an install knows before it is decided who installs."""

    system: System
    request: Request
    machine: Machine
    there: Environment
    python: Interpreter
    choice: Choice
    journal: Journal

    @property
    def installed(self) -> dict[str, str]:
        """Name and version of what is there and stays; nothing where all is built anew."""
        building = self.there.kind == "missing" or self.request.fresh
        packages = () if building else self.there.packages
        return {package.name: package.version for package in packages}


@dataclass(frozen=True)
class Carried:
    """A project whose lock is to be installed, what of it, and the Poetry that does it."""

    project: Project
    carriers: Carriers
    poetry: Tool
    rules: PoetryRules

    def words(self, *, sync: bool) -> tuple[str, ...]:
        """The command without the program."""
        command = self.rules.sync if sync else self.rules.install
        return (*command[1:], *self.carriers.options)


def carried(
    system: System, request: Request, machine: Machine, say: Callable[[str], None]
) -> Carried | None:
    """The project that carries the profiles, where Poetry is to install them; None: it is not.

    With `--installer auto` a project that does not carry them, or cannot be installed by Poetry, is
    passed over, and why is said.

    Raises:
        UsageError: Poetry was asked for, and cannot do it.
    """
    if request.installer not in ("auto", "poetry"):
        return None
    project = machine.project
    if request.installer == "auto" and (project is None or project.tool != "poetry"):
        return None
    try:
        return _carried(system, request, machine)
    except UsageError as error:
        if request.installer == "poetry":
            raise
        say(f"uv installs, not the project's Poetry: {error.message}")
        return None


def _carried(system: System, request: Request, machine: Machine) -> Carried:
    project, poetry = machine.project, machine.tool("poetry")
    if project is None or project.tool != "poetry":
        what = "no pyproject.toml" if project is None else f"no Poetry project ({project.manifest})"
        where = project.root if project else request.project
        raise UsageError(
            f"there is {what} in {where}, and --installer poetry installs from a project's lock",
            next_command=request.again("--installer", "uv"),
        )
    text = system.read_text(join(system, project.root, "pyproject.toml")) or ""
    manifest, problem = parse_toml(text, "pyproject.toml")
    if problem:
        raise UsageError(problem, next_command="llmdoctor check")
    try:
        found = carriers(manifest, request.profiles)
    except NotCarriedError as error:
        raise UsageError(
            f"{project.root}: {error}", next_command=request.again("--installer", "uv")
        ) from None
    if poetry is None:
        raise UsageError(
            "Poetry is not on PATH, and this project is installed by it",
            next_command="uv tool install poetry",
        )
    rules = poetry_rules(poetry.version) if poetry.version else None
    if rules is None:
        raise UsageError(
            f"{poetry.path}: Poetry {poetry.version or 'of unknown version'} is not in the table",
            next_command="poetry --version",
        )
    place = patient.absolute(system, request.environment)
    if poetry.prefix and system.real_path(poetry.prefix) == place:
        raise UsageError(
            f"Poetry itself runs in {place}, which it is to change; it has to be in another",
            next_command="uv tool install poetry",
        )
    if project.lock is None:
        raise UsageError(
            f"{project.root} has no poetry.lock: Poetry would choose versions as it installs",
            next_command="poetry lock",
        )
    return Carried(project, found, poetry, rules)


def plan(
    bench: Bench, path: str, of: Carried, say: Callable[[str], None]
) -> tuple[Plan, tuple[Finding, ...]]:
    """The plan, and findings that forbid carrying it out. Changes nothing.

    Raises:
        CannotFinishError: Poetry does not answer, or refuses; too little room for the snapshot.
    """
    request, choice, installed = bench.request, bench.choice, bench.installed
    case = Case(bench.machine, request.profiles, choice)
    blocked = tuple(
        finding
        for finding in (*lock_gates(case), *gates(case))
        if finding.code not in request.allow
    )
    empty = Plan(choice, path, "poetry")
    if blocked:
        return empty, blocked
    say(f"asking Poetry {of.poetry.version} what it would install")
    # where nothing of the user's is in the environment, the lock is all there is to be
    words = of.words(sync=request.sync or not installed)
    operations = _ask(bench, path, of, words)
    gone = {removal.name for removal in operations.removals}
    after = {name: version for name, version in installed.items() if name not in gone}
    after |= {change.package.name: change.package.version for change in operations.changes}
    if wrong := _unfit(choice, operations, after):
        return replace(empty, choice=replace(choice, feasible=False, reasons=wrong)), ()
    if installed and (operations.changes or operations.removals):
        _see_room(bench.system, path)
    touched = sum(change.before is not None for change in operations.changes)
    source = Source("configured", after["torch"], f"{of.project.root}/poetry.lock")
    made = replace(
        empty,
        source=source,
        changes=operations.changes,
        kept=len(installed) - touched - len(gone),
        removals=operations.removals,
    )
    return _with_steps(bench, made, of, words, after), ()


def _with_steps(
    bench: Bench, made: Plan, of: Carried, words: tuple[str, ...], after: dict[str, str]
) -> Plan:
    system, path, run = bench.system, made.environment, bench.journal.id
    assert made.source is not None
    installer = Poetry(
        of.poetry.path,
        words,
        of.project.root,
        Uv(find_uv(system), system.environ),
        keyring=bool(private_sources(system, of.project.root)),
    )
    job = Job(
        environment=path,
        python=bench.python.executable,
        target_python=patient.python_in(system, path),
        folder=bench.journal.folder,
        source=made.source,
        changes=made.changes,
        removals=made.removals,
    )
    changed = (change.package for change in made.changes)
    names = {item.name for item in made.choice.requirements}
    names |= {package.name for package in changed if package.source != "sdist"}
    missing = bench.there.kind == "missing"
    steps = prescribe(
        made.choice,
        job,
        installer,
        bench.there,
        run=run,
        aside=f"{path}.llmdoctor-{run}",
        fresh=bench.request.fresh or (missing and system.kind(path) is not None),
        smoke=bench.request.smoke,
        expect={name: after[name] for name in sorted(names)},
    )
    return replace(made, steps=steps)


def _ask(bench: Bench, path: str, of: Carried, words: tuple[str, ...]) -> Operations:
    system = bench.system
    with system.scratch() as scratch:
        environment = path
        if not bench.installed and (bench.there.kind == "missing" or bench.request.fresh):
            environment = f"{scratch}/empty"
            uv = (find_uv(system), "venv", "--python", bench.python.executable, "--no-project")
            made = system.run((*uv, environment), env=CLEARED, cwd=scratch)
            if not made.ok:
                raise CannotFinishError(f"no environment can be made: {made.err.strip()}")
        keyring = bool(private_sources(system, of.project.root))
        text = answer(
            system,
            (of.poetry.path, *words, "--dry-run", *QUIET),
            pinned_to(environment, scratch, keyring=keyring),
            of.project.root,
        )
    operations = parse_operations(text, bench.installed)
    if operations is None:
        raise CannotFinishError(
            f"what Poetry {of.poetry.version} says that it would do is not understood:\n"
            + text.strip()[-1000:],
            next_command=bench.request.again("--installer", "uv"),
        )
    return operations


def answer(
    system: System,
    argv: tuple[str, ...],
    env: dict[str, str | None],
    folder: str,
    seconds: float = ANSWER_WITHIN,
) -> str:
    """What Poetry prints.

    Raises:
        CannotFinishError: it says nothing for so long, or ends with an error.
    """
    done = system.run(argv, env=env, cwd=folder, timeout=seconds)
    if done.ok:
        return done.out
    if done.problem == "timeout":
        raise CannotFinishError(
            f"Poetry did not answer within {seconds:.0f} seconds, and nothing was changed; it may "
            "wait for a keyring that nobody unlocks",
            next_command="llmdoctor check --select POETRY",
        )
    said = (done.err.strip() or done.out.strip())[-1500:]
    raise CannotFinishError(
        f"Poetry refuses ({done.problem or f'exit code {done.code}'}), and nothing was changed:\n"
        + said,
        next_command="poetry check --lock",
    )


def _unfit(choice: Choice, operations: Operations, after: dict[str, str]) -> tuple[Reason, ...]:
    """Why what the lock gives is not the profiles, or cannot be installed here."""
    found = unmet(choice, after, "the lock gives")
    reasons = [Reason("not-in-lock", text) for text in found]
    for change in operations.changes:
        name = file_name(change.package.url or "")
        if name.endswith(".whl") and not tags.fits(name, choice.target):
            text = f"the lock wants {name}, which is for another platform or Python"
            reasons.append(Reason("foreign-wheel", text, "poetry-no-wheel-for-python"))
    return tuple(reasons)


def _see_room(system: System, path: str) -> None:
    """See that a copy of the environment fits beside it.

    Raises:
        CannotFinishError: it does not.
    """
    needed, space = _bytes(system, path), system.space(path)
    if space is not None and space.free < needed:
        raise CannotFinishError(
            f"a copy of {path} takes {needed // 10**6} MB, and {space.free // 10**6} MB are free "
            "there (Poetry writes into files, so links are not enough)",
            next_command="llmdoctor history",
        )


def _bytes(system: System, path: str) -> int:
    total = 0
    for name in system.names(path) or ():
        place = str(system.flavour(path, name))
        kind = system.kind(place)
        total += _bytes(system, place) if kind == "folder" else 0
        total += (system.size(place) or 0) if kind == "file" else 0
    return total
