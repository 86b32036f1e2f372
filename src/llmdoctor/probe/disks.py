"""Room that is written to: the environment, home, temporary files, packages' and models' caches."""

from __future__ import annotations

from llmdoctor.machine import Disk
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.paths import is_windows, join
from llmdoctor.system import System


def read_disks(system: System, guard: Guard, environment: str) -> tuple[Disk, ...]:
    """One entry for each role; "models" only where their cache lies elsewhere than the packages'.

    `environment` is the patient's folder, which need not exist yet.
    """
    disks: list[Disk] = []
    for role, path in _places(system, environment):
        disk = guard(None, _disk, system, role, path)
        if disk and not any(_same_room(disk, other) for other in disks):
            disks.append(disk)
    return tuple(disks)


def _places(system: System, environment: str) -> list[tuple[str, str]]:
    environ, home = system.environ, system.home()
    if is_windows(system):
        local = environ.get("LOCALAPPDATA") or join(system, home, "AppData", "Local")
        temp = environ.get("TEMP") or environ.get("TMP") or join(system, local, "Temp")
        uv = environ.get("UV_CACHE_DIR") or join(system, local, "uv", "cache")
    else:
        temp = environ.get("TMPDIR") or "/tmp"  # noqa: S108 - where installers unpack by default
        caches = environ.get("XDG_CACHE_HOME") or join(system, home, ".cache")
        uv = environ.get("UV_CACHE_DIR") or join(system, caches, "uv")
    models = environ.get("HF_HOME") or join(
        system, environ.get("XDG_CACHE_HOME") or join(system, home, ".cache"), "huggingface"
    )
    return [
        ("environment", environment),
        ("home", home),
        ("temp", temp),
        ("cache", uv),
        ("models", models),
    ]


def _disk(system: System, role: str, path: str) -> Disk | None:
    space = system.space(path)
    return Disk(role, path, space.total, space.free, space.writable) if space else None


def _same_room(one: Disk, other: Disk) -> bool:
    # Free space moves between two looks; the size of a file system tells them apart well enough.
    kind = {"models": "cache"}
    return (kind.get(one.role, one.role), one.total, one.writable) == (
        kind.get(other.role, other.role),
        other.total,
        other.writable,
    )
