"""Why a run failed: everything that its programs said is kept, and the cause in it is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from llmdoctor.errors import FailedRunError, UsageError
from llmdoctor.redact import redact_text
from llmdoctor.system import System

if TYPE_CHECKING:
    from llmdoctor.explain import Named


class Watcher(Protocol):
    """Who is told how a run goes on."""

    def step(self, number: int, total: int, text: str) -> None:
        """A step begins."""

    def line(self, text: str) -> None:
        """A program that a step runs says something."""


class Log:
    """Hands on what a watcher is told, and remembers all of it for when the run fails."""

    def __init__(self, watch: Watcher) -> None:
        self._watch = watch
        self._lines: list[str] = []

    def step(self, number: int, total: int, text: str) -> None:
        """A step begins."""
        self._lines.append(f"[{number}/{total}] {text}")
        self._watch.step(number, total, text)

    def line(self, text: str) -> None:
        """A program says something; from the threads that read its two streams."""
        self._lines.append(text.rstrip("\r\n"))
        self._watch.line(text)

    def keep(self, system: System, path: str, why: str, failed: FailedRunError) -> None:
        """Write it down at `path`, and tell the error where it lies and what it says.

        Without secrets and names: such a log is shown to others. A disk that takes no more hides
        nothing of what failed.
        """
        failed.said = redact_text("\n".join([*self._lines, why]), system.home()) + "\n"
        try:
            system.write_bytes(path, failed.said.encode())
        except OSError:
            return
        failed.log = path


def cause(failed: FailedRunError) -> Named | None:
    """The root cause that the log of a failed run shows; None where none is known."""
    from llmdoctor.explain import explain

    try:
        found = explain([failed.said.encode()])
    except UsageError:  # it said nothing
        return None
    return found.causes[0] if found.causes else None
