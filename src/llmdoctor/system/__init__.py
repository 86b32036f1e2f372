"""The one door to the outside: processes, files, the environment, the network.

Everything above takes a `System` and never asks which one it is:

- `Local` acts on this machine;
- `ReadOnly` refuses every change and the network (what `check` runs behind);
- `Recording` writes down what another system answers, `Replayed` answers from such a transcript.

Reading functions give None for what is absent and raise `UnreadableError` where they could not
look. Paths are strings as the machine writes them; `flavour` is the path class that understands
them, so that a Windows transcript replays on Linux.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal, Protocol

Kind = Literal["file", "folder", "link", "other"]
# Why a page did not come: its name is not found; nobody takes the connection; no answer in time; no
# trust or no handshake; the proxy on the way; the server said no; anything else.
Failure = Literal["dns", "refused", "timeout", "tls", "proxy", "status", "other"]


@dataclass(frozen=True)
class Completed:
    """A finished child; `code` is None when it never started, was stopped, or died."""

    argv: tuple[str, ...]
    code: int | None
    out: str = ""
    err: str = ""
    problem: str | None = None  # "not found", "timeout", "permission denied", "killed by signal 11"

    @property
    def ok(self) -> bool:
        """Whether it ended with exit code 0."""
        return self.code == 0


@dataclass(frozen=True)
class Uname:
    """What the kernel calls itself: `system` is linux, windows, macos; `machine` lower case."""

    system: str
    release: str
    machine: str


@dataclass(frozen=True)
class Space:
    """Room on a file system, in bytes."""

    total: int
    free: int
    writable: bool


@dataclass(frozen=True)
class Fetched:
    """An answer from the network; `problem` says why there is none, `status` is the HTTP status.

    `length` is that of the whole file in bytes, None where the server does not tell it.
    """

    url: str
    status: int | None = None
    body: bytes = b""
    problem: str | None = None
    failure: Failure | None = None  # None where there is no problem
    length: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the server gave the page."""
        return self.problem is None


@dataclass(frozen=True)
class Downloaded:
    """A file from the network; `problem` says why it did not come. `url` is without secrets."""

    url: str
    size: int = 0
    sha256: str = ""
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the whole file is there."""
        return self.problem is None


@dataclass(frozen=True)
class Member:
    """One entry of an archive, by the name that the archive gives it."""

    name: str
    size: int
    kind: Literal["file", "folder", "link"] = "file"


@dataclass(frozen=True)
class Archive:
    """What is in a zip file; `problem` says why it cannot be used."""

    members: tuple[Member, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True)
class Modes:
    """The permission bits of a tree's files: the `usual` ones, and the `others` by their path."""

    usual: int
    others: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Cloned:
    """How a tree was cloned: files that share their bytes with the original, and copies.

    What shares its bytes shares its `modes` as well: they are as they were before.
    """

    linked: int
    copied: int
    modes: Modes


class System(Protocol):
    """The door. See the module's docstring for what the functions promise."""

    @property
    def flavour(self) -> type[PurePath]:
        """The pure path class of this machine's paths."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The process environment."""

    # looking
    def uname(self) -> Uname:
        """The kernel."""

    def confstr(self, name: str) -> str | None:
        """A POSIX configuration string such as CS_GNU_LIBC_VERSION."""

    def cpu_count(self) -> int | None:
        """Threads that the system schedules on."""

    def cwd(self) -> str:
        """The working folder."""

    def home(self) -> str:
        """The user's home folder."""

    def state_dir(self) -> str:
        """Where llmdoctor keeps journals and locks for this user."""

    def cache_dir(self) -> str:
        """Where llmdoctor keeps what it can fetch again."""

    def interpreter(self) -> str:
        """The Python that the doctor itself runs on."""

    def now(self) -> str:
        """The time, ISO 8601, UTC, to the second."""

    def kind(self, path: str) -> Kind | None:
        """What lies at `path`, without following a final link."""

    def exists(self, path: str) -> bool:
        """Whether something lies at `path` after following links."""

    def real_path(self, path: str) -> str:
        """`path` with all links followed."""

    def names(self, path: str) -> tuple[str, ...] | None:
        """The sorted names in a folder."""

    def read_bytes(self, path: str, limit: int | None = None) -> bytes | None:
        """A file's first `limit` bytes, or all of it."""

    def read_text(self, path: str, limit: int | None = None) -> str | None:
        """A file as UTF-8; what is not UTF-8 is replaced."""

    def read_chunks(self, path: str) -> Iterator[bytes]:
        """A file from its beginning, as it comes: for what may be too large to hold, or a pipe.

        Raises:
            FileNotFoundError: nothing lies there.
        """

    def is_mount(self, path: str) -> bool:
        """Whether another file system is mounted there: such a folder cannot be renamed."""

    def size(self, path: str) -> int | None:
        """A file's length in bytes, links followed."""

    def frees(self, path: str) -> int:
        """Bytes that removing a folder gives: not those of files that lie elsewhere too."""

    def which(self, name: str) -> str | None:
        """The program that PATH finds."""

    def space(self, path: str) -> Space | None:
        """Room at `path`, or at the nearest folder above it that exists."""

    def has_library(self, name: str) -> bool:
        """Whether the loader finds a shared library. Loads it: for small libraries only."""

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
        """Run a child to its end, or to the time limit in seconds.

        `env` is laid over the environment; None removes a variable. `on_line` is given each line of
        both streams as it comes. `stop_when` is asked ten times a second: the first words that it
        gives end the child, and are its `problem`. A child never outlives the call: an interrupt or
        the time limit ends it and everything that it started.
        """

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
        """GET a web page or `file://` URL, within `timeout` seconds altogether.

        `proxy` replaces those of the environment, whose `no_proxy` counts all the same.
        `first_byte`: only ask whether the file is there, and how long it is.
        """

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
        """GET a file of any size into the file `to`, which is there afterwards whole or not at all.

        A line that is cut is taken up where it was cut, in this call or a later one for the same
        address; of a file that has changed meanwhile nothing is kept. `on_bytes` is told how many
        bytes are there, and of how many where that is known. Redirects lead to https or stay on
        their host, else they are refused.

        Raises:
            OSError: it cannot be written (a full disk).
        """

    def archive(self, path: str, texts: Sequence[str] = ()) -> Archive:
        """What is in a zip file, with every checksum seen to be right.

        `texts` are globs of members whose text is wanted.
        """

    # acting; what is made in the state folder is for its user alone (0700, files 0600)
    def scratch(self) -> AbstractContextManager[str]:
        """A temporary folder that is gone afterwards."""

    def uninterrupted(self) -> AbstractContextManager[None]:
        """Hold back interrupt, end and hang-up signals: for putting things back."""

    def make_dir(self, path: str) -> None:
        """Make a folder and those above it."""

    def write_bytes(self, path: str, data: bytes) -> None:
        """Write a file so that a reader sees the old bytes or the new ones, never half of them."""

    def append_line(self, path: str, line: str, *, sync: bool = True) -> None:
        """Add a line to a file and wait until it is on disk; a log need not wait (`sync`)."""

    def rename(self, path: str, to: str) -> None:
        """Move within one file system."""

    def remove(self, path: str) -> None:
        """Remove a file, a link or a whole folder; links are never followed."""

    def clone_tree(self, path: str, to: str, *, copy: bool = False) -> Cloned:
        """Clone a folder by hard links; what cannot be linked, or all (`copy`), is copied.

        `to` may lie in the folder itself: no clone in it is cloned then.
        """

    def set_modes(self, path: str, modes: Modes) -> None:
        """Give the files of a folder these permission bits, where they have others."""

    def restore_tree(self, kept: str, path: str) -> None:
        """Make a folder what its clone is, file by file, and leave clones in it alone.

        Each file has its old content or its new one at any time. It may be called again.
        """

    def link(self, path: str, to: str, *, copy: bool = False) -> None:
        """Give a file a second name by a hard link; a copy where that is impossible, or `copy`."""

    def end_marked(self, variable: str, value: str) -> None:
        """End this user's processes that have that variable with that value. Linux alone."""

    def lock(self, path: str, wait: float) -> AbstractContextManager[None]:
        """Hold an exclusive lock on a file, in this process and its children.

        Raises:
            CannotFinishError: somebody else still holds it after `wait` seconds.
        """
