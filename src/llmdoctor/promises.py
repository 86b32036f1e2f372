"""What profiles promise, against the rows that were run: pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from llmdoctor.profile import Promise
from llmdoctor.proof import SmokeRow

PLACES = {"cpu": "the processor", "gpu": "a GPU"}


def broken(promises: Sequence[Promise], rows: Sequence[SmokeRow]) -> tuple[str, ...]:
    """The promises that the rows do not keep, each with what is wrong.

    What is promised on a GPU is kept where one GPU keeps all of it: a second one, which a build may
    not even have code for, is told of and takes nothing away.
    """
    found = []
    for promise in promises:
        devices = dict.fromkeys(row.device for row in rows if _is_on(row, promise))
        wrong = {
            device: tuple(_wrong(promise, [row for row in rows if row.device == device]))
            for device in devices
        }
        if all(wrong.values()):
            why = "; ".join(text for texts in wrong.values() for text in texts) or "no row ran"
            found.append(f"{promise.rows} on {PLACES[promise.on]}: {why}")
    return tuple(found)


def _is_on(row: SmokeRow, promise: Promise) -> bool:
    return (row.device == "cpu") == (promise.on == "cpu")


def _wrong(promise: Promise, rows: Sequence[SmokeRow]) -> Iterator[str]:
    """What one device does not keep of a promise."""
    meant = [row for row in rows if fnmatchcase(row.name, promise.rows)]
    if not meant:
        yield "no such row ran"
    for mode in dict.fromkeys(row.mode for row in meant):
        of_mode = [row for row in meant if row.mode == mode]
        passed = any(row.outcome == "pass" for row in of_mode)
        bad = [row for row in of_mode if row.bad]
        for row in bad or ([] if passed else of_mode[:1]):
            yield f"{row.name} on {row.device}: {row.outcome}: {row.detail}"
