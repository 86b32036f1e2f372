"""A Python asked about itself where no file tells: the one time that the patient's Python runs.

`-I -S`: nothing of the environment's is imported, no `.pth` file is run.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from llmdoctor.system import System

_QUESTION = (
    "import os, site, sys; print('%d.%d.%d' % sys.version_info[:3], sys.executable, sys.prefix, "
    "os.path.dirname(os.__file__), site.getusersitepackages(), *site.getsitepackages(), sep='\\n')"
)


class Answer(NamedTuple):
    """What an interpreter says; or only `problem`, why it does not start."""

    version: str | None = None
    executable: str | None = None
    prefix: str | None = None
    stdlib: str | None = None
    site_packages: tuple[str, ...] = ()  # the user's own first, existing or not
    problem: str | None = None


def ask(system: System, executable: str) -> Answer:
    """Start that Python for a moment, at most five seconds."""
    done = system.run([executable, "-I", "-S", "-X", "utf8", "-c", _QUESTION], timeout=5.0)
    if done.ok:
        return parse_answer(done.out)
    said = (done.err.strip() or done.out.strip()).splitlines()
    reason = done.problem or f"exit code {done.code}"
    return Answer(problem=f"{executable} does not run: {': '.join([reason, *said[-1:]])}")


def parse_answer(text: str) -> Answer:
    """Read the lines that the question prints."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if len(lines) < 5 or not re.fullmatch(r"[0-9]+(\.[0-9]+){2}", lines[0]):
        return Answer(problem=f"not a Python interpreter: it answered {text.strip()[:100]!r}")
    rest = tuple(line for line in lines[4:] if line)
    # Windows' standard library has no version in its path; there the program's name tells it.
    free_threaded = any(re.search(r"python3\.\d+t(\.exe)?$", line) for line in lines[1:4])
    version = f"{lines[0]}t" if free_threaded else lines[0]
    return Answer(version, lines[1] or None, lines[2] or None, lines[3] or None, rest)
