"""What a project asks of `check`: the `[tool.llmdoctor]` table of its pyproject.toml.

docs/reference/policy.md is the same for those who write one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from llmdoctor import checks, wire
from llmdoctor.errors import ProfileError, UnreadableError, UsageError
from llmdoctor.probe.paths import absolute, join, parent
from llmdoctor.probe.toml import get, parse_toml
from llmdoctor.system import System

FailOn = Literal["error", "warning", "never"]
_PLACE = "[tool.llmdoctor]"
_OURS = ("profile", "select", "checks", "fail-on", "ignore")
_OTHERS = ("profiles", "groups")  # see `profiles.places` and `installers.poetry_groups`


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


def read(system: System, folder: str) -> Policy:
    """The policy of the project in `folder`, or of the nearest above it that has one.

    A pyproject.toml without the table is passed over, as with own profiles. One that cannot be read
    at all is a finding of `check`, which says so itself.

    Raises:
        ProfileError: the table has an unknown key, code or value, or an ignore has expired.
    """
    place = absolute(system, folder)
    while True:
        path = join(system, place, "pyproject.toml")
        table = _table(system, path)
        if table is not None:
            return _policy(table, path, system.now()[:10])
        above = parent(system, place)
        if above == place:
            return Policy()
        place = above


def _table(system: System, path: str) -> object:
    try:
        text = system.read_text(path)
    except UnreadableError:
        return None
    if text is None or "llmdoctor" not in text:
        return None
    data, problem = parse_toml(text, path)
    return None if problem else get(data, "tool", "llmdoctor")


def _policy(table: object, path: str, today: str) -> Policy:
    where = f"{path} {_PLACE}"
    if not isinstance(table, dict):
        raise _error(f"{where}: expected a table")
    written: dict[str, Any] = {key: value for key, value in table.items() if key not in _OTHERS}
    for key in written:
        if key not in _OURS:
            from difflib import get_close_matches

            near = get_close_matches(key, (*_OURS, *_OTHERS), n=1)
            meant = f"; did you mean {near[0]!r}?" if near else f" (there are: {', '.join(_OURS)})"
            raise _error(f"{where}: there is no key {key!r}{meant}")
    if isinstance(written.get("profile"), str):
        written["profile"] = [written["profile"]]
    if "fail-on" in written:
        written["fail_on"] = written.pop("fail-on")
    try:
        policy = wire.load(Policy, {**written, "source": path}, "")
    except wire.WireError as error:
        raise _error(
            f"{where}{error.path.replace('.fail_on', '.fail-on')}: {error.expected}"
        ) from None
    _known(policy.select, f"{where} select")
    for item in policy.ignore:
        _fits(item, f"{where} ignore of {item.code or 'no code'}", today)
    return policy


def _known(codes: tuple[str, ...], where: str) -> None:
    try:
        checks.chosen(codes)
    except UsageError as error:
        raise ProfileError(f"{where}: {error.message}", next_command=error.next_command) from None


def _fits(item: Ignore, where: str, today: str) -> None:
    _known((item.code,), where)
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
