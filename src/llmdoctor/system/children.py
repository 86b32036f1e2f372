"""Children that never outlive their call: time limit, interrupt and output in one place."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from llmdoctor.system import Completed

_GRACE = 5.0  # seconds between asking a child to stop and ending it
_OFTEN = 0.1  # seconds between two questions whether a child is to be stopped


def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str | None,
    timeout: float,
    on_line: Callable[[str], None] | None,
    keep_open: tuple[int, ...],
    stop_when: Callable[[], str | None] | None = None,
) -> Completed:
    """Run `argv` to its end; see `System.run`. `keep_open` are descriptors that it inherits."""
    words = tuple(argv)
    try:
        child = _start(words, environ, cwd, keep_open)
    except FileNotFoundError:
        return Completed(words, None, problem="not found")
    except PermissionError:
        return Completed(words, None, problem="permission denied")
    except OSError as error:  # a script without an interpreter line, a binary of another machine
        return Completed(words, None, problem=(error.strerror or str(error)).lower())
    out, err = _Reader(child.stdout, on_line), _Reader(child.stderr, on_line)
    readers = (out.thread, err.thread)
    problem = None
    deadline = time.monotonic() + timeout
    try:
        problem = _wait(child, deadline, stop_when)
        # a grandchild may hold the pipes open after the child is gone
        patience = min(deadline, time.monotonic() + _GRACE)
        for reader in () if problem else readers:
            reader.join(max(0.0, patience - time.monotonic()))
    finally:  # also when the user interrupts
        _stop(child)
        for reader in readers:
            reader.join(_GRACE)
    code = None if problem else child.returncode
    if failed := out.failed or err.failed:
        raise failed
    if code is not None and code < 0:
        problem, code = f"killed by signal {-code}", None
    return Completed(words, code, "".join(out.lines), "".join(err.lines), problem)


def _wait(
    child: subprocess.Popen[str], deadline: float, stop_when: Callable[[], str | None] | None
) -> str | None:
    """Wait for a child to end; gives why it has to be ended instead."""
    while True:
        left = max(0.0, deadline - time.monotonic())
        try:
            child.wait(min(left, _OFTEN) if stop_when else left)
        except subprocess.TimeoutExpired:
            if time.monotonic() >= deadline:
                return "timeout"
            if stop_when and (why := stop_when()):
                return why
        else:
            return None


def _start(
    argv: tuple[str, ...], environ: Mapping[str, str], cwd: str | None, keep_open: tuple[int, ...]
) -> subprocess.Popen[str]:
    # A group of its own: the terminal's Ctrl-C reaches only the doctor, which then ends the child
    # in its own order, and a time limit ends what the child started as well.
    own_group: dict[str, Any]
    if sys.platform == "win32":  # pragma: no cover - untested on the real system
        own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    else:
        own_group = {"start_new_session": True, "pass_fds": keep_open}
        if keep_open and sys.platform == "linux":
            own_group["preexec_fn"] = _dies_with_its_parent()
    return subprocess.Popen(
        argv,
        env=dict(environ),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        **own_group,
    )


def _dies_with_its_parent() -> Callable[[], object]:
    """What a child does first, so that it ends when the doctor is killed outright (prctl(2)).

    Only for the steps of an install, which run one after the other while no other thread works.
    """
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, signal.SIGKILL)


def end_marked(variable: str, value: str) -> None:
    """End what carries a mark in its environment; see `System.end_marked`."""
    if sys.platform != "linux":
        return
    deadline = time.monotonic() + _GRACE
    while (found := _marked(f"{variable}={value}".encode())) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_OFTEN / 2)


def _marked(mark: bytes) -> list[int]:
    """This user's processes with that entry in their environment, but for this one."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
                if mark in file.read().split(b"\0"):
                    found.append(int(name))
    return found


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Ignore interrupt, end and hang-up signals; see `System.uninterrupted`."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


class _Reader:
    """Reads a stream of a child to its end in a thread, whatever becomes of who is told."""

    def __init__(self, stream: IO[str] | None, on_line: Callable[[str], None] | None) -> None:
        assert stream is not None
        self._stream = stream
        self._on_line = on_line
        self.lines: list[str] = []
        self.failed: Exception | None = None  # what `on_line` raised
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with contextlib.suppress(ValueError), self._stream:  # ValueError: closed while reading
            for line in self._stream:
                self.lines.append(line)
                if self._on_line is not None and self.failed is None:
                    try:
                        self._on_line(line.rstrip("\r\n"))
                    except Exception as error:  # noqa: BLE001 - raised again where `run` was called
                        self.failed = error


def _stop(child: subprocess.Popen[str]) -> None:
    """End a child and its group: ask first, then insist; at once when interrupted once more."""
    try:
        if child.poll() is None:
            _signal(child, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_GRACE)
    finally:
        if sys.platform != "win32":
            _signal(child, signal.SIGKILL)  # whatever is left of the group
        if child.poll() is None:
            child.kill()
            child.wait()


def _signal(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":  # pragma: no cover - untested on the real system
            child.terminate()
        else:
            os.killpg(child.pid, number)
