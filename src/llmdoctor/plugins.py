"""Checks of other packages: named by who wants them, imported only then, never in the way.

A package that is installed beside llmdoctor offers a tuple of checks as an entry point:

    [project.entry-points."llmdoctor.checks"]
    acme = "acme_checks:CHECKS"

A check is code and has to be imported, unlike a profile. So none is unless its name was given. One
that cannot be loaded is a crash of its own row, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

from llmdoctor.checks import CHECKS, Case, Check
from llmdoctor.errors import UsageError
from llmdoctor.finding import Verdict

GROUP = "llmdoctor.checks"


def offered() -> tuple[tuple[str, str], ...]:
    """The names that can be given, each with the package that has it. Nothing is imported."""
    return tuple(sorted((point.name, _package(point)) for point in entry_points(group=GROUP)))


def run(names: Sequence[str], case: Case) -> tuple[Verdict, ...]:
    """What the checks of these names say of a case, in the order of the names.

    Raises:
        UsageError: no installed package has checks of that name.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known)) or "none is installed"
            raise UsageError(
                f"no installed package has checks called {name!r} (there are: {there})",
                next_command="llmdoctor check --list",
            )
    return tuple(verdict for name in names for verdict in _run(known[name], case))


def _run(point: EntryPoint, case: Case) -> tuple[Verdict, ...]:
    try:
        checks = _loaded(point)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - one red row instead of no report
        why = f"checks of {_package(point)}: {type(error).__name__}: {error}"
        return (Verdict(point.name, "crash", reason=why),)
    return tuple(check.run(case) for check in checks)


def _loaded(point: EntryPoint) -> tuple[Check, ...]:
    found = point.load()
    checks = tuple(found) if isinstance(found, (tuple, list)) else ()
    if not checks or not all(isinstance(item, Check) for item in checks):
        raise TypeError(f"{point.value} is no tuple of checks")
    ours = {check.code for check in CHECKS}
    if taken := [check.code for check in checks if check.code in ours]:
        raise ValueError(f"llmdoctor's own check is called {taken[0]}: rename yours")
    return checks


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
