"""This machine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from llmdoctor.errors import CannotFinishError, UnreadableError
from llmdoctor.system import (
    Archive,
    Cloned,
    Completed,
    Downloaded,
    Fetched,
    Kind,
    Modes,
    Space,
    Uname,
    children,
    files,
    places,
    trees,
)

_SYSTEMS = {"darwin": "macos", "win32": "windows"}
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class Local:
    """The door to the machine that the doctor runs on."""

    flavour: type[PurePath] = type(PurePath())

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self.environ: Mapping[str, str] = dict(os.environ if environ is None else environ)
        self._held: list[int] = []  # descriptors of held locks: children keep them open too

    # looking

    def uname(self) -> Uname:
        if hasattr(os, "uname"):
            name = os.uname()
            release, machine = name.release, name.machine
        else:  # pragma: no cover - Windows; the registry value is what `platform` reads as well
            version = sys.getwindowsversion()  # type: ignore[attr-defined,unused-ignore]
            release = f"{version.major}.{version.minor}.{version.build}"
            machine = self.environ.get("PROCESSOR_ARCHITEW6432") or self.environ.get(
                "PROCESSOR_ARCHITECTURE", "unknown"
            )
        return Uname(_SYSTEMS.get(sys.platform, sys.platform), release, machine.lower())

    def confstr(self, name: str) -> str | None:
        try:
            return os.confstr(name)
        except (AttributeError, ValueError, OSError):
            return None

    def cpu_count(self) -> int | None:
        return os.cpu_count()

    def cwd(self) -> str:
        try:
            return str(Path.cwd())
        except FileNotFoundError:
            raise CannotFinishError(
                "the working folder no longer exists", next_command="cd ~"
            ) from None

    def home(self) -> str:
        return os.path.expanduser("~")  # "~" itself for a user without a home and without HOME

    def state_dir(self) -> str:
        return places.own_dir("STATE", self.environ)

    def cache_dir(self) -> str:
        return places.own_dir("CACHE", self.environ)

    def interpreter(self) -> str:
        return sys.executable

    def now(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())

    def kind(self, path: str) -> Kind | None:
        with _looking(path) as found:
            mode = os.lstat(path).st_mode
            for test, kind in (
                (stat.S_ISLNK, "link"),
                (stat.S_ISDIR, "folder"),
                (stat.S_ISREG, "file"),
            ):
                if test(mode):
                    found.append(kind)
            if not found:
                found.append("other")
        return found[0] if found else None  # type: ignore[return-value]

    def exists(self, path: str) -> bool:
        with _looking(path) as found:
            os.stat(path)
            found.append("")
        return bool(found)

    def real_path(self, path: str) -> str:
        return os.path.realpath(path)

    def names(self, path: str) -> tuple[str, ...] | None:
        with _looking(path) as found:
            found.extend(sorted(os.listdir(path)))
            return tuple(found)
        return None

    def read_bytes(self, path: str, limit: int | None = None) -> bytes | None:
        with _looking(path), open(path, "rb") as file:
            return file.read() if limit is None else file.read(limit)
        return None

    def read_text(self, path: str, limit: int | None = None) -> str | None:
        data = self.read_bytes(path, limit)
        return None if data is None else data.decode("utf-8", "replace")

    def read_chunks(self, path: str) -> Iterator[bytes]:
        try:
            with open(path, "rb", buffering=0) as file:
                while chunk := file.read(1 << 20):
                    yield chunk
        except FileNotFoundError:
            raise
        except OSError as error:
            raise UnreadableError(path, _why(error)) from None

    def is_mount(self, path: str) -> bool:
        return os.path.ismount(path)

    def size(self, path: str) -> int | None:
        with _looking(path):
            return os.stat(path).st_size
        return None

    def frees(self, path: str) -> int:
        return trees.frees(path)

    def which(self, name: str) -> str | None:
        return shutil.which(name, path=self.environ.get("PATH", os.defpath))

    def space(self, path: str) -> Space | None:
        place = Path(path)
        while not self.exists(str(place)) and place != place.parent:
            place = place.parent
        try:
            usage = shutil.disk_usage(place)
        except OSError as error:
            raise UnreadableError(str(place), _why(error)) from None
        return Space(usage.total, usage.free, os.access(place, os.W_OK))

    def has_library(self, name: str) -> bool:
        import ctypes

        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: str | None = None,
        timeout: float = 60.0,
        on_line: Callable[[str], None] | None = None,
        stop_when: Callable[[], str | None] | None = None,
    ) -> Completed:
        merged = {**self.environ, **(env or {})}
        environ = {key: value for key, value in merged.items() if value is not None}
        return children.run(argv, environ, cwd, timeout, on_line, tuple(self._held), stop_when)

    def fetch(
        self,
        url: str,
        *,
        timeout: float = 5.0,
        ca_file: str | None = None,
        verify: bool = True,
        proxy: str | None = None,
        first_byte: bool = False,
    ) -> Fetched:
        from llmdoctor.system import network

        asked = network.Asked(
            url, timeout, ca_file, verify=verify, proxy=proxy, first_byte=first_byte
        )
        return network.fetch(asked)

    def download(
        self,
        url: str,
        to: str,
        *,
        ca_file: str | None = None,
        verify: bool = True,
        proxy: str | None = None,
        on_bytes: Callable[[int, int | None], None] | None = None,
    ) -> Downloaded:
        from llmdoctor.system import download

        self.make_dir(str(Path(to).parent))
        return download.download(
            url, to, ca_file=ca_file, verify=verify, proxy=proxy, on_bytes=on_bytes
        )

    def archive(self, path: str, texts: Sequence[str] = ()) -> Archive:
        from llmdoctor.system import archives

        return archives.look(path, texts)

    # acting

    @contextlib.contextmanager
    def scratch(self) -> Iterator[str]:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="llmdoctor-") as folder:
            yield folder

    def uninterrupted(self) -> contextlib.AbstractContextManager[None]:
        return children.signals_held_back()

    def make_dir(self, path: str) -> None:
        files.make_dir(path, self._state())

    def write_bytes(self, path: str, data: bytes) -> None:
        files.write(path, data, self._state())

    def append_line(self, path: str, line: str, *, sync: bool = True) -> None:
        files.append(path, line, self._state(), sync=sync)

    def rename(self, path: str, to: str) -> None:
        Path(path).rename(to)

    def remove(self, path: str) -> None:
        place = Path(path)
        if place.is_dir() and not place.is_symlink():
            trees.remove(place)
        else:
            place.unlink(missing_ok=True)

    def clone_tree(self, path: str, to: str, *, copy: bool = False) -> Cloned:
        return trees.clone(path, to, link=not copy)

    def set_modes(self, path: str, modes: Modes) -> None:
        trees.set_modes(path, modes)

    def restore_tree(self, kept: str, path: str) -> None:
        trees.restore(kept, path)

    def link(self, path: str, to: str, *, copy: bool = False) -> None:
        self.make_dir(str(Path(to).parent))
        trees.lay(path, to, link=not copy)

    def end_marked(self, variable: str, value: str) -> None:
        children.end_marked(variable, value)

    @contextlib.contextmanager
    def lock(self, path: str, wait: float) -> Iterator[None]:
        from llmdoctor.system import locking

        self.make_dir(str(Path(path).parent))
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline = time.monotonic() + wait
            while not locking.try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise CannotFinishError(
                        "another llmdoctor run, or a program that it started, is still working on "
                        f"this environment (lock {path})",
                        next_command="llmdoctor history",
                    )
                time.sleep(0.2)
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - the standard library's
            self._held.append(descriptor)
            try:
                yield
            finally:
                self._held.remove(descriptor)
                locking.unlock(descriptor)
        finally:
            os.close(descriptor)

    def _state(self) -> Path | None:
        """The state folder, whose files are their owner's alone; None where there can be none."""
        try:
            return Path(self.state_dir())
        except CannotFinishError:
            return None


@contextlib.contextmanager
def _looking(path: str) -> Iterator[list[str]]:
    """Swallow "is not there", and turn every other refusal into `UnreadableError`."""
    try:
        yield []
    except OSError as error:
        if error.errno not in _ABSENT:
            raise UnreadableError(path, _why(error)) from None
    except ValueError as error:  # a NUL in a path
        raise UnreadableError(path, str(error), status="failed") from None


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
