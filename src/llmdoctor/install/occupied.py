"""Who works in an environment right now: its packages would change under a running program.

A program keeps the libraries that it has loaded, and what it imports later comes from the new set:
two versions in one process, which ends in crashes that nobody can explain. Seen on Linux alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from llmdoctor.errors import UnreadableError
from llmdoctor.finding import Finding, Remedy
from llmdoctor.system import System

CODE = "in-use"


def occupied(system: System, environment: str) -> tuple[Finding, ...]:
    """What forbids an install there while programs run from it; nothing where none is seen."""
    running = tuple(_running(system, environment))
    if not running:
        return ()
    return (
        Finding(
            CODE,
            None,
            "error",
            "A program is running from this environment",
            "What it has loaded stays as it is, and what it imports later would come from the "
            "changed packages.",
            running,
            environment,
            Remedy("end it, or restart it right after the install"),
        ),
    )


def _running(system: System, environment: str) -> Iterator[str]:
    """Each Python of the environment: its number, and what it runs without its arguments."""
    own = system.real_path("/proc/self")
    for number in system.names("/proc") or ():
        if not number.isdigit() or own == f"/proc/{number}":
            continue
        try:
            words = _words(system, f"/proc/{number}/cmdline")
            if words and _python(system, f"/proc/{number}", words[0]) == f"{environment}/bin":
                yield f"{number}: {_what(words)}"
        except (UnreadableError, PermissionError):
            continue  # somebody else's, or it has ended


def _words(system: System, path: str) -> list[str]:
    return (system.read_bytes(path) or b"").decode(errors="replace").rstrip("\0").split("\0")


def _python(system: System, process: str, word: str) -> str | None:
    """The folder of the Python that a process was started as; None for another program.

    A shell with an activated environment starts it by its bare name, and PATH says which it is.
    """
    if not PurePosixPath(word).name.startswith("python"):
        return None
    if "/" in word:
        place = PurePosixPath(word)
        if not place.is_absolute():
            place = PurePosixPath(system.real_path(f"{process}/cwd"), word)
        return system.real_path(str(place.parent))
    for entry in _words(system, f"{process}/environ"):
        if entry.startswith("PATH="):
            for folder in entry.removeprefix("PATH=").split(":"):
                if system.exists(f"{folder}/{word}"):
                    return system.real_path(folder)
    return None


def _what(words: list[str]) -> str:
    """Its program and its script or module: arguments can be secret."""
    shown = [PurePosixPath(words[0]).name]
    rest = iter(words[1:])
    for word in rest:
        if word == "-m":
            shown += ["-m", next(rest, "")]
        elif not word.startswith("-"):
            shown.append(PurePosixPath(word).name)
        elif word == "-c":
            shown.append("-c")
        else:
            continue
        break
    return " ".join(shown)
