"""PY001, PY002: an environment whose Python is gone, or whose pyvenv.cfg is missing or garbled.

Its packages are files that fit a minor version of Python. So it is pointed at another Python of
that minor, with `venv --upgrade`, which writes pyvenv.cfg and the links and leaves the packages.
"""

from __future__ import annotations

import re

from llmdoctor import interpreters
from llmdoctor.errors import LlmdoctorError
from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.fix.repairs import scripts
from llmdoctor.installers import CLEARED
from llmdoctor.plan import Remove, Run, Step
from llmdoctor.probe.paths import is_windows, join

_LIB = re.compile(r"python(3\.\d+)")
_LINK = re.compile(r"python(3(\.\d+)?)?")


def damaged(bench: Bench, found: Finding) -> Repair:
    """What was moved gets its scripts pointed at it; what is broken gets a Python again."""
    if bench.machine.environment.kind == "venv":
        return scripts.point_again(bench, found)
    return point_again(bench, found)


def point_again(bench: Bench, found: Finding) -> Repair:
    """Point the environment at a Python of the minor version that its packages are for."""
    system, environment = bench.system, bench.machine.environment
    path = environment.path
    if path is None or is_windows(system):
        return manual(found)
    lib = system.names(join(system, path, "lib")) or ()
    minors = [match[1] for match in map(_LIB.fullmatch, lib) if match]
    if len(minors) != 1:
        return manual(found, "which Python its packages are for cannot be told from lib/")
    try:
        python = interpreters.choose(system, minors[0], "")
    except LlmdoctorError as error:
        return manual(found, f"no Python {minors[0]} is here: {error.message}")
    if python.minor != minors[0] or python.executable.startswith(f"{path}/"):
        return manual(found, f"no Python {minors[0]} is here")
    folder = join(system, path, "bin")
    links = [name for name in system.names(folder) or () if _LINK.fullmatch(name)]
    # venv writes into the file that is there, and the snapshot shares its bytes: it goes first
    old: list[Step] = [Remove("remove the old pyvenv.cfg", join(system, path, "pyvenv.cfg"))]
    old += [Remove(f"remove the old {name}", join(system, folder, name)) for name in links]
    sites = ("--system-site-packages",) if environment.system_site_packages else ()
    argv = (python.executable, "-I", "-m", "venv", "--upgrade", "--without-pip", *sites, path)
    return Repair(
        found.key,
        found.code,
        "ask",
        f"Point the environment at {python.executable} (Python {python.version}); its packages "
        "stay.",
        (*old, Run(f"point {path} at {python.executable}", argv, dict(CLEARED), timeout=120.0)),
        inside=True,
    )
