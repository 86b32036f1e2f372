"""Runs of llmdoctor in processes of their own that need not import it each time.

A program that has imported every module, and has run none of their functions, waits and is forked
for each run; the child gets its own words, variables, folder and streams, and ends as any program
does. What that hides, the order of imports, has tests of its own (test_startup.py). Where a run
depends on how the interpreter starts, and on Windows, it is started anew.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

# Fixed when a process starts: its encodings, all that PYTHON* asks for, where it looks for libraries.
AT_THE_START = ("LANG", "LC_", "PYTHON", "LD_", "DYLD_")
USUAL = {"LANG": "C.UTF-8"}
Variables = tuple[tuple[str, str], ...]


def run(
    words: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    seconds: float = 120,
) -> subprocess.CompletedProcess[bytes]:
    """`python -B -m llmdoctor WORD...`, with its output.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was killed.
    """
    asked = {key: value for key, value in env.items() if _fixed(key)}
    if (waiting := _waiting_with(asked)) and waiting.free.acquire(blocking=False):
        try:
            return waiting.run(words, cwd, env, stdin, seconds)
        finally:
            waiting.free.release()
    command = [sys.executable, "-B", "-m", "llmdoctor", *words]
    return subprocess.run(
        command, cwd=cwd, env=env, input=stdin, capture_output=True, timeout=seconds
    )


_ASKED_FOR: Counter[Variables] = Counter()


def _waiting_with(asked: Mapping[str, str]) -> Waiting | None:
    """The program that was started with these variables.

    None where Python might not start with them, and where unusual ones are asked for the first
    time, since they may be one test's own.
    """
    variables = tuple(sorted(asked.items()))
    odd = any(name.startswith("PYTHON") and name != "PYTHONIOENCODING" for name in asked)
    if odd or not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
        return None
    _ASKED_FOR[variables] += 1
    return _waiting(variables) if asked == USUAL or _ASKED_FOR[variables] > 1 else None


@functools.cache
def _waiting(variables: Variables) -> Waiting:
    return Waiting(dict(variables))


class Waiting:
    """The program that waits, from the side of the tests."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.free = threading.Lock()
        ours, theirs = socket.socketpair()
        with theirs:
            self._program = subprocess.Popen(
                [sys.executable, "-B", __file__, str(theirs.fileno())],
                env={**{k: v for k, v in os.environ.items() if not _fixed(k)}, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours
        atexit.register(self._end)

    def _end(self) -> None:
        self._socket.close()
        self._program.wait()

    def run(
        self,
        words: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes,
        seconds: float,
    ) -> subprocess.CompletedProcess[bytes]:
        """One run, the words of the child given to it in files."""
        with contextlib.ExitStack() as files:
            given, out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given.write(stdin)
            given.seek(0)
            asked = {"words": list(words), "cwd": str(cwd), "env": dict(env)}
            message = json.dumps(asked).encode()
            self._socket.settimeout(seconds)
            descriptors = [file.fileno() for file in (given, out, err)]
            socket.send_fds(self._socket, [len(message).to_bytes(8, "big")], descriptors)
            self._socket.sendall(message)
            child = int.from_bytes(self._read(8), "big")
            try:
                code = int.from_bytes(self._read(8), "big", signed=True)
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._socket.settimeout(None)
                self._read(8)
                raise subprocess.TimeoutExpired(list(words), seconds) from None
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(list(words), code, out.read(), err.read())

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self._socket.recv(count - len(found))
            assert more, "the program that waits has ended"
            found += more
        return found


def _fixed(variable: str) -> bool:
    return variable.startswith(AT_THE_START)


def _import_all() -> None:
    """Import what llmdoctor consists of, but for what runs in other interpreters."""
    import importlib
    import pkgutil

    import llmdoctor

    for module in pkgutil.walk_packages(llmdoctor.__path__, "llmdoctor."):
        if not module.name.startswith("llmdoctor.inside") and module.name != "llmdoctor.__main__":
            importlib.import_module(module.name)


def _wait(channel: socket.socket) -> list[str] | None:
    """Fork for each run: the words of one in its child; None here, when the tests have ended."""
    while True:
        size, descriptors, _, _ = socket.recv_fds(channel, 8, 3)
        if not size:
            return None
        length, message = int.from_bytes(size, "big"), b""
        while len(message) < length:
            message += channel.recv(length - len(message))
        child = os.fork()
        if child == 0:
            channel.close()
            asked = json.loads(message)
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
                os.close(descriptor)
            os.chdir(asked["cwd"])
            os.environ.clear()
            os.environ.update(asked["env"])
            words: list[str] = asked["words"]
            return words
        for descriptor in descriptors:
            os.close(descriptor)
        channel.sendall(child.to_bytes(8, "big"))
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        channel.sendall(code.to_bytes(8, "big", signed=True))


if __name__ == "__main__":
    _import_all()
    with socket.socket(fileno=int(sys.argv[1])) as _channel:
        _words = _wait(_channel)
    if _words is not None:
        import runpy

        sys.path[0] = str(Path.cwd())  # as -m has it
        sys.argv = ["llmdoctor", *_words]
        runpy.run_module("llmdoctor", run_name="__main__", alter_sys=True)
