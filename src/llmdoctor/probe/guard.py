"""What a reader may get wrong without taking the look down: every refusal becomes a `Note`."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Note, Status

P = ParamSpec("P")
T = TypeVar("T")

_STATUSES: dict[str, Status] = {"denied": "denied", "failed": "failed", "timeout": "timeout"}


class Guard:
    """Runs the looks of one reader: facts beside a failed look survive, and a note names that."""

    def __init__(self, reader: str, notes: list[Note]) -> None:
        self._reader = reader
        self._notes = notes

    def __call__(self, otherwise: T, look: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Give what `look(...)` finds, or `otherwise` and a note."""
        try:
            return look(*args, **kwargs)
        except UnreadableError as error:
            self.note(_STATUSES.get(error.status, "failed"), str(error))
        except Exception as error:  # noqa: BLE001 - the doctor never dies of a sick patient
            self.note("failed", f"{type(error).__name__}: {error}")
        return otherwise

    def named(self, reader: str) -> Guard:
        """The same notes under another name: what fails here is not to take the rest with it."""
        return Guard(reader, self._notes)

    def note(self, status: Status, detail: str) -> None:
        """Write down once that something could not be looked at."""
        note = Note(self._reader, status, detail)
        if note not in self._notes:
            self._notes.append(note)
