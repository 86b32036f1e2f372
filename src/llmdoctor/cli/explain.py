"""`llmdoctor explain`: name the cause of a failing log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import Progress, emit, say
from llmdoctor.errors import UnreadableError, UsageError

if TYPE_CHECKING:
    from llmdoctor.system import System

_EXAMPLE = "pip install flash-attn 2>&1 | llmdoctor explain -"
# Seconds for the first word: a pipe in a file's place may have nobody at its other end; the one at
# standard input has, and a quiet build says nothing for long. Once it speaks it may take its time.
_FIRST_OF_FILE = 120.0
_FIRST_OF_STANDARD_INPUT = 7200.0
_SIGN_OF_LIFE = 3.0  # seconds of reading between two words of how far it is; a usual log has none


def explain(parser: Parser, words: Sequence[str]) -> int:
    """Read a log from a file or a pipe, and name the root cause with its lines."""
    parser.add_argument("log", metavar="FILE|-", nargs="?", help="The log; - is standard input.")
    parser.flag("--here", text="The log is of this machine: make the remedies exact for it.")
    parser.report()
    parser.examples("llmdoctor explain build.log", _EXAMPLE, "llmdoctor explain --here train.log")
    options = parser.read(words)
    if options.log is None and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError(
            "explain needs a log: a file, or - for standard input", next_command=_EXAMPLE
        )

    from llmdoctor import explain as explaining
    from llmdoctor.render import documents, explanation, github
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    system = ReadOnly(Local())
    where = "-" if options.log is None else options.log
    progress = Progress(quiet=options.quiet)
    try:
        found = explaining.explain(told(log_chunks(system, where), progress.line))
    finally:
        progress.clear()
    if options.here:
        from llmdoctor.diagnose import Question, diagnose

        found = explaining.on_this_machine(found, diagnose(system, Question()))
    found = explaining.redacted(found, system.home())
    if found.cut:
        say(
            f"llmdoctor: read the first {explaining.LIMIT >> 20} MiB; what comes after them was not"
        )
    emit(
        documents.explain(found),
        lambda paper: explanation.explain(found, paper, verbose=options.verbose),
        format=options.format,
        output=options.output,
        line=explanation.one_line(found) if options.quiet else None,
        more={"github": lambda: github.explain(found)},
    )
    return int(not found.causes)


def log_chunks(
    system: System, where: str, *, first_word: float = _FIRST_OF_FILE
) -> Iterator[bytes]:
    """The log's bytes as they come. A named pipe has `first_word` seconds for the first.

    Raises:
        UsageError: there is no such log, or it is a pipe that says nothing.
    """
    if where == "-":
        terminal = sys.stdin.isatty()  # a person pastes, and may take the time that it takes
        chunks = _standard_input()
        yield from chunks if terminal else _spoken(chunks, _FIRST_OF_STANDARD_INPUT, where)
        return
    from llmdoctor.probe.paths import absolute

    place = absolute(system, where)
    try:
        chunks = system.read_chunks(place)
        file = system.kind(place) in ("file", "folder", None)
        yield from chunks if file else _spoken(chunks, first_word, where)
    except FileNotFoundError:
        raise UsageError(f"{where}: there is no such file", next_command=_EXAMPLE) from None
    except UnreadableError as error:
        raise UsageError(f"{where}: {error.reason}", next_command=_EXAMPLE) from None


def told(
    chunks: Iterator[bytes],
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[bytes]:
    """The same chunks; `tell` hears every few seconds how much was read, if it is a MiB more.

    So a long log shows that it is being read, and the log of a slow build stays quiet.
    """
    read = heard = 0
    last = clock()
    for chunk in chunks:
        yield chunk
        read += len(chunk)
        now = clock()
        if now - last >= _SIGN_OF_LIFE and read - heard >= 1 << 20:
            tell(f"read {read >> 20} MiB of the log")
            last, heard = now, read


def _standard_input() -> Iterator[bytes]:
    # Unbuffered: what is there, as its writer may still be at work; and an interpreter cannot end
    # while another thread holds the buffer's lock.
    stream = sys.stdin.buffer
    raw = getattr(stream, "raw", stream)
    while chunk := raw.read(1 << 20):
        yield chunk


def _spoken(chunks: Iterator[bytes], seconds: float, where: str) -> Iterator[bytes]:
    from llmdoctor.ingest.source import first_in_time

    found = first_in_time(chunks, seconds)
    if found is None:
        raise UsageError(
            f"{where}: it said nothing within {seconds:g} seconds", next_command=_EXAMPLE
        )
    return found
