"""Checks of other packages: named by who wants them, imported only then, never in the way.

A package that is installed beside llmdoctor offers a tuple of checks as an entry point:

    [project.entry-points."llmdoctor.checks"]
    acme = "acme_checks:CHECKS"

A check is code and has to be imported, unlike a profile. So none is unless its name was given. One
that cannot be loaded is a crash of its own row, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points

from llmdoctor.checks import CHECKS, Check
from llmdoctor.checks import see_known as see_codes_known
from llmdoctor.errors import UsageError, nearest
from llmdoctor.finding import Verdict

GROUP = "llmdoctor.checks"


def offered() -> tuple[tuple[str, str], ...]:
    """The names that can be given, each with the package that has it. Nothing is imported."""
    return tuple(sorted((point.name, _package(point)) for point in entry_points(group=GROUP)))


@dataclass(frozen=True)
class Others:
    """Checks of other packages that were asked for by name, and the package of each code.

    `crashes`: a verdict for each name whose checks cannot be loaded.
    """

    checks: tuple[Check, ...]
    origins: Mapping[str, str]
    crashes: tuple[Verdict, ...]

    def named(self, verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
        """The verdicts, those of these checks with their titles and packages, then the crashes."""
        titles = {check.code: check.title for check in self.checks}
        named = (
            replace(item, title=titles[item.code], origin=self.origins[item.code])
            if item.code in titles
            else item
            for item in verdicts
        )
        return (*named, *self.crashes)


def load(names: Sequence[str]) -> Others:
    """The checks of these names, in their order.

    Raises:
        UsageError: no installed package has checks of that name.
    """
    known = {point.name: point for point in entry_points(group=GROUP)}
    checks: list[Check] = []
    origins: dict[str, str] = {}
    crashes: list[Verdict] = []
    for name in dict.fromkeys(names):
        if name not in known:
            there = ", ".join(sorted(known)) or "none is installed"
            raise UsageError(
                f"no installed package has checks called {name!r}{nearest(name, list(known))} "
                f"(there are: {there})",
                next_command="llmdoctor check --list",
            )
        package = _package(known[name])
        try:
            loaded = _loaded(known[name], origins)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a red row instead of no report
            why = f"checks of {package}: {type(error).__name__}: {error}"
            title = f"The checks called {name}"
            crashes.append(Verdict(name, "crash", reason=why, title=title, origin=package))
        else:
            checks += loaded
            origins |= {check.code: package for check in loaded}
    return Others(tuple(checks), origins, tuple(crashes))


def see_known(prefixes: Sequence[str], names: Sequence[str]) -> None:
    """See that each prefix begins a code of ours, or of the checks of these names.

    One that is none of ours is nobody's mistake where some of those cannot be loaded.

    Raises:
        UsageError: a prefix, or a name, is unknown.
    """
    others = load(names)
    if not others.crashes:
        see_codes_known(prefixes, others.checks)


def _loaded(point: EntryPoint, others: Mapping[str, str]) -> tuple[Check, ...]:
    found = point.load()
    checks = tuple(found) if isinstance(found, (tuple, list)) else ()
    if not checks or not all(isinstance(item, Check) for item in checks):
        raise TypeError(f"{point.value} is no tuple of checks")
    taken = {check.code: "llmdoctor's own check" for check in CHECKS}
    taken |= {code: f"a check of {package}" for code, package in others.items()}
    for check in checks:
        if check.code in taken:
            raise ValueError(f"{taken[check.code]} is called {check.code}: rename yours")
        taken[check.code] = "another of these checks"
    return checks


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
