"""A machine described by its files and programs: the looking half of the door, all in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from llmdoctor.errors import UnreadableError
from llmdoctor.system import Completed, Space, System, Uname

ROOM = Space(500 * 2**30, 200 * 2**30, writable=True)


@dataclass
class Described:
    """Folders follow from the files in them. A program that is not in `answers` is not found.

    `answers` maps the words of a command line, joined by a blank, to what it prints or to a
    Completed; `links` maps a path to its target; `denied` holds paths that may not be looked at.
    """

    system: str = "linux"
    release: str = "6.8.0-45-generic"
    machine: str = "x86_64"
    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    programs: dict[str, str] = field(default_factory=dict)
    answers: dict[str, str | Completed] = field(default_factory=dict)
    libraries: frozenset[str] = frozenset()
    environ: dict[str, str] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    glibc: str | None = "glibc 2.39"
    house: str = "/home/ann"
    here: str = "/home/ann/project"
    spaces: dict[str, Space] = field(default_factory=dict)

    @property
    def flavour(self) -> type[PurePath]:
        return PureWindowsPath if self.system == "windows" else PurePosixPath

    def uname(self) -> Uname:
        return Uname(self.system, self.release, self.machine)

    def confstr(self, name: str) -> str | None:
        return self.glibc

    def cpu_count(self) -> int | None:
        return 16

    def cwd(self) -> str:
        return self.here

    def home(self) -> str:
        return self.house

    def interpreter(self) -> str:
        return "C:\\llmdoctor\\python.exe" if self.system == "windows" else "/usr/bin/python3"

    def now(self) -> str:
        return "2026-11-20T12:00:00+00:00"

    def kind(self, path: str) -> str | None:
        self._look(path)
        path = self._parent_resolved(path)
        if path in self.links:
            return "link"
        return self._kind(path)

    def exists(self, path: str) -> bool:
        self._look(path)
        return self._kind(self.real_path(path)) is not None

    def real_path(self, path: str) -> str:
        parts = list(self.flavour(path).parts)
        done = parts.pop(0) if parts else ""
        for _ in range(40):
            if not parts:
                return done
            step = str(self.flavour(done, parts.pop(0)))
            if step in self.links:
                target = self.flavour(self.flavour(step).parent, self.links[step])
                flat: list[str] = []
                for part in target.parts:
                    flat = flat[:-1] if part == ".." else [*flat, part]
                parts = [*flat, *parts]
                done = parts.pop(0)
            else:
                done = step
        return path

    def names(self, path: str) -> tuple[str, ...] | None:
        self._look(path)
        parts = self.flavour(self.real_path(path)).parts
        every = [*self.files, *self.links, *self.folders]
        below = (self.flavour(p).parts for p in every)
        found = {p[len(parts)] for p in below if len(p) > len(parts) and p[: len(parts)] == parts}
        return tuple(sorted(found)) if self._kind(self.real_path(path)) == "folder" else None

    def read_text(self, path: str, limit: int | None = None) -> str | None:
        self._look(path)
        text = self.files.get(self.real_path(path))
        return text if text is None or limit is None else text[:limit]

    def read_bytes(self, path: str, limit: int | None = None) -> bytes | None:
        text = self.read_text(path, limit)
        return None if text is None else text.encode()

    def which(self, name: str) -> str | None:
        return self.programs.get(name)

    def space(self, path: str) -> Space | None:
        self._look(path)
        return self.spaces.get(path, ROOM)

    def has_library(self, name: str) -> bool:
        return name in self.libraries

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: str | None = None,
        timeout: float = 60.0,
        on_line: Any = None,
        stop_when: Any = None,
    ) -> Completed:
        answer = self.answers.get(" ".join(argv))
        if answer is None:
            return Completed(tuple(argv), None, problem="not found")
        return Completed(tuple(argv), 0, answer) if isinstance(answer, str) else answer

    def _look(self, path: str) -> None:
        if path in self.denied:
            raise UnreadableError(path, "permission denied")

    def _kind(self, path: str) -> str | None:
        if path in self.files:
            return "file"
        parts = self.flavour(path).parts
        every = [*self.files, *self.links, *self.folders]
        return (
            "folder" if any(self.flavour(p).parts[: len(parts)] == parts for p in every) else None
        )

    def _parent_resolved(self, path: str) -> str:
        pure = self.flavour(path)
        return str(self.flavour(self.real_path(str(pure.parent)), pure.name))


def door(machine: Described) -> System:
    """The machine as what the readers take."""
    return machine  # type: ignore[return-value]


def dist_info(folder: str, name: str, version: str, *, tag: str, sep: str = "/") -> dict[str, str]:
    """The files of one installed wheel, as pip leaves them in a site-packages folder."""
    place = f"{folder}{sep}{name}-{version}.dist-info{sep}"
    return {
        f"{place}METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n\nText\n",
        f"{place}WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{place}INSTALLER": "pip\n",
        f"{place}RECORD": "",
    }


def torch_files(folder: str, version: str, cuda: str | None, *, sep: str = "/") -> dict[str, str]:
    """What a look reads of an importable torch."""
    windows = sep == "\\"
    place = f"{folder}{sep}torch{sep}"
    extension = "_C.cp312-win_amd64.pyd" if windows else "_C.cpython-312-x86_64-linux-gnu.so"
    return {
        f"{place}__init__.py": "",
        f"{place}version.py": (
            f"from typing import Optional\n__version__ = {version!r}\n"
            f"cuda: Optional[str] = {cuda!r}\nhip: Optional[str] = None\n"
        ),
        f"{place}{extension}": "",
        f"{place}lib{sep}{'torch_cpu.dll' if windows else 'libtorch_cpu.so'}": "",
    }
