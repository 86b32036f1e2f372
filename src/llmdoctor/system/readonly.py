"""The door with its hands tied: what `check` and `plan --assume` look through."""

from __future__ import annotations

from typing import Any, NoReturn

from llmdoctor.errors import ReadOnlyError
from llmdoctor.system import System

_LOOKING = frozenset({
    "flavour", "environ", "uname", "confstr", "cpu_count", "cwd", "home", "state_dir",
    "cache_dir", "interpreter", "now", "kind", "exists", "real_path", "names", "read_bytes",
    "read_text", "read_chunks", "archive", "size", "frees", "which", "space", "has_library", "run",
    "is_mount",
})  # fmt: skip


class ReadOnly:
    """Passes every look on, and refuses changes; the network too, unless it is asked for."""

    def __init__(self, system: System, *, network: bool = False) -> None:
        self._system = system
        self._network = network

    def __getattr__(self, name: str) -> Any:
        if name in _LOOKING or (name == "fetch" and self._network):
            return getattr(self._system, name)

        def refuse(*args: object, **_: object) -> NoReturn:
            raise ReadOnlyError(f"{name}{args!r} through the read-only door")

        return refuse
