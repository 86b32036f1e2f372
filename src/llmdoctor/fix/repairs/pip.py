"""PY012: pip is brought back, from the wheel that Python itself carries, or from the index."""

from __future__ import annotations

from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.fix.repairs.anew import reinstalled
from llmdoctor.installers import CLEARED
from llmdoctor.machine import Environment, minor_of
from llmdoctor.plan import Run
from llmdoctor.probe.paths import is_windows, join, parent
from llmdoctor.system import System


def bring_back(bench: Bench, found: Finding) -> Repair:
    """Run ensurepip where the base Python has it (Debian's has not always), else ask the index."""
    system, environment = bench.system, bench.machine.environment
    if environment.executable is None:
        return manual(found)
    bundled = _bundled(system, environment)
    if bundled is None:
        details = ("pip, the newest that the index has",)
        return reinstalled(bench, found, ["pip"], (), details, "Bring pip back, from the index.")
    argv = (environment.executable, "-I", "-m", "ensurepip", "--default-pip")
    return Repair(
        found.key,
        found.code,
        "ask",
        "Bring pip back, from the wheel that the base Python carries.",
        (Run("bring pip back", argv, dict(CLEARED), timeout=120.0),),
        inside=True,
        details=(bundled,),
    )


def _bundled(system: System, environment: Environment) -> str | None:
    """The wheel of pip in the base interpreter's library."""
    if environment.base is None or environment.version is None:
        return None
    lib = (
        join(system, environment.base, "Lib")
        if is_windows(system)
        else join(
            system,
            parent(system, environment.base),
            "lib",
            f"python{minor_of(environment.version)}",
        )
    )
    names = system.names(join(system, lib, "ensurepip", "_bundled")) or ()
    return next((name for name in names if name.startswith("pip-")), None)
