"""Find the Python that a new environment is made from."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmdoctor import tables
from llmdoctor.errors import CannotFinishError, UsageError
from llmdoctor.machine import minor_of
from llmdoctor.system import System
from llmdoctor.tables.read import numbers

if TYPE_CHECKING:  # only an install needs it
    from packaging.specifiers import SpecifierSet

# Whether it is free-threaded only sysconfig says on every system; -S leaves that importable.
_TELL = (
    "import sys, sysconfig; print('%d.%d.%d' % sys.version_info[:3] + "
    "('t' if sysconfig.get_config_var('Py_GIL_DISABLED') else ''))"
)
_WHERE = "import sys; print(sys.executable)"
_SECONDS = 10.0


@dataclass(frozen=True)
class Interpreter:
    """A Python that starts; `version` is its full version, "3.13.0t" where free-threaded."""

    executable: str
    version: str

    @property
    def minor(self) -> str:
        """Such as "3.12", "3.13t"."""
        return minor_of(self.version)


def ask(system: System, executable: str) -> Interpreter | str:
    """Start an interpreter and ask for its version; the reason when it does not start."""
    done = system.run((executable, "-I", "-S", "-c", _TELL), timeout=_SECONDS)
    version = done.out.strip()
    if done.ok and re.fullmatch(r"\d+\.\d+\.\d+t?", version):
        return Interpreter(executable, version)
    said = done.err.strip().splitlines()
    if not said:
        return done.problem or f"exit code {done.code}"
    return said[-1 if said[0].startswith("Traceback") else 0]


def choose(system: System, wanted: str | None, spec: str) -> Interpreter:
    """The interpreter that `--python` names, or one that `spec` (PEP 440) allows.

    Without a wish: the doctor's own, else the newest on PATH, or in pyenv's or uv's own folders,
    that is in range. On Windows the `py` launcher is asked, since installers put no `python3.12`
    on PATH. Free-threaded Pythons are in no range, because wheels have other tags for them.

    Raises:
        UsageError: the one that was named does not exist or does not start.
        CannotFinishError: none in range was found.
    """
    from packaging.specifiers import SpecifierSet

    if wanted is not None:
        return _named(system, wanted)
    allowed = SpecifierSet(spec)
    own = ask(system, system.interpreter())
    if isinstance(own, Interpreter) and _in(allowed, own):
        return own
    offered = [minor for minor in _pythons() if allowed.contains(f"{minor}.0")]
    for minor in reversed(offered):
        for path in _places(system, minor):
            found = ask(system, path)
            if isinstance(found, Interpreter) and _in(allowed, found):
                return found
    has = own.version if isinstance(own, Interpreter) else own
    # From the middle: wheels of extensions come late for new Pythons and end early for old ones.
    get = f"uv python install {offered[len(offered) // 2]}" if offered else "llmdoctor profiles"
    raise CannotFinishError(
        f"no Python in {spec or 'any range'} was found on PATH (llmdoctor runs on {has})",
        next_command=get,
    )


def in_range(system: System, version: str, fits: Callable[[str], bool]) -> Interpreter | str | None:
    """The Python in a range whose minor is nearest to a version: most packages have files for it.

    Without one, the version that is worth to be installed; None where none is in the range.
    """
    at = numbers(minor_of(version))[-1]
    minors = sorted(_pythons(), key=lambda minor: abs(numbers(minor)[-1] - at))
    for found in (found for minor in minors for found in _here(system, minor)):
        if fits(found.version):
            return found
    for minor in minors:
        if fits(f"{minor}.99"):  # so is its newest release, which is what is installed
            return minor
        for patch in reversed(range(99)):
            if fits(f"{minor}.{patch}"):
                return f"{minor}.{patch}"
    return None


def _in(allowed: SpecifierSet, found: Interpreter) -> bool:
    return not found.minor.endswith("t") and allowed.contains(found.version)


def _pythons() -> list[str]:
    """The Pythons that any torch of the table has wheels for, oldest first."""
    every = {python for release in tables.torch_releases() for python in release.python}
    return sorted((python for python in every if not python.endswith("t")), key=numbers)


def _places(system: System, minor: str) -> Iterator[str]:
    """Where a Python of that minor may be: on PATH, then in pyenv's and uv's own folders.

    pyenv puts a shim on PATH for every Python that it has, and the shim fails for those that are
    not switched on.
    """
    if path := _find(system, minor):
        yield path
    home, environ = system.environ.get("HOME"), system.environ
    pyenv = environ.get("PYENV_ROOT") or (home and f"{home}/.pyenv")
    uv = environ.get("UV_PYTHON_INSTALL_DIR") or (home and f"{home}/.local/share/uv/python")
    roots = ((pyenv and f"{pyenv}/versions", f"{minor}."), (uv, f"cpython-{minor}."))
    for root, start in roots:
        for name in reversed(system.names(root) or ()) if root else ():
            if name.startswith(start):
                yield f"{root}/{name}/bin/python"


def _here(system: System, minor: str) -> Iterator[Interpreter]:
    """The Pythons of that minor that start, the doctor's own first."""
    for path in itertools.chain((system.interpreter(),), _places(system, minor)):
        found = ask(system, path)
        if isinstance(found, Interpreter) and found.minor == minor:
            yield found


def _find(system: System, minor: str) -> str | None:
    """Where a Python of that minor is; on Windows as the `py` launcher knows it."""
    path = system.which(f"python{minor}")
    launcher = system.which("py") if path is None and system.uname().system == "windows" else None
    if launcher is None:
        return path
    done = system.run((launcher, f"-{minor}", "-I", "-S", "-c", _WHERE), timeout=_SECONDS)
    return done.out.strip() or None if done.ok else None


def _named(system: System, wanted: str) -> Interpreter:
    is_version = re.fullmatch(r"\d+\.\d+t?", wanted) is not None
    if is_version and (here := next(_here(system, wanted), None)):
        return here
    path = _find(system, wanted) if is_version else system.which(wanted)
    if path is None:
        hint = f"uv python install {wanted}" if is_version else _list(system)
        raise UsageError(f"--python {wanted}: there is no such interpreter", next_command=hint)
    found = ask(system, path)
    if isinstance(found, str):
        raise UsageError(
            f"--python {wanted}: {path} does not start: {found}",
            next_command=shlex.join([path, "--version"]),
        )
    return found


def _list(system: System) -> str:
    return "py --list" if system.uname().system == "windows" else "python3 --version"
