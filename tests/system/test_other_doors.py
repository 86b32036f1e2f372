"""The other doors: one that refuses, one that writes down, one that answers from what was written."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import pytest

from llmdoctor.errors import ReadOnlyError, UnreadableError
from llmdoctor.system import Modes, System
from llmdoctor.system.local import Local
from llmdoctor.system.readonly import ReadOnly
from llmdoctor.system.transcript import Recording, Replayed
from system.unprivileged import locally

ACTING = {
    "scratch": (),
    "uninterrupted": (),
    "make_dir": ("new",),
    "write_bytes": ("new", b"x"),
    "append_line": ("new", "x"),
    "rename": ("file", "new"),
    "remove": ("file",),
    "clone_tree": (".", "new"),
    "restore_tree": (".", "new"),
    "set_modes": (".", Modes(0o644)),
    "lock": ("new", 0.0),
    "link": ("file", "new"),
    "end_marked": ("LLMDOCTOR_TEST", "1"),
    "fetch": ("http://127.0.0.1:9/",),
    "download": ("http://127.0.0.1:9/", "new"),
}
LOOKING = {
    "uname": (), "confstr": ("CS_GNU_LIBC_VERSION",), "cpu_count": (), "cwd": (), "home": (),
    "state_dir": (), "interpreter": (), "now": (), "kind": ("file",), "exists": ("file",),
    "real_path": ("file",), "names": (".",), "read_bytes": ("file",), "read_text": ("file",),
    "size": ("file",), "frees": (".",), "which": ("sh",), "space": (".",), "has_library": ("libc.so.6",),
    "run": ((sys.executable, "-c", "print(1)"),),
}  # fmt: skip

NOT_RECORDED = {
    "read_chunks",
    "archive",
    "cache_dir",
    "is_mount",
}  # looks that no saved machine answers


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "file").write_bytes(b"\xffbytes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_function_of_the_door_is_here() -> None:
    functions = {n for n, _ in inspect.getmembers(System, inspect.isfunction) if n[0] != "_"}
    assert functions == ACTING.keys() | LOOKING.keys() | NOT_RECORDED


def test_a_file_is_read_in_chunks_through_the_read_only_door_as_without_it(folder: Path) -> None:
    for door in (ReadOnly(Local()), Local()):
        assert b"".join(door.read_chunks(str(folder / "file"))) == b"\xffbytes"
        with pytest.raises(FileNotFoundError):
            next(door.read_chunks(str(folder / "none")))
        with pytest.raises(UnreadableError, match="directory"):
            next(door.read_chunks(str(folder)))


@pytest.mark.parametrize("name", ACTING)
def test_the_read_only_door_refuses_to_act(name: str, folder: Path) -> None:
    with pytest.raises(ReadOnlyError, match=name):
        getattr(ReadOnly(Local()), name)(*ACTING[name])
    assert [path.name for path in folder.iterdir()] == ["file"]


@pytest.mark.parametrize("name", LOOKING)
def test_the_read_only_door_looks(name: str, folder: Path) -> None:
    through, direct = (getattr(door, name)(*LOOKING[name]) for door in (ReadOnly(Local()), Local()))
    if name not in ("now", "space"):
        assert through == direct
    assert type(through) is type(direct)


@pytest.mark.parametrize("name", ACTING)
def test_nothing_acts_through_a_transcript(name: str) -> None:
    empty = Replayed('{"flavour": "posix", "environ": {}, "calls": []}')
    for door in (Recording(Local()), empty):
        with pytest.raises(ReadOnlyError, match=name):
            getattr(door, name)(*ACTING[name])


@pytest.mark.parametrize("name", LOOKING)
def test_a_look_that_was_recorded_is_answered_again(name: str, folder: Path) -> None:
    recording = Recording(Local())
    seen = getattr(recording, name)(*LOOKING[name])
    replayed = Replayed(recording.transcript({"LANG": "C"}))
    assert getattr(replayed, name)(*LOOKING[name]) == seen
    assert replayed.flavour is not None
    assert replayed.environ == {"LANG": "C"}


def test_looks_that_differ_in_their_limit_are_kept_apart(folder: Path) -> None:
    recording = Recording(Local())
    looks: list[tuple[tuple[object, ...], dict[str, object]]] = [
        (("file",), {}), (("file", 2), {}), (("file",), {"limit": 3}), (("nothing",), {}),
    ]  # fmt: skip
    seen = [recording.read_bytes(*args, **options) for args, options in looks]
    assert seen == [b"\xffbytes", b"\xffb", b"\xffby", None]
    replayed = Replayed(recording.transcript({}))
    assert [replayed.read_bytes(*args, **options) for args, options in looks] == seen
    assert replayed.read_bytes("file", limit=2) == seen[1]


def test_what_could_not_be_looked_at_stays_that_when_replayed(folder: Path) -> None:
    recording = Recording(Local())
    with pytest.raises(UnreadableError) as seen:
        recording.read_text(".")
    with pytest.raises(UnreadableError) as again:
        Replayed(recording.transcript({})).read_text(".")
    assert vars(again.value) == vars(seen.value)


def test_a_denied_look_stays_denied_when_replayed(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    transcript = locally(
        """
from llmdoctor.system.transcript import Recording
os.chmod("closed", 0)
recording = Recording(door)
try:
    recording.names("closed")
except UnreadableError:
    pass
answer = recording.transcript({})
os.chmod("closed", 0o700)
""",
        tmp_path,
    )
    with pytest.raises(UnreadableError) as again:
        Replayed(transcript).names("closed")
    assert (again.value.status, again.value.reason) == ("denied", "permission denied")


def test_a_look_that_was_never_recorded_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="not in the transcript"):
        Replayed('{"flavour": "windows", "environ": {}, "calls": []}').names("C:\\")


def test_a_transcript_is_the_same_text_every_time(folder: Path) -> None:
    def transcript(order: list[str]) -> str:
        recording = Recording(Local())
        for path in order:
            recording.kind(path)
        return recording.transcript({})

    assert transcript(["file", "."]) == transcript([".", "file"])
    assert json.loads(transcript(["file"]))["calls"] == [["kind", ["file"], "file"]]
