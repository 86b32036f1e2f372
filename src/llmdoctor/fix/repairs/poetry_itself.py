"""POETRY001 to POETRY003: Poetry is missing, too old for the lock, or in the environment it syncs.

It is installed by `uv tool install` for this user, in an environment of its own. What undoes that
is `uv tool uninstall`, or the version that was there before. A Poetry that pipx or the system
installed is left to them.
"""

from __future__ import annotations

import re

from llmdoctor import pip_config
from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.install.plans import find_uv
from llmdoctor.installers import uv as uv_installer
from llmdoctor.plan import Run
from llmdoctor.probe.paths import is_windows, join
from llmdoctor.system import System
from llmdoctor.tables.read import numbers

_SECONDS = 600.0
_VERSION = re.compile(r"\d+(?:\.\d+)+\w*")


def install(bench: Bench, found: Finding) -> Repair:
    """Install the Poetry that wrote the lock, or else the newest."""
    tools, programs = _folders(bench.system)
    if bench.system.kind(join(bench.system, tools, "poetry")) is not None:
        return manual(
            found, f"it is installed, and {programs} is not on PATH: uv tool update-shell"
        )
    if hidden := _hidden(bench.system, programs):
        return manual(found, hidden)
    step = _install(bench, _generator(bench))
    return Repair(
        found.key, found.code, "ask", "Install Poetry for this user.", (step,), details=_told(step)
    )


def update(bench: Bench, found: Finding) -> Repair:
    """Another version where uv has installed it; else a newer one, where PATH finds that first."""
    system, poetry = bench.system, bench.machine.tool("poetry")
    if poetry is None or poetry.version is None:
        return manual(found)
    tools, programs = _folders(system)
    wanted = _generator(bench)
    if wanted and numbers(wanted) <= numbers(poetry.version):
        wanted = None
    if poetry.prefix == join(system, tools, "poetry"):
        step = _install(bench, wanted, former=poetry.version)
    elif hidden := _hidden(system, programs):
        return manual(found, hidden)
    else:
        step = _install(bench, wanted)
    return Repair(
        found.key, found.code, "ask", "Update Poetry for this user.", (step,), details=_told(step)
    )


def move_out(bench: Bench, found: Finding) -> Repair:
    """Take Poetry out of the project's environment, once there is one elsewhere.

    Its dependencies stay: what was installed by hand may need them, and the next sync removes what
    nothing needs.
    """
    system, environment = bench.system, bench.machine.environment
    inside, project = environment.package("poetry"), bench.machine.project
    if inside is None or environment.kind != "venv" or environment.executable is None:
        return manual(found)
    lock = system.read_text(project.lock.path) if project and project.lock else None
    if '\nname = "poetry"\n' in (lock or ""):
        return manual(found, "the lock lists Poetry itself, so that a sync keeps it")
    there = join(system, str(environment.path), "bin")
    steps: tuple[Run, ...] = ()
    if not any(folder != there for folder in _with_poetry(system)):
        if hidden := _hidden(system, _folders(system)[1], but=there):
            return manual(found, hidden)
        steps = (_install(bench, inside.version),)
    argv = (find_uv(system), "pip", "uninstall", "--python", environment.executable, "poetry")
    pip = pip_config.read(system, (str(environment.path),))
    gone = Run("take Poetry out", argv, uv_installer.environment(pip, system.environ))
    return Repair(
        found.key,
        found.code,
        "ask",
        "Take Poetry out of the project's environment; what it needs stays until the next sync.",
        (*steps, gone),
        inside=True,
        details=tuple(line for step in steps for line in _told(step)),
    )


def _install(bench: Bench, version: str | None, former: str | None = None) -> Run:
    """Install that version, or the newest; what is undone is an install, or a change of version."""
    system = bench.system
    uv = find_uv(system)
    pip = pip_config.read(system)
    env = uv_installer.environment(pip, system.environ)
    command = (
        uv, "tool", "install", *(() if version else ("--upgrade",)),
        *uv_installer.index_options(pip, system.environ),
    )  # fmt: skip
    back = (uv, "tool", "uninstall", "poetry")
    if former:
        back = (uv, "tool", "install", f"poetry=={former}")
    return Run(
        f"install Poetry {version or 'in its newest version'} with `uv tool`",
        (*command, f"poetry=={version}" if version else "poetry"),
        env,
        timeout=_SECONDS,
        undo=back,
        made=join(system, _folders(system)[0], "poetry"),
    )


def _told(step: Run) -> tuple[str, ...]:
    return (f"$ uv {' '.join(step.argv[1:])}", f"taken back by: uv {' '.join(step.undo[1:])}")


def _generator(bench: Bench) -> str | None:
    """The Poetry that wrote the project's lock."""
    project = bench.machine.project
    lock = project.lock if project else None
    match = _VERSION.search((lock.generator if lock and lock.tool == "poetry" else None) or "")
    return match[0] if match else None


def _folders(system: System) -> tuple[str, str]:
    """Where `uv tool` keeps environments, and where it puts programs."""
    uv = find_uv(system)
    tools = system.run((uv, "tool", "dir")).out.strip()
    return tools, system.run((uv, "tool", "dir", "--bin")).out.strip()


def _path(system: System) -> list[str]:
    separator = ";" if is_windows(system) else ":"
    return [entry for entry in (system.environ.get("PATH") or "").split(separator) if entry]


def _with_poetry(system: System) -> list[str]:
    """The folders of PATH in which a Poetry lies, in their order."""
    names = ("poetry", "poetry.exe")
    return [f for f in _path(system) if any(system.exists(join(system, f, name)) for name in names)]


def _hidden(system: System, programs: str, but: str | None = None) -> str | None:
    """Why a Poetry in the folder `programs` would not be the one that PATH finds, if so."""
    path = _path(system)
    if programs not in path:
        return f"{programs} is not on PATH: add it with `uv tool update-shell`, then fix again"
    first = [f for f in _with_poetry(system) if f not in (but, programs)]
    if first and path.index(first[0]) < path.index(programs):
        return f"{join(system, first[0], 'poetry')} comes before {programs} on PATH"
    return None
