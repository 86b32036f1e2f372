"""What a Python child did: connections, writes, processes and imports, seen by an audit hook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_RUNNER = Path(__file__).with_name("audit_runner.py")
_SPAWNING = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
)
_CHANGING = (
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.removexattr",
    "os.rename",
    "os.rmdir",
    "os.setxattr",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "sqlite3.connect",
)


class Event(NamedTuple):
    """One audit event with its arguments as text (bytes decoded, other objects by their repr)."""

    name: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class AuditedRun:
    """How the child ended and what it did. Its own children are seen being started, not inside."""

    returncode: int
    stdout: str
    stderr: str
    events: tuple[Event, ...]
    modules: frozenset[str]
    finished: bool
    """False if the child was killed or left by os._exit: then *modules* holds the import events only."""

    @property
    def connections(self) -> list[Event]:
        """Everything that reaches for the network: connects, sends, binds and name lookups."""
        quiet = ("socket.__new__", "socket.gethostname")
        return [e for e in self.events if e.name.startswith("socket.") and e.name not in quiet]

    @property
    def writes(self) -> list[Event]:
        """Opens for writing and changes of the file system, the null device left out."""
        return [e for e in self.events if _is_write(e)]

    @property
    def processes(self) -> list[Event]:
        """Every program that was started."""
        started: list[Event] = []
        for event in self.events:
            # Newer Pythons start a Popen by posix_spawn, which reports itself once more.
            is_echo = (
                event.name == "os.posix_spawn"
                and bool(started)
                and (
                    started[-1].name == "subprocess.Popen" and started[-1].args[1] == event.args[1]
                )
            )
            if event.name.startswith(_SPAWNING) and not is_echo:
                started.append(event)
        return started

    def imported(self, package: str) -> bool:
        """Whether *package* or a module in it was loaded, or looked for by an import statement."""
        return any(m == package or m.startswith(f"{package}.") for m in self.modules)


def run_audited(
    target: Sequence[str | Path],
    *,
    python: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str = "",
    timeout: float = 60,
) -> AuditedRun:
    """Run `python *target*` (`["-m", "llmdoctor", "check"]` or `[script, ...]`) and watch it.

    Python writes no bytecode while watched (-B), since that is its doing, not the program's.

    Raises:
        subprocess.TimeoutExpired: the child was killed after *timeout* seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "events.jsonl"
        interpreter = sys.executable if python is None else str(python)
        done = subprocess.run(
            [interpreter, "-B", str(_RUNNER), str(log), *map(str, target)],
            env=None if env is None else dict(env),
            cwd=cwd,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    finished = bool(rows) and rows[-1][0] == "end"
    loaded = rows.pop()[1:] if finished else []
    events = tuple(Event(name, tuple(args)) for name, *args in rows)
    seen = {event.args[0] for event in events if event.name == "import"}
    return AuditedRun(
        done.returncode, done.stdout, done.stderr, events, frozenset(seen.union(loaded)), finished
    )


def _is_write(event: Event) -> bool:
    if event.name == "open":
        return event.args[0] != os.devnull
    return event.name in _CHANGING
