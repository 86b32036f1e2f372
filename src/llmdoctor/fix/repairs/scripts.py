"""PY011, and PY002 of a moved environment: scripts in bin/ that start another Python."""

from __future__ import annotations

from collections.abc import Iterator

from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.plan import Step, Write
from llmdoctor.probe.environment import parse_activate
from llmdoctor.probe.launchers import parse_shebang
from llmdoctor.probe.paths import is_windows, join, parent
from llmdoctor.system import System

_LONGEST = 120  # a first line longer than 127 bytes is cut by the kernel
_LARGEST = 1 << 20  # bytes; what pip and uv write is far smaller


def point_again(bench: Bench, found: Finding) -> Repair:
    """Write the environment's own place into the scripts and activate files that name another."""
    system, path = bench.system, bench.machine.environment.path
    if path is None or is_windows(system):
        return manual(found)
    if bench.machine.environment.kind == "conda":
        return manual(found, "a conda environment is left to its own tools")
    if len(path) > _LONGEST or " " in path:
        return manual(found, "its path is too long for a script's first line, or has a space in it")
    steps = tuple(_rewritten(system, path))
    if not steps:
        return manual(found)
    return Repair(
        found.key,
        found.code,
        "safe",
        f"Write this environment's place into {len(steps)} of its scripts.",
        steps,
        inside=True,
        details=tuple(step.path for step in steps if isinstance(step, Write)),
    )


def _rewritten(system: System, path: str) -> Iterator[Step]:
    folder = join(system, path, "bin")
    for name in system.names(folder) or ():
        script = join(system, folder, name)
        size = system.size(script)
        if system.kind(script) != "file" or size is None or size > _LARGEST:
            continue
        try:
            text = (system.read_bytes(script) or b"").decode()
        except UnicodeDecodeError:  # a program, not a script
            continue
        old = _home(system, name, text)
        if old and system.real_path(old) != system.real_path(path):
            yield Write(f"point {name} at this environment", script, _moved(text, old, path, name))


def _home(system: System, name: str, text: str) -> str | None:
    """The environment that a script or an activate file says it belongs to."""
    if name == "activate" or name.startswith("activate."):
        return parse_activate(text)
    python = parse_shebang(text[:1024]) if text.startswith("#!") else None
    if not python or not python.startswith("/"):
        return None
    home = parent(system, python, 2)
    # a Python that is there and no environment's was named on purpose
    meant = system.exists(python) and not system.exists(join(system, home, "pyvenv.cfg"))
    return None if meant else home


def _moved(text: str, old: str, new: str, name: str) -> str:
    """A script names its place in its first lines alone, an activate file wherever it needs it."""
    if name.startswith("activate"):
        return text.replace(old, new)
    first, second, *rest = [*text.split("\n", 2), "", ""][:3]
    return "\n".join([first.replace(old, new), second.replace(old, new), *rest])
