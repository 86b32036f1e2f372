"""Locking again: the project's own tool, on a copy of the project, and what it changed.

Poetry and uv run in a scratch folder, with environments there too: many of Poetry's commands make
or remake one as a side effect (seen in every version from 1.8.5 to 2.5.1). Only what they write is
taken from there, and shown before it is put in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from llmdoctor.fix.repair import Bench
from llmdoctor.installers import CLEARED
from llmdoctor.probe.manifest import poetry_tables
from llmdoctor.probe.toml import get, parse_toml
from llmdoctor.probe.uv_workspace import read_workspace
from llmdoctor.redact import redact_text
from llmdoctor.system import System
from llmdoctor.tables import poetry_rules

LOCKS = {"poetry": "poetry.lock", "uv": "uv.lock"}
_SETTINGS = {"poetry": "poetry.toml", "uv": "uv.toml"}
_SECONDS = 300.0  # resolving asks the index for every package
_PACKAGE = re.compile(r'^\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Relocked:
    """The new text of a lock; or `why` there is none, in words for the user."""

    text: str = ""
    why: str | None = None


def relock(
    bench: Bench,
    manifest: str,
    lock: str | None,
    *,
    move: Sequence[str] = (),
    seconds: float = _SECONDS,
) -> Relocked:
    """Lock a manifest anew, keeping the versions of a lock where the manifest allows.

    Args:
        bench: names the project and its tools; its scratch folder takes the copy.
        manifest: the text of pyproject.toml, as it is or as it is going to be.
        lock: the text of the lock to start from; None: every version is chosen anew.
        move: packages whose version is not kept.
        seconds: how long the tool may take.
    """
    system, project = bench.system, bench.machine.project
    if project is None or project.tool not in LOCKS:
        return Relocked(why="nothing that can lock again is known for this lock")
    command = _command(bench, project.tool, move)
    if isinstance(command, Relocked):
        return command
    copy = str(system.flavour(bench.scratch, f"project-{len(system.names(bench.scratch) or ())}"))
    if why := _copy(bench, manifest, copy):
        return Relocked(why=why)
    place = str(system.flavour(copy, LOCKS[project.tool]))
    if lock is not None:
        system.write_bytes(place, lock.encode())
    words = " ".join((project.tool, *command[1:]))
    bench.say(f"{words}, in a copy of the project")
    ask = ("--no-interaction",) if project.tool == "poetry" else ()
    done = system.run((*command, *ask), env=environment(bench.scratch), cwd=copy, timeout=seconds)
    new = system.read_text(place)
    if done.ok and new is not None:
        return Relocked(new)
    said = (done.err.strip() or done.out.strip()).splitlines()[-3:]
    why = done.problem or f"exit code {done.code}"
    told = redact_text(" ".join(said), system.home())  # addresses can carry credentials
    return Relocked(why=f"{words} did not renew it ({why}): {told}")


def environment(scratch: str) -> dict[str, str | None]:
    """Variables for a tool that touches no environment, waits for no keyring, fetches no Python."""
    return {
        **CLEARED,
        "POETRY_KEYRING_ENABLED": "false",
        "POETRY_NO_INTERACTION": "1",
        "POETRY_VIRTUALENVS_IN_PROJECT": "false",
        "POETRY_VIRTUALENVS_PATH": f"{scratch}/virtualenvs",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def differences(before: str, after: str) -> tuple[str, ...]:
    """What two locks say differently: packages that come, go or move."""
    old, new = _versions(before), _versions(after)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    if not changed:
        return (f"all {len(new)} packages keep their versions",)
    return tuple(
        f"{name}: {', '.join(old.get(name, ['absent']))} → {', '.join(new.get(name, ['gone']))}"
        for name in changed
    )


def _versions(lock: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, version in _PACKAGE.findall(lock.replace("\r\n", "\n")):
        found.setdefault(name, []).append(version)
    return {name: sorted(versions) for name, versions in found.items()}


def _command(bench: Bench, name: str, move: Sequence[str]) -> tuple[str, ...] | Relocked:
    """What locks again and keeps pins but those of `move`, in the version that is here."""
    tool = bench.machine.tool(name)
    if name == "uv":
        from llmdoctor.install.plans import find_uv

        upgrades = (word for package in move for word in ("--upgrade-package", package))
        return (tool.path if tool else find_uv(bench.system), "lock", *upgrades)
    if tool is None or tool.version is None:
        return Relocked(why="Poetry is not here, or its version is not known")
    rules = poetry_rules(tool.version)
    if rules is None:
        return Relocked(why=f"Poetry {tool.version} is not in the table")
    if move:
        return (tool.path, "update", "--lock", *move)
    return (tool.path, *rules.lock[1:])


def _copy(bench: Bench, manifest: str, copy: str) -> str | None:
    """Bring what the tool reads into a scratch folder; gives why that cannot be done."""
    system, project = bench.system, bench.machine.project
    assert project is not None
    assert project.tool is not None
    data, problem = parse_toml(manifest, "pyproject.toml")
    if problem:
        return problem
    members = read_workspace(system, project.root, data).members
    for folder in members:
        if _leads_out(system, folder):
            return _beside(folder)
    for folder, member in members.items():
        for path in local_paths(member):
            if why := _link(system, project.root, folder, path, copy):
                return why
        if folder != ".":
            text = system.read_text(str(system.flavour(project.root, folder, "pyproject.toml")))
            system.make_dir(str(system.flavour(copy, folder)))
            target = str(system.flavour(copy, folder, "pyproject.toml"))
            system.write_bytes(target, (text or "").encode())
    system.make_dir(copy)
    system.write_bytes(str(system.flavour(copy, "pyproject.toml")), manifest.encode())
    settings = system.read_text(str(system.flavour(project.root, _SETTINGS[project.tool])))
    if settings is not None:
        name = _SETTINGS[project.tool]
        system.write_bytes(str(system.flavour(copy, name)), settings.encode())
    return None


def _link(system: System, root: str, folder: str, path: str, copy: str) -> str | None:
    """Put a wheel of the project into its copy; gives why that cannot be done."""
    if system.flavour(path).is_absolute() and system.kind(path) == "file":
        return None
    source = str(system.flavour(root, folder, path))
    if _leads_out(system, path) or system.kind(source) != "file":
        return _beside(path)
    target = system.flavour(copy, folder, path)
    system.make_dir(str(target.parent))
    system.link(source, str(target))
    return None


def _leads_out(system: System, path: str) -> bool:
    pure = system.flavour(path)
    return bool(pure.anchor) or ".." in pure.parts


def _beside(path: str) -> str:
    return f"{path} lies beside the project, and a copy would not see it"


def local_paths(manifest: dict[str, Any]) -> Iterator[str]:
    """Every file and folder that a manifest takes a package from."""
    uv = get(manifest, "tool", "uv")
    sources = get(uv, "sources")
    values = sources.values() if isinstance(sources, dict) else ()
    of_uv = (item for value in values for item in (value if isinstance(value, list) else [value]))
    for item in (*poetry_tables(manifest), *of_uv):
        if isinstance(path := get(item, "path"), str):
            yield path
    listed = get(manifest, "project", "dependencies")
    for item in listed if isinstance(listed, list) else ():
        if match := re.search(r"@\s*file:(?://)?([^\s;]+)", str(item)):
            yield match[1]
