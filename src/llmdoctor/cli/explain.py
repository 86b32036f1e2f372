"""`llmdoctor explain`: name the cause of a failing log."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.output import emit, say
from llmdoctor.errors import UnreadableError, UsageError

if TYPE_CHECKING:
    from io import BufferedReader

    from llmdoctor.system import System

_EXAMPLE = "pip install flash-attn 2>&1 | llmdoctor explain -"


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
    from llmdoctor.render import documents, explanation
    from llmdoctor.system.local import Local
    from llmdoctor.system.readonly import ReadOnly

    system = ReadOnly(Local())
    where = "-" if options.log is None else options.log
    found = explaining.explain(_chunks(system, where))
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
    )
    return int(not found.causes)


def _chunks(system: System, where: str) -> Iterator[bytes]:
    """The log's bytes as they come.

    Raises:
        UsageError: there is no such log.
    """
    if where == "-":
        pipe = cast("BufferedReader", sys.stdin.buffer)
        while chunk := pipe.read1(1 << 20):  # what is there: a pipe's writer may still be at work
            yield chunk
        return
    from llmdoctor.probe.paths import absolute

    try:
        yield from system.read_chunks(absolute(system, where))
    except FileNotFoundError:
        raise UsageError(f"{where}: there is no such file", next_command=_EXAMPLE) from None
    except UnreadableError as error:
        raise UsageError(f"{where}: {error.reason}", next_command=_EXAMPLE) from None
