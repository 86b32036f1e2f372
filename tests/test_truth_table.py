"""The resolver's truth table: kinds of machines, profiles, and what has to come out for each.

The cases are data, in `cases/resolver`, one file for each kind of machine. What is expected there was
derived from the sources that `because` names, not from what the resolver says.
"""

from __future__ import annotations

import ast
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from llmdoctor import profiles, resolve, wire
from llmdoctor.errors import ProfileError, UsageError
from llmdoctor.machine import Machine
from llmdoctor.plan import Choice, Requirement, Target
from llmdoctor.profile import Profile
from llmdoctor.target import assume, of_machine

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent / "cases" / "resolver"
RESOLVER = Path(resolve.__file__).parent
KNOWN = tuple(profiles.builtin().values())
OPERATORS = ("=", "<", ">", "~", "!")


@dataclass(frozen=True)
class Case:
    """One row. The machine is `assume`, as the command line takes it, or `machine`, as saved.

    A fit is told by `torch`, a refusal by `code`, a wish that cannot be meant by `usage`, a phrase of
    the error. `packages` gives each requirement's specifier or the pattern of its wheel's file name;
    of several, any. `says` is a phrase of the reason with that `code` (of any reason where it fits),
    `names` one of anything that the plan says. `own` are profiles in TOML, wanted like `profiles`.
    """

    name: str
    because: str
    profiles: list[str]
    assume: list[str] = field(default_factory=list)
    machine: dict[str, Any] | None = None
    python: str = "3.12.7"
    own: list[str] = field(default_factory=list)
    variant: str = "auto"
    allow: list[str] = field(default_factory=list)
    torch: str | None = None
    chosen: list[str] | None = None
    packages: dict[str, Any] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)
    code: str | None = None
    cause: str | None = None
    says: str = ""
    names: str = ""
    offers: list[list[str]] = field(default_factory=list)
    never_offers: list[str] = field(default_factory=list)
    usage: str | None = None

    def wanted(self) -> list[Profile]:
        """The profiles that are asked for."""
        return [*self.owned(), *map(profiles.find, self.profiles)]

    def owned(self) -> list[Profile]:
        """The user's own among them."""
        return [_own(text) for text in self.own]

    def target(self) -> Target:
        """The machine of the row."""
        if self.machine is None:
            return assume(self.assume)
        return of_machine(wire.load(Machine, self.machine), self.python)

    def choice(self) -> Choice:
        """What the resolver says of it."""
        known = (*KNOWN, *self.owned())
        return resolve.resolve(
            self.wanted(), known, self.target(), variant=self.variant, allow=self.allow
        )


@cache
def _own(text: str) -> Profile:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "own.toml")
        path.write_text(text, "utf-8")
        return profiles.find(str(path))


CASES = [
    Case(**row)
    for path in sorted(FOLDER.glob("*.toml"))
    for row in tomllib.loads(path.read_text("utf-8"))["case"]
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_resolver_says_what_is_true(case: Case) -> None:
    if case.usage is not None:
        with pytest.raises((UsageError, ProfileError)) as caught:
            case.choice()
        assert case.usage in str(caught.value)
        return
    choice = case.choice()
    wrong = list(_wrong_fit(case, choice) if case.torch else _wrong_refusal(case, choice))
    if case.names and case.names not in "\n".join(_all_said(choice)):
        wrong.append(f"nothing in the plan says {case.names!r}")
    assert not wrong, _report(case, choice, wrong)


def _wrong_fit(case: Case, choice: Choice) -> Iterator[str]:
    if not choice.feasible:
        yield f"refused, expected torch {case.torch}"
        return
    if f"{choice.torch}+{choice.variant}" != case.torch:
        yield f"torch {choice.torch}+{choice.variant}, expected {case.torch}"
    if case.chosen is not None and list(choice.profiles) != case.chosen:
        yield f"profiles {choice.profiles}, expected {case.chosen}"
    if not any(case.says in reason.text for reason in choice.reasons):
        yield f"no reason says {case.says!r}"
    found = {item.name: item for item in choice.requirements}
    for name, expected in case.packages.items():
        allowed = expected if isinstance(expected, list) else [expected]
        if name not in found:
            yield f"no {name}, expected {expected}"
        elif not any(_is(found[name], wish) for wish in allowed):
            yield f"{found[name].text}, expected {expected}"
    for name in case.without:
        if name in found:
            yield f"{found[name].text}, expected none"


def _is(item: Requirement, wish: str) -> bool:
    if wish.startswith(OPERATORS):
        return item.text == item.name + wish
    return item.url is not None and fnmatchcase(unquote(item.url).rpartition("/")[2], wish)


def _wrong_refusal(case: Case, choice: Choice) -> Iterator[str]:
    if choice.feasible:
        yield f"torch {choice.torch}+{choice.variant}, expected a refusal ({case.code})"
        return
    if not any(
        reason.code == case.code
        and (case.cause is None or reason.cause == case.cause)
        and case.says in reason.text
        for reason in choice.reasons
    ):
        yield f"no reason is {case.code} with cause {case.cause} and says {case.says!r}"
    offered = [list(item.profiles) for item in choice.alternatives]
    for expected in case.offers:
        if expected not in offered:
            yield f"{' '.join(expected)} is not offered"
    for stack in case.never_offers:
        if any(stack in names for names in offered):
            yield f"{stack} is offered"


def _all_said(choice: Choice) -> Iterator[str]:
    yield from (reason.text for reason in choice.reasons)
    yield from (f"{item.candidate}: {item.reason}" for item in choice.rejected)
    yield from (item.text for item in choice.alternatives)


def _report(case: Case, choice: Choice, wrong: list[str]) -> str:
    lines = [
        *wrong,
        f"  because: {case.because}",
        *(f"  {item.code} [{item.cause}]: {item.text}" for item in choice.reasons),
        *(f"  rejected {item.candidate}: {item.reason}" for item in choice.rejected),
        *(f"  offered {' '.join(item.profiles)}: {item.text}" for item in choice.alternatives),
        *(f"  requires {item.text}" for item in choice.requirements),
    ]
    return "\n".join(lines)


# --- that the table covers what there is


def test_the_table_is_large_and_every_row_is_its_own() -> None:
    assert len(CASES) >= 150
    names = [case.name for case in CASES]
    assert sorted(names) == sorted(set(names))


def test_every_row_expects_one_outcome_and_gives_its_ground() -> None:
    for case in CASES:
        told = [case.torch is not None, case.code is not None, case.usage is not None]
        assert told.count(True) == 1, case.name
        assert len(case.because.split()) >= 6, case.name
        assert case.machine is None or not case.assume, case.name


def test_every_shipped_profile_both_fits_and_is_refused_somewhere() -> None:
    fits = {name for case in CASES if case.torch for name in case.profiles}
    refused = {name for case in CASES if case.code for name in case.profiles}
    assert fits >= set(profiles.builtin())
    assert refused >= set(profiles.builtin())


def test_every_exclusion_is_seen_to_hold_and_to_be_overridden() -> None:
    exclusions = {item.code for profile in KNOWN for item in profile.exclusions}
    assert {case.code for case in CASES} >= exclusions
    assert {code for case in CASES for code in case.allow if case.torch} >= exclusions


# Nothing that can be described leads there: the tables of drivers and builds go together, and a
# profile whose torch is in no table is not read.
UNREACHABLE = {"driver-unknown", "torch-unknown"}


def test_every_code_of_a_reason_comes_out_for_some_row() -> None:
    seen = {reason.code for case in CASES if case.usage is None for reason in case.choice().reasons}
    written = set(_codes_written())
    assert written >= {"gpu-architecture", "no-triton", "arm64-flash-attn"}  # they are found at all
    assert written - seen == UNREACHABLE & written


def _codes_written() -> Iterator[str]:
    """Every code that the resolver's source gives a Reason, those of profiles filled in."""
    for path in sorted(RESOLVER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Reason":
                yield from _codes(node.args[0], path)


def _codes(code: ast.expr, path: Path) -> Iterator[str]:
    if isinstance(code, ast.Constant):
        yield str(code.value)
    elif isinstance(code, ast.JoinedStr):
        assert ast.unparse(code) == "f'no-{want.name}'", f"{path}:{code.lineno}"
        packages = [want for profile in KNOWN for want in profile.packages]
        yield from {f"no-{want.name}" for want in packages if want.origin in ("table", "triton")}
    else:
        assert ast.unparse(code) == "exclusion.code", f"{path}:{code.lineno}"
        yield from (item.code for profile in KNOWN for item in profile.exclusions)
