"""Find the Python that a new environment is made from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmdoctor.errors import CannotFinishError, UsageError
from llmdoctor.system import System

_TELL = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
_SECONDS = 10.0


@dataclass(frozen=True)
class Interpreter:
    """A Python that starts; `version` is its full version."""

    executable: str
    version: str

    @property
    def minor(self) -> str:
        """Such as "3.12"."""
        return ".".join(self.version.split(".")[:2])


def ask(system: System, executable: str) -> Interpreter | str:
    """Start an interpreter and ask for its version; the reason when it does not start."""
    done = system.run((executable, "-I", "-S", "-c", _TELL), timeout=_SECONDS)
    version = done.out.strip()
    if done.ok and re.fullmatch(r"\d+\.\d+\.\d+", version):
        return Interpreter(executable, version)
    said = done.err.strip().splitlines()
    if not said:
        return done.problem or f"exit code {done.code}"
    return said[-1 if said[0].startswith("Traceback") else 0]


def choose(system: System, wanted: str | None, spec: str) -> Interpreter:
    """The interpreter that `--python` names, or one that `spec` (PEP 440) allows.

    Without a wish: the doctor's own, else the newest on PATH that is in range.

    Raises:
        UsageError: the one that was named does not exist or does not start.
        CannotFinishError: none in range was found.
    """
    from packaging.specifiers import SpecifierSet

    if wanted is not None:
        return _named(system, wanted)
    allowed = SpecifierSet(spec)
    own = ask(system, system.interpreter())
    if isinstance(own, Interpreter) and allowed.contains(own.version):
        return own
    for number in range(20, 7, -1):
        if f"3.{number}" not in allowed and not allowed.contains(f"3.{number}.0"):
            continue
        path = system.which(f"python3.{number}")
        found = ask(system, path) if path else ""
        if isinstance(found, Interpreter):
            return found
    has = own.version if isinstance(own, Interpreter) else own
    raise CannotFinishError(
        f"no Python in {spec or 'any range'} was found on PATH (llmdoctor runs on {has})",
        next_command="uv python install 3.12",
    )


def _named(system: System, wanted: str) -> Interpreter:
    is_version = re.fullmatch(r"\d+\.\d+", wanted) is not None
    own = ask(system, system.interpreter()) if is_version else ""
    if isinstance(own, Interpreter) and own.minor == wanted:
        return own
    path = system.which(f"python{wanted}") if is_version else system.which(wanted)
    if path is None:
        hint = f"uv python install {wanted}" if is_version else "python3 --version"
        raise UsageError(f"--python {wanted}: there is no such interpreter", next_command=hint)
    found = ask(system, path)
    if isinstance(found, str):
        raise UsageError(
            f"--python {wanted}: {path} does not start: {found}", next_command=f"{path} --version"
        )
    return found
