"""What a project asks of `check`: the `[tool.llmdoctor]` table of its pyproject.toml.

docs/reference/policy.md is the same for those who write one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from llmdoctor import checks, project_table, wire
from llmdoctor.errors import ProfileError, UnreadableError, UsageError, nearest
from llmdoctor.probe.paths import absolute, join, parent
from llmdoctor.system import System

FailOn = Literal["error", "warning", "never"]
_OURS = ("profile", "select", "checks", "fail-on", "ignore")
# See `profiles.places`, `installers.poetry_groups` and `mirrors`.
_OTHERS = ("profiles", "groups", "mirrors")


@dataclass(frozen=True)
class Ignore:
    """Checks (a prefix of their codes) whose findings are accepted, why, and up to which day."""

    code: str
    reason: str
    until: object = None  # a date, once it was looked at

    @property
    def text(self) -> str:
        """Why a finding is not told."""
        return f"ignored until {self.until}: {self.reason}"


@dataclass(frozen=True)
class Policy:
    """What `check` does where the command line does not say. `source` is its file, or None."""

    profile: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    fail_on: FailOn = "error"
    ignore: tuple[Ignore, ...] = ()
    source: str | None = None


def read(system: System, folder: str, named: Sequence[str] = ()) -> Policy:
    """The policy of the project in `folder`, or of the nearest above it that has one.

    Its codes are ours, or those of the checks of other packages that it or `named` asks for. A
    pyproject.toml of the project itself that is no TOML is a finding of `check`, which says so.

    Raises:
        ProfileError: the table has an unknown key, code or value, or an ignore has expired.
    """
    place = absolute(system, folder)
    own = join(system, place, project_table.FILE)
    found = project_table.nearest(_upwards(system, place), partial(_text, system))
    if found is None or (found.problem and found.path == own):
        return Policy()
    if found.problem:
        raise _error(found.problem)
    return _policy(found, system.now()[:10], named)


def _upwards(system: System, place: str) -> Iterator[str]:
    while True:
        yield join(system, place, project_table.FILE)
        above = parent(system, place)
        if above == place:
            return
        place = above


def _text(system: System, path: str) -> str | None:
    try:
        return system.read_text(path)
    except UnreadableError:  # a finding of `check`
        return None


def _policy(found: project_table.Table, today: str, named: Sequence[str]) -> Policy:
    where = f"{found.path} {project_table.NAME}"
    written = {key: value for key, value in found.data.items() if key not in _OTHERS}
    for key in written:
        if key not in _OURS:
            near = nearest(key, (*_OURS, *_OTHERS)) or f" (there are: {', '.join(_OURS)})"
            raise _error(f"{where}: there is no key {key!r}{near}")
    if isinstance(written.get("profile"), str):
        written["profile"] = [written["profile"]]
    if "fail-on" in written:
        written["fail_on"] = written.pop("fail-on")
    try:
        policy = wire.load(Policy, {**written, "source": found.path}, "")
    except wire.WireError as error:
        raise _error(
            f"{where}{error.path.replace('.fail_on', '.fail-on')}: {error.expected}"
        ) from None
    names = (*policy.checks, *named)
    _known((), policy.checks, f"{where} checks")
    _known(policy.select, names, f"{where} select")
    for item in policy.ignore:
        place = f"{where} ignore of {item.code or 'no code'}"
        _known((item.code,), names, place)
        _fits(item, place, today)
    return policy


def _known(codes: Sequence[str], names: Sequence[str], where: str) -> None:
    """See that codes are those of checks, ours or of the packages with these names."""
    try:
        if names:
            from llmdoctor import plugins

            plugins.see_known(codes, names)
        else:
            checks.see_known(codes)
    except UsageError as error:
        raise ProfileError(f"{where}: {error.message}", next_command=error.next_command) from None


def _fits(item: Ignore, where: str, today: str) -> None:
    if not item.reason.strip():
        raise _error(f"{where}: its reason is empty: say why it is accepted")
    from datetime import date  # only a project with a policy needs it

    if not isinstance(item.until, date):
        given = "it has no date" if item.until is None else f"until is {item.until!r}"
        raise _error(
            f"{where}: {given}, expected the day on which it ends, as in until = 2027-01-31"
        )
    if item.until.isoformat()[:10] < today:
        raise _error(
            f"{where} expired on {item.until} ({item.reason}): mend what it hides, or give it "
            "another day"
        )


def _error(text: str) -> ProfileError:
    return ProfileError(text, next_command="llmdoctor check --list")
