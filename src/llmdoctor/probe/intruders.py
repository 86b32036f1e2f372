"""What an environment's Python runs or imports that is not the environment's own."""

from __future__ import annotations

from typing import NamedTuple

from llmdoctor.machine import Environment, Package, minor_of
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.launchers import parse_shebang
from llmdoctor.probe.packages import MODULES, read_packages
from llmdoctor.probe.paths import absolute, is_windows, join, parent
from llmdoctor.system import System

_HEAD = 512  # bytes of a script that are read

# Scripts by whose wrong Python people lose an afternoon. A bin/ may hold hundreds of others.
_SCRIPTS = ("accelerate", "hf", "huggingface-cli", "pip", "pip3", "torchrun", "transformers")
_SHADOWED = ("torch", *MODULES.values())


class Intruders(NamedTuple):
    """Fields of `Environment`, under their names there."""

    user_site: str | None = None
    user_packages: tuple[Package, ...] = ()
    shadows: tuple[str, ...] = ()
    stale_scripts: tuple[str, ...] = ()


def read_intruders(system: System, environment: Environment, guard: Guard) -> Intruders:
    """Look at the user's own site-packages, at PYTHONPATH and at the scripts in bin/."""
    site = guard(None, _user_site, system, environment)
    return Intruders(
        user_site=site,
        user_packages=read_packages(system, (site,), guard).packages if site else (),
        shadows=guard((), _shadows, system),
        stale_scripts=guard((), _stale_scripts, system, environment),
    )


def _user_site(system: System, environment: Environment) -> str | None:
    """The user's own site-packages, where it is there and this environment's Python reads it.

    A plain venv's does not. An interpreter that is no environment is left out: there the user's
    packages are as they should be.
    """
    reads = environment.kind == "conda" or (
        environment.kind == "venv" and environment.system_site_packages
    )
    if not reads or environment.version is None or system.environ.get("PYTHONNOUSERSITE"):
        return None
    minor = minor_of(environment.version)
    base = system.environ.get("PYTHONUSERBASE")
    if is_windows(system):
        base = base or join(system, system.environ.get("APPDATA") or system.home(), "Python")
        site = join(system, base, f"Python{minor.replace('.', '')}", "site-packages")
    else:
        base = base or join(system, system.home(), ".local")
        site = join(system, base, "lib", f"python{minor}", "site-packages")
    return site if system.exists(site) else None


def _shadows(system: System) -> tuple[str, ...]:
    """The modules of a stack that PYTHONPATH puts before every environment's own."""
    found = []
    for entry in (system.environ.get("PYTHONPATH") or "").split(";" if is_windows(system) else ":"):
        folder = absolute(system, entry) if entry else None
        names = (system.names(folder) if folder else None) or ()
        found += [join(system, str(folder), name) for name in _SHADOWED if name in names]
    return tuple(found)


def _stale_scripts(system: System, environment: Environment) -> tuple[str, ...]:
    """Scripts whose first line names a Python that is gone, or that of another environment."""
    path = environment.path
    if environment.kind not in ("venv", "conda") or path is None or is_windows(system):
        return ()
    found = []
    names = system.names(join(system, path, "bin")) or ()
    for name in (name for name in _SCRIPTS if name in names):
        script = join(system, path, "bin", name)
        head = (system.read_bytes(script, _HEAD) or b"").decode("utf-8", "replace")
        python = parse_shebang(head) if head.startswith("#!") else None
        if python and system.flavour(python).is_absolute() and not _is_own(system, path, python):
            found.append(script)
    return tuple(found)


def _is_own(system: System, path: str, python: str) -> bool:
    """Whether that interpreter is there, and the environment's own."""
    home = parent(system, python, 2)
    return system.exists(python) and system.real_path(home) == system.real_path(path)
