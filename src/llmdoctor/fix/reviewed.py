"""A plan that somebody reviews first: written to a file, and carried out only if it still holds."""

from __future__ import annotations

import json
from collections.abc import Iterable

from llmdoctor import __version__, saved, wire
from llmdoctor.addresses import has_credentials
from llmdoctor.errors import UsageError
from llmdoctor.fix.repair import FixPlan, paths
from llmdoctor.journal import digest, runs_dir
from llmdoctor.machine import MARK, Machine
from llmdoctor.plan import Step
from llmdoctor.system import System

SCHEMA = "fix-plan/1"
_OF_PROJECT = ("pyproject.toml", "poetry.lock", "poetry.toml", "uv.lock")


def fingerprints(
    system: System, project: str, machine: Machine, steps: Iterable[Step]
) -> dict[str, str | None]:
    """What a plan rests on, with the digest of what lies there now."""
    join = system.flavour
    rests_on = [str(join(project, name)) for name in _OF_PROJECT]
    if machine.environment.path:
        rests_on.append(str(join(machine.environment.path, "pyvenv.cfg")))
    rests_on += machine.environment.site_packages
    rests_on += [path for path in paths(steps) if join(path).name != MARK]
    return {path: _fingerprint(system, path) for path in dict.fromkeys(rests_on)}


def _fingerprint(system: System, path: str) -> str | None:
    """The digest of a file's bytes, or of the names in a folder."""
    names = system.names(path)
    data = "\n".join(names).encode() if names is not None else system.read_bytes(path)
    return None if data is None else digest(data)


def write_plan(system: System, plan: FixPlan, path: str) -> None:
    """Write a plan to a file. It holds what will be written and run, but never a password.

    Raises:
        UsageError: the file cannot be written, or would hold credentials.
    """
    document = {"schema": SCHEMA, "llmdoctor": __version__, "plan": wire.dump(plan)}
    text = json.dumps(document, indent=1)
    if has_credentials(text):
        raise UsageError(
            "the plan needs an address with credentials, and a file that is passed on must not "
            "hold them",
            next_command="llmdoctor fix",
        )
    try:
        system.write_bytes(path, text.encode())
    except OSError as error:
        raise UsageError(f"cannot write the plan to {path}: {error.strerror or error}") from None


def read_plan(system: System, path: str) -> FixPlan:
    """Read a reviewed plan back.

    Raises:
        UsageError: it is none, it was carried out already, or a file has changed since.
    """
    again = "llmdoctor fix --plan-out FILE"
    document = saved.document(system, path, "--plan", schema=SCHEMA, next_command=again)
    try:
        plan = wire.load(FixPlan, document.get("plan"))
    except wire.WireError as error:
        raise UsageError(f"--plan {path} is no plan: {error}", next_command=again) from None
    if plan.run in (system.names(runs_dir(system)) or ()):
        raise UsageError(
            f"--plan {path} was carried out as run {plan.run}", next_command="llmdoctor history"
        )
    for rests_on, known in plan.files.items():
        if _fingerprint(system, rests_on) != known:
            raise UsageError(
                f"--plan {path}: {rests_on} has changed since the plan was made; nothing was done",
                next_command=again,
            )
    return plan
