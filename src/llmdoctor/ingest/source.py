"""Where a report comes from: a file, a pipe or standard input, read to a limit."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from llmdoctor import ingest
from llmdoctor.errors import UnreadableError, UsageError
from llmdoctor.ingest import snapshot
from llmdoctor.machine import Machine
from llmdoctor.pasted import decoded, is_binary
from llmdoctor.probe.paths import absolute
from llmdoctor.system import System

MOST_BYTES = 16 * 1024 * 1024  # a report has some kilobytes, our own saved look some hundred
PATIENCE = 120.0  # seconds for a pipe to end; the slowest of the tools takes about one minute
_CHUNK = 64 * 1024

T = TypeVar("T")


def load(system: System, path: str) -> Machine:
    """The machine that the report in `path` describes; "-" is standard input.

    Raises:
        UsageError: there is none to read, it is too large, does not end, or is no report.
        ProfileError: it is a saved look that is damaged or of another schema.
    """
    name = "standard input" if path == "-" else path
    data = _standard_input() if path == "-" else _file(system, path)
    if data is None:
        raise UsageError(f"--from {path}: there is no such file", next_command=snapshot.SAVE)
    if len(data) > MOST_BYTES:
        raise _too_large(path)
    if not data.strip():
        raise UsageError(f"--from {path}: {name} is empty", next_command=snapshot.SAVE)
    text = decoded(data)
    if is_binary(text):
        raise UsageError(f"--from {path}: {name} is not text", next_command=snapshot.SAVE)
    return ingest.read(text, name)


def _file(system: System, path: str) -> bytes | None:
    place = absolute(system, path)
    try:
        if (system.size(place) or 0) > MOST_BYTES:
            raise _too_large(path)
        if system.kind(place) in ("file", "folder", None):
            return system.read_bytes(place, MOST_BYTES + 1)
        found = patiently(lambda: [system.read_bytes(place, MOST_BYTES + 1) or b""], path)
    except UnreadableError as error:
        raise UsageError(f"--from {path}: {error.reason}", next_command=snapshot.SAVE) from None
    return found


def _standard_input() -> bytes:
    stream = sys.stdin.buffer
    if sys.stdin.isatty():  # a person types or pastes, and may take the time that it takes
        return stream.read(MOST_BYTES + 1)
    # Unbuffered: an interpreter cannot end while another thread holds the buffer's lock.
    raw = getattr(stream, "raw", stream)

    def chunks() -> list[bytes]:
        found, size = [], 0
        while size <= MOST_BYTES and (chunk := raw.read(_CHUNK)):
            found.append(chunk)
            size += len(chunk)
        return found

    return patiently(chunks, "-")


def patiently(reading: Callable[[], list[bytes]], path: str, seconds: float = PATIENCE) -> bytes:
    """Read what may never end, beside a main thread that an interrupt still reaches.

    Raises:
        UsageError: it did not end in time; `path` is what to call it.
    """
    found = in_time(reading, seconds)
    if found is None:
        raise UsageError(
            f"--from {path}: it did not end within {seconds:g} seconds",
            next_command="llmdoctor check --from report.txt",
        )
    return b"".join(found[0])


def first_in_time(chunks: Iterator[bytes], seconds: float) -> Iterator[bytes] | None:
    """The chunks, once the first of them is there or they have ended; None: neither in time."""
    found = in_time(lambda: next(chunks, b""), seconds)
    return None if found is None else itertools.chain(found, chunks)


def in_time(reading: Callable[[], T], seconds: float) -> tuple[T] | None:
    """What `reading` gives, beside a main thread that an interrupt still reaches; None: too late.

    Raises:
        BaseException: whatever `reading` raised.
    """
    from threading import Thread

    found: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            found.append(reading())
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits for it
            errors.append(error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    return (found[0],) if found else None


def _too_large(path: str) -> UsageError:
    shown = "-" if path == "-" else f"'{path}'" if " " in path else path
    return UsageError(
        f"--from {path}: larger than {MOST_BYTES // 2**20} MiB, and a report has some kilobytes",
        next_command="llmdoctor explain" + ("" if shown == "-" else f" {shown}"),
    )
