"""The door looks: None is "not there", `UnreadableError` is "could not look"."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor.errors import CannotFinishError, UnreadableError
from llmdoctor.system.local import Local
from system.unprivileged import locally

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")

LOOKS: list[Callable[[Local, str], object]] = [
    Local.read_bytes,
    Local.read_text,
    Local.names,
    Local.size,
    Local.kind,
]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", ["nothing", "file/below-a-file", "loop", "folder/nothing"])
def test_what_is_absent_is_none(
    look: Callable[[Local, str], object], path: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    if look is Local.kind and path == "loop":
        assert look(Local(), str(tmp_path / path)) == "link"
    else:
        assert look(Local(), str(tmp_path / path)) is None
    assert not Local().exists(str(tmp_path / path))


@pytest.mark.parametrize("look", [*LOOKS, Local.exists])
def test_a_path_that_no_system_can_have_is_unreadable(look: Callable[[Local, str], object]) -> None:
    with pytest.raises(UnreadableError) as caught:
        look(Local(), "a\0b")
    assert caught.value.status == "failed"


def test_a_folder_read_as_a_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="is a directory"):
        Local().read_text(str(tmp_path))


@posix_only
@pytest.mark.parametrize("look", ["read_text", "names", "size", "kind", "exists", "space"])
def test_what_may_not_be_looked_at_is_unreadable(look: str, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    answer = locally(
        f"""
os.chmod("closed", 0)
try:
    answer = ["found", door.{look}(os.path.abspath("closed/inner"))]
except UnreadableError as error:
    answer = [error.status, error.reason]
finally:
    os.chmod("closed", 0o700)
""",
        tmp_path,
    )
    assert answer == ["denied", "permission denied"]


def test_names_are_sorted_and_complete(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden", "Z"):
        (tmp_path / name).touch()
    assert Local().names(str(tmp_path)) == (".hidden", "Z", "a", "b")
    assert Local().names(str(tmp_path / "a")) is None


@posix_only
def test_kinds_are_told_apart_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    found = {n: Local().kind(str(tmp_path / n)) for n in ("file", "link", "dangling", "pipe", ".")}
    assert found == {
        "file": "file",
        "link": "link",
        "dangling": "link",
        "pipe": "other",
        ".": "folder",
    }
    assert Local().exists(str(tmp_path / "link"))
    assert not Local().exists(str(tmp_path / "dangling"))


@posix_only
def test_the_real_path_follows_every_link(tmp_path: Path) -> None:
    real = (tmp_path / "real").resolve()
    real.mkdir()
    (tmp_path / "one").symlink_to("real")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert Local().real_path(str(tmp_path / "two" / "not-yet")) == str(real / "not-yet")


@given(text=st.binary(max_size=200), limit=st.one_of(st.none(), st.integers(0, 250)))
def test_a_file_is_read_to_its_limit(
    text: bytes, limit: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "limited"
    path.write_bytes(text)
    expected = text if limit is None else text[:limit]
    assert Local().read_bytes(str(path), limit) == expected
    assert Local().read_text(str(path), limit) == expected.decode("utf-8", "replace")
    assert Local().size(str(path)) == len(text)


def test_space_of_a_path_that_does_not_exist_yet_is_that_of_the_folder_above(
    tmp_path: Path,
) -> None:
    here = Local().space(str(tmp_path))
    there = Local().space(str(tmp_path / "not" / "yet" / "there"))
    assert here is not None
    assert there is not None
    assert there.total == here.total > 0
    assert there.writable


@posix_only
def test_space_says_where_nothing_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    answer = locally(
        'os.chmod("closed", 0o500); answer = door.space(os.path.abspath("closed/new")).writable',
        tmp_path,
    )
    assert answer is False


@posix_only
def test_which_takes_the_first_program_on_the_path_that_may_be_run(tmp_path: Path) -> None:
    for folder, mode in (("plain", 0o644), ("first", 0o755), ("second", 0o755)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tool").touch()
        (tmp_path / folder / "tool").chmod(mode)
    path = os.pathsep.join(str(tmp_path / name) for name in ("none", "plain", "first", "second"))
    assert Local({"PATH": path}).which("tool") == str(tmp_path / "first" / "tool")
    assert Local({"PATH": path}).which("another") is None
    assert Local({"PATH": ""}).which("tool") is None


def test_the_environment_is_the_one_it_was_given() -> None:
    assert Local({"A": "1"}).environ == {"A": "1"}


def test_a_library_that_is_not_there_is_not_there() -> None:
    assert not Local().has_library("libno-such-library-anywhere.so.1")


@posix_only
def test_a_working_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    answer = locally(
        """
os.chdir("gone"); os.rmdir("../gone")
try:
    answer = door.cwd()
except CannotFinishError as error:
    answer = [error.message, error.next_command]
""",
        tmp_path,
    )
    assert answer == ["the working folder no longer exists", "cd ~"]


@posix_only
def test_a_user_without_a_home_is_told_how_to_name_a_place_for_the_journals(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become a user whom this system does not know")
    code = """
import platformdirs.unix
for name in ("HOME", "XDG_STATE_HOME", "LLMDOCTOR_STATE_DIR"):
    os.environ.pop(name, None)
os.setuid(54321)
door = Local()
answer = [door.home()]
try:
    door.state_dir()
except CannotFinishError as error:
    answer.append(error.next_command)
"""
    answer = locally(code, tmp_path)
    assert answer == ["~", "export LLMDOCTOR_STATE_DIR=/var/tmp/llmdoctor"]


def test_the_state_folder_can_be_named(tmp_path: Path) -> None:
    assert Local({"LLMDOCTOR_STATE_DIR": str(tmp_path)}).state_dir() == str(tmp_path)
    assert Path(Local({"LLMDOCTOR_STATE_DIR": "here"}).state_dir()).is_absolute()


@posix_only
def test_a_socket_is_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path may be no longer than about a hundred bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        assert Local().kind("s") == "other"


def test_cannot_finish_is_the_error_of_a_door_that_gives_up() -> None:
    assert CannotFinishError("x").exit_code == 3
