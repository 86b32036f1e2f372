"""What can go wrong, one class per exit code of the contract.

Every message says what happened and why; `next_command` is what the user may type next.
Each error is shown by `cli/`, and nothing else prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmdoctor.proof import Proof


class LlmdoctorError(Exception):
    """Base of every error that the command line shows without a traceback."""

    exit_code = 3

    def __init__(self, message: str, *, next_command: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_command = next_command


class UsageError(LlmdoctorError):
    """A command line that cannot be meant: unknown option, name, value, or file."""

    exit_code = 2


class ProfileError(LlmdoctorError):
    """A profile, table or snapshot that cannot be read: the file, the place, what was expected."""

    exit_code = 2


class CannotFinishError(LlmdoctorError):
    """The doctor itself could not go on (unreadable place, interpreter that does not start)."""

    exit_code = 3


class FailedRunError(LlmdoctorError):
    """A run failed. `said` is all that its programs said, `log` the file in which that lies."""

    said: str = ""
    log: str | None = None


class RolledBackError(FailedRunError):
    """An install or fix failed, and everything is as it was before.

    `proof` is the smoke test's result where that is what failed; `unimportable` are modules that
    could not be imported, where those are.
    """

    exit_code = 4
    proof: Proof | None = None
    unimportable: tuple[str, ...] = ()


class RollbackIncompleteError(FailedRunError):
    """Something could not be put back after a failure: the message lists what is where."""

    exit_code = 5


class InterruptedRunError(LlmdoctorError):
    """The user stopped the run, and everything is as it was before."""

    exit_code = 130


class UnreadableError(Exception):
    """The door could not look: permission, input/output error or time limit.

    Probe readers do not handle it: the probe turns it into a `Note`, so that a check that needs the
    reader is skipped with this reason.
    """

    def __init__(self, what: str, reason: str, *, status: str = "denied") -> None:
        super().__init__(f"{what}: {reason}")
        self.what = what
        self.reason = reason
        self.status = status


class ReadOnlyError(RuntimeError):
    """Something tried to change the world, or to use the network, through the read-only door."""


def close(word: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known word that is near to one that is not, whatever its case and its dashes."""
    from difflib import get_close_matches  # only a slip of the pen needs it

    spelled = {each.lstrip("-").lower(): each for each in known}
    near = get_close_matches(word.lstrip("-").lower(), spelled, n=1, cutoff=cutoff)
    return spelled[near[0]] if near else None


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?` where a known word is near to one that is not, else nothing."""
    near = close(word, known)
    return f"; did you mean {near!r}?" if near else ""
