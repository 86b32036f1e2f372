"""How commands speak: reports to stdout or a file, progress and errors to stderr, exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from llmdoctor.errors import CannotFinishError, LlmdoctorError, UnreadableError, UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from llmdoctor.render.terminal import Paper

_NO_MORE: Mapping[str, Callable[[], str]] = {}


def emit(
    document: Mapping[str, Any],
    write: Callable[[Paper], None],
    *,
    format: str,  # noqa: A002 - named as the option is
    output: str | None,
    line: str | None = None,
    more: Mapping[str, Callable[[], str]] = _NO_MORE,
) -> None:
    """Render a report in the asked format and put it where it was asked for.

    `line` is the whole result in one line, for a reader at a terminal who wants no more; `more` are
    the formats that this command has beside those of every command, or in a way of its own. For a
    GitHub runner the job's summary is written, too.
    """
    stream = None if output else sys.stdout
    if format == "json":
        text = json.dumps(document, indent=1, ensure_ascii=not _can_write(_LETTERS, stream))
    elif format in more:
        text = more[format]()
    elif format in ("markdown", "html"):
        text = _sheet(format, document, write)
    elif line is not None:
        text = " ".join("".join(sign if sign.isprintable() else " " for sign in line).split())
    else:
        from llmdoctor.render import terminal

        text = terminal.document(
            write, width=_width(stream), colour=_colour(stream), unicode=_unicode(stream)
        )
    deliver(text, output)
    if format == "github":
        summarise(more.get("markdown", lambda: _sheet("markdown", document, write)))


def _sheet(name: str, document: Mapping[str, Any], write: Callable[[Paper], None]) -> str:
    """What a command writes on paper, as Markdown or as a page."""
    from llmdoctor.render import sheet
    from llmdoctor.system.local import Local

    command = str(document["schema"]).partition("/")[0]
    made = sheet.page if name == "html" else sheet.markdown
    return made(command, write, Local().home())


def deliver(text: str, output: str | None, what: str = "report") -> None:
    """Write a report, or `what` it is, to a file, or to stdout.

    Raises:
        UsageError: the file cannot be written.
        CannotFinishError: stdout cannot.
    """
    try:
        if output is None:
            put(text.removesuffix("\n"))
        else:
            Path(output).write_text(text.removesuffix("\n") + "\n", "utf-8", errors="replace")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        if output is None:
            raise CannotFinishError(
                f"cannot write the report: {why}", next_command="llmdoctor check"
            ) from None
        raise UsageError(f"cannot write the {what} to {output}: {why}") from None


def summarise(text: Callable[[], str]) -> None:
    """Append to the job summary where a GitHub runner asks for one; a failure ends nothing."""
    place = os.environ.get("GITHUB_STEP_SUMMARY")
    if not place:
        return
    try:
        with Path(place).open("a", encoding="utf-8", errors="replace") as summary:
            summary.write(text() + "\n")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        say(f"llmdoctor: cannot write the job summary: {why}")


def afterwards(report: Callable[[], None]) -> None:
    """Report on what is already done: a report that cannot be written is said, and ends nothing.

    The exit code tells what became of the machine, which nothing but the report could say else.
    """
    try:
        report()
    except LlmdoctorError as error:
        say(f"llmdoctor: {error.message}")


def ready(output: str, what: str = "report") -> str:
    """The file to write to, once it is seen, before anything is done, that it can be.

    Raises:
        UsageError: it cannot.
    """
    place = Path(output).expanduser()
    if place.is_dir() or not place.parent.is_dir():
        why = "is a folder" if place.is_dir() else f"there is no folder {place.parent}"
        raise UsageError(
            f"cannot write the {what} to {output}: {why}",
            next_command=shlex.join(["mkdir", "-p", str(place.parent)])
            if not place.is_dir()
            else None,
        )
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise UsageError(f"cannot write the {what} to {output}: no permission")
    return str(place)


def put(text: str) -> None:
    """Write text and a line end to stdout."""
    _write(sys.stdout, text + "\n")


def say(text: str) -> None:
    """A line about what is going on."""
    _tell(text + "\n")


def advise(command: str) -> None:
    """The next command to type. What was typed may hold a password: a log must not."""
    from llmdoctor.addresses import command_without_credentials

    say(f"next: {command_without_credentials(command)}")


def ended(command: Callable[[], int]) -> int:
    """Carry out a command; every way in which it can end becomes the contract's exit code.

    SIGTERM, and SIGHUP when its terminal is closed, end a command as Ctrl-C does, so that it cleans
    up too.
    """
    _open_closed_streams()
    signal.signal(signal.SIGTERM, _interrupt)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)  # unless nohup started it
    try:
        return command()
    except LlmdoctorError as error:
        say(f"llmdoctor: {error.message}")
        if error.next_command:
            advise(error.next_command)
        return error.exit_code
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not end the goodbye
        say("llmdoctor: interrupted")
        return 130
    except UnreadableError as error:
        say(f"llmdoctor: cannot look at {error}")
        advise("llmdoctor check")
        return 3
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"llmdoctor: {where}{(error.strerror or str(error)).lower()}")
        advise("llmdoctor check")
        return 3
    except Exception as error:  # noqa: BLE001 - exit code 1 would say that something was found
        say(
            f"llmdoctor: this is a bug in llmdoctor: {_place(error)}{type(error).__name__}: {error}"
        )
        say("next: please report this line, with what `llmdoctor check --format json` says")
        return 3


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}: " if trace else ""


class Progress:
    """Shows a run as it goes on: a line for each step, and what its program says last."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._live = terminal and not quiet and not os.environ.get("CI")
        self._shown = False
        self._file, self._began, self._first, self._told = "", 0.0, 0, 0.0

    def step(self, number: int, total: int, text: str) -> None:
        """A step begins."""
        self.clear()
        if not self._quiet:
            say(f"[{number}/{total}] {text}")

    def line(self, text: str, *, passing: bool = False) -> None:
        """A program says something: kept on one line at a terminal, written down in a log.

        What is only `passing` is not written down.
        """
        if self._quiet or not text.strip() or (passing and not self._live):
            return
        if not self._live:
            say(f"      {text}")
            return
        width = max(20, _width(sys.stderr) - 8)
        _tell(f"\r\x1b[2K      {text.strip()[:width]}")
        self._shown = True

    def bytes(self, file: str, done: int, of: int | None) -> None:
        """A file comes in: how much, how fast, how long still.

        In a log every ten seconds and once it is there: a line for a small file.
        """
        now = time.monotonic()
        if self._file != file:
            self._file, self._began, self._first = file, now, done
            self._told = 0.0 if self._live else now
        if now - self._told < (0.2 if self._live else 10.0) and done != of:
            return
        self._told = now
        self.line(f"{file}: {_amount(done, of, done - self._first, now - self._began)}")

    def clear(self) -> None:
        """Take away the line of the program that has ended."""
        if self._shown:
            _tell("\r\x1b[2K")
            self._shown = False


def _amount(done: int, of: int | None, came: int, seconds: float) -> str:
    """How far a download is: "120 of 256 MB, 8.1 MB/s, 17 s left"."""
    unit, size = ("kB", 1e3) if (of or done) < 1e6 else ("MB", 1e6)
    words = [f"{done / size:.1f}{f' of {of / size:.1f}' if of else ''} {unit}"]
    rate = came / seconds if seconds > 0.5 else 0.0
    if rate:
        words.append(f"{rate / 1e6:.1f} MB/s")
        if of and of > done:
            words.append(f"{(of - done) / rate:.0f} s left")
    return ", ".join(words)


def ask(question: str, options: Namespace) -> bool:
    """Ask before something the user owns is changed. Without a terminal the answer is no."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        name, *words = options.typed
        say("nothing was changed: this asks before it acts, and there is no terminal to answer at")
        advise(shlex.join(["llmdoctor", name, "--yes", *words]))
        return False
    say(f"{question} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _width(stream: TextIO | None) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return max(40, int(columns))
    try:
        return max(40, os.get_terminal_size(stream.fileno()).columns) if stream else 80
    except (OSError, ValueError):
        return 80


def _colour(stream: TextIO | None) -> bool:
    return (
        stream is not None
        and stream.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )


_SIGNS = "✗✓→·"
_LETTERS = "äж中"


def _unicode(stream: TextIO | None) -> bool:
    """Whether the reader sees more than ASCII. LC_CTYPE says nothing: Python itself may set it."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LANG")
    return stream is None or (locale not in ("C", "POSIX") and _can_write(_SIGNS, stream))


def _can_write(text: str, stream: TextIO | None) -> bool:
    try:
        text.encode("utf-8" if stream is None else stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _open_closed_streams() -> None:
    """A stream that was closed (`>&-`) is one that nobody is at.

    Its number is taken as well: a file opened later would get it, and whatever is said with it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nobody = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, os.fdopen(nobody, mode, encoding="utf-8", closefd=False))


def _tell(text: str) -> None:
    """Write to stderr; a log that takes no more (a full disk, a closed terminal) ends no run."""
    with contextlib.suppress(OSError):
        _write(sys.stderr, text)


def _write(stream: TextIO, text: str) -> None:
    """Write what the stream can show. A reader who has gone ends no run: it is told to nobody.

    Raises:
        OSError: the stream takes no more.
    """
    encoding = stream.encoding or "ascii"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except OSError as error:
        # what is left in its buffer would fail once more, at the very end of the program
        nobody = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, stream.fileno())
        os.close(nobody)
        if not isinstance(error, BrokenPipeError):
            raise
