"""A machine as text that is small enough to paste, and is judged as the whole one is."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator

from llmdoctor import wire
from llmdoctor.checks import Case, capabilities, run_checks
from llmdoctor.deep import MODULES
from llmdoctor.finding import Finding
from llmdoctor.machine import Machine, Package
from llmdoctor.profile import Profile

_WIDTH = 100  # characters of a line; a string is never broken
_EXTRA = re.compile(r"\bextra\s*==")
_OR = re.compile(r"\bor\b")

Smaller = Callable[[Package], Package | None]


def text(machine: Machine) -> str:
    """The machine as JSON in ASCII, without what `wire.load` fills in.

    ASCII because pasting loses other blanks. A line ends after the first brace: a quoted text is
    known as one by the quote mark there.
    """
    return "\n".join(_lines({"schema": machine.schema, **_sparse(machine)}, broken=True))


def without_extras(machine: Machine) -> Machine:
    """Without the requirements that belong to an extra: nothing is judged by them.

    They are most of an environment's text. One stays of a package that has no others: whether
    there are any says that its metadata was read.
    """

    def smaller(package: Package) -> Package:
        kept = tuple(line for line in package.requires if not _of_an_extra(line))
        return dataclasses.replace(package, requires=kept or package.requires[:1])

    return _each(machine, smaller)


def fitted(
    machine: Machine, wanted: tuple[Profile, ...], room: int
) -> tuple[Machine, tuple[str, ...]]:
    """The machine with so much left out that its text has at most `room` characters.

    What changes its judgement for the wanted profiles stays, so that it may still be longer.

    Returns:
        The machine, and what was left out, in words.
    """
    left: list[str] = []
    if len(text(machine)) <= room:
        return machine, ()
    told = _judged(machine, wanted)
    for words, smaller in _steps(machine, told[0]):
        less = _each(machine, smaller)
        if less != machine and _judged(less, wanted) == told:
            machine = less
            left.append(words)
        if len(text(machine)) <= room:
            break
    return machine, tuple(left)


def _steps(machine: Machine, findings: tuple[Finding, ...]) -> Iterator[tuple[str, Smaller]]:
    """What can be left out, the least missed first."""
    told = repr(findings).lower()
    stack = {module.distribution for module in MODULES}
    packages = (*machine.environment.packages, *machine.environment.user_packages)

    def named(package: Package) -> bool:
        return package.name in stack or package.name in told

    asked = repr([item.requires for item in packages if named(item)]).lower().replace("_", "-")
    yield (
        "the wheel tags and installers of packages",
        lambda package: dataclasses.replace(package, tags=(), installer=None),
    )
    yield (
        "the requirements of packages that no finding names",
        lambda package: package if named(package) else dataclasses.replace(package, requires=()),
    )
    yield (
        "the packages that neither a finding nor a package of the stack names",
        lambda package: package if named(package) or package.name in asked else None,
    )


def _judged(
    machine: Machine, wanted: tuple[Profile, ...]
) -> tuple[tuple[Finding, ...], tuple[tuple[str, ...], ...]]:
    """What is said of a machine; what is chosen for the profiles does not rest on packages."""
    case = Case(machine, wanted)
    verdicts = run_checks(case)
    found = tuple(finding for verdict in verdicts for finding in verdict.findings)
    return found, capabilities(case, verdicts)


def _each(machine: Machine, smaller: Smaller) -> Machine:
    environment = machine.environment
    return dataclasses.replace(
        machine,
        environment=dataclasses.replace(
            environment,
            packages=tuple(filter(None, map(smaller, environment.packages))),
            user_packages=tuple(filter(None, map(smaller, environment.user_packages))),
        ),
    )


def _of_an_extra(requirement: str) -> bool:
    marker = requirement.partition(";")[2]
    return bool(_EXTRA.search(marker)) and not _OR.search(marker)


def _sparse(value: object) -> dict[str, object]:
    """A dataclass as JSON data, without the fields that have their default."""
    assert dataclasses.is_dataclass(value)
    found: dict[str, object] = {}
    for item in dataclasses.fields(value):
        held = getattr(value, item.name)
        if held != _default(item):
            found[item.name] = _data(held)
    return found


def _data(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return _sparse(value)
    if isinstance(value, tuple):
        return [_data(item) for item in value]
    return wire.dump(value)


def _default(item: dataclasses.Field[object]) -> object:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default  # MISSING, which nothing equals, where there is none


def _lines(value: object, indent: str = "", before: str = "", *, broken: bool = False) -> list[str]:
    """JSON in lines, each part on one where it fits; `before` stands on the first."""
    before = indent + before
    flat = before + json.dumps(value, separators=(",", ":"))
    if not isinstance(value, (dict, list)) or (len(flat) <= _WIDTH and not broken):
        return [flat]
    if isinstance(value, dict):
        opening, closing = "{}"
        parts = [_lines(item, indent + " ", f"{json.dumps(key)}:") for key, item in value.items()]
    else:
        opening, closing = "[]"
        parts = [_lines(item, indent + " ") for item in value]
    for part in parts[:-1]:
        part[-1] += ","
    return [before + opening, *(line for part in parts for line in part), indent + closing]
