"""What an environment's Python runs or imports that is not the environment's own."""

from __future__ import annotations

from collections.abc import Iterator
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
    pip_gone: bool = False
    activated: str | None = None


def read_intruders(system: System, environment: Environment, guard: Guard) -> Intruders:
    """Look at the user's own site-packages, at PYTHONPATH and at the scripts in bin/."""
    site = guard(None, _user_site, system, environment)
    return Intruders(
        user_site=site,
        user_packages=read_packages(system, (site,), guard).packages if site else (),
        shadows=guard((), _shadows, system),
        stale_scripts=guard((), _stale_scripts, system, environment),
        pip_gone=bool(guard(None, _pip_gone, system, environment)),
        activated=guard(None, _activated, system, environment),
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
    return tuple(script for script, own in _scripts(system, environment, _SCRIPTS) if not own)


def _pip_gone(system: System, environment: Environment) -> bool:
    """Whether pip's own scripts lie in a venv in which nothing imports as pip."""
    if environment.kind != "venv":
        return False
    if not any(own for _, own in _scripts(system, environment, ("pip", "pip3"))):
        return False
    return not any("pip" in (system.names(site) or ()) for site in environment.site_packages)


def _scripts(
    system: System, environment: Environment, wanted: tuple[str, ...]
) -> Iterator[tuple[str, bool]]:
    """Scripts in bin/ that name an interpreter, and whether that is the environment's own."""
    path = environment.path
    if environment.kind not in ("venv", "conda") or path is None or is_windows(system):
        return
    names = system.names(join(system, path, "bin")) or ()
    for name in (name for name in wanted if name in names):
        script = join(system, path, "bin", name)
        head = (system.read_bytes(script, _HEAD) or b"").decode("utf-8", "replace")
        python = parse_shebang(head) if head.startswith("#!") else None
        if python and system.flavour(python).is_absolute():
            yield script, _is_own(system, path, python)


def _activated(system: System, environment: Environment) -> str | None:
    """The environment that this shell has activated, where it is another than the one looked at."""
    if environment.kind not in ("venv", "conda") or environment.path is None:
        return None
    environ = system.environ
    activated = environ.get("VIRTUAL_ENV")
    if not activated and environ.get("CONDA_DEFAULT_ENV") != "base":
        activated = environ.get("CONDA_PREFIX")
    if not activated or system.real_path(activated) == system.real_path(environment.path):
        return None
    return activated


def _is_own(system: System, path: str, python: str) -> bool:
    """Whether that interpreter is there, and the environment's own."""
    home = parent(system, python, 2)
    return system.exists(python) and system.real_path(home) == system.real_path(path)
