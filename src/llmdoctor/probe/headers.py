"""Whether the C headers of an environment's Python are there: a compiler needs its Python.h."""

from __future__ import annotations

from llmdoctor.machine import Environment, minor_of
from llmdoctor.probe.paths import is_windows, join, parent
from llmdoctor.system import System


def has_headers(system: System, environment: Environment) -> bool | None:
    """Look below the prefix of the interpreter itself; None where that is not known.

    A venv has no headers of its own. A Mac's Python keeps them in a framework: not looked for.
    """
    if environment.version is None or system.uname().system == "macos":
        return None
    prefixes = []
    if environment.kind == "conda" and environment.path:
        prefixes.append(environment.path)
    if environment.executable:
        real = system.real_path(environment.executable)
        prefixes.append(parent(system, real, 1 if is_windows(system) else 2))
    if environment.base:
        base = environment.base
        prefixes.append(base if is_windows(system) else parent(system, base))
    if not prefixes or environment.kind in ("missing", "broken"):
        return None
    minor = minor_of(environment.version)
    below = ("include",) if is_windows(system) else ("include", f"python{minor}")
    return any(system.exists(join(system, prefix, *below, "Python.h")) for prefix in prefixes)
