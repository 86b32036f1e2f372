"""The door acts: whole files or the old ones, links never followed, snapshots that stay as they are."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmdoctor.errors import CannotFinishError
from llmdoctor.system.local import Local
from support.tree import assert_same_tree, snapshot
from system.unprivileged import locally

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links, modes, signals of POSIX")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than tmp_path's."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to write on")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def test_a_written_file_keeps_its_mode_and_its_folder_stays_tidy(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("old")
    script.chmod(0o751)
    Local().write_bytes(str(script), b"new")
    assert script.read_text() == "new"
    assert stat.S_IMODE(script.stat().st_mode) == 0o751
    assert [path.name for path in tmp_path.iterdir()] == ["run.sh"]


def test_a_file_is_written_below_folders_that_do_not_exist_yet(tmp_path: Path) -> None:
    Local().write_bytes(str(tmp_path / "a" / "b" / "c"), b"x")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"x"


def test_a_reader_sees_the_old_bytes_or_the_new_ones(tmp_path: Path) -> None:
    path = tmp_path / "file"
    sizes = (10, 400_000)
    Local().write_bytes(str(path), b"0" * sizes[0])
    seen: set[int] = set()
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(len(path.read_bytes()))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        Local().write_bytes(str(path), b"1" * sizes[number % 2])
    stop.set()
    reader.join()
    assert seen <= set(sizes)


def test_a_write_that_fails_leaves_the_old_bytes_and_nothing_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    code = f"""
import resource, signal, sys
from llmdoctor.system.local import Local
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    Local().write_bytes({str(path)!r}, b"x" * 5000)
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "File too large\n", done.stderr
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_line_is_added_on_a_line_of_its_own_after_one_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal"
    Local().append_line(str(path), "one")
    with path.open("a") as file:
        file.write("cut of")
    Local().append_line(str(path), "two")
    Local().append_line(str(path), "three")
    assert path.read_text() == "one\ncut of\ntwo\nthree\n"


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_what_lies_in_the_state_folder_is_for_its_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        state = tmp_path / "above" / "state"
        door = Local({"LLMDOCTOR_STATE_DIR": str(state)})
        door.append_line(str(state / "runs" / "1" / "journal.jsonl"), "{}")
        door.write_bytes(str(state / "runs" / "1" / "pylock.toml"), b"new")
        door.write_bytes(str(state / "runs" / "1" / "pylock.toml"), b"newer")
        with door.lock(str(state / "locks" / "x.lock"), 0.0):
            pass
        door.write_bytes(str(tmp_path / "elsewhere" / "file"), b"")
    finally:
        os.umask(before)
    below = [state, *state.rglob("*")]
    assert len(below) == 7
    modes = {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_dir()}
    assert modes == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in below if path.is_file()} == {0o600}
    others = [state.parent, tmp_path / "elsewhere", tmp_path / "elsewhere" / "file"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in others] == [0o755, 0o755, 0o644]


def test_removing_never_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "in").symlink_to(tmp_path / "kept")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("tree", "link", "dangling", "never-there"):
        Local().remove(str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").read_text() == "x"


def test_folders_that_may_not_be_written_or_read_are_removed_all_the_same(tmp_path: Path) -> None:
    answer = locally(
        """
os.makedirs("tree/read-only/deeper"); os.makedirs("tree/closed/deeper")
open("tree/read-only/deeper/file", "w").close()
open("tree/closed/deeper/file", "w").close()
os.symlink("read-only", "tree/link")
os.chmod("tree/read-only/deeper", 0o500); os.chmod("tree/read-only", 0o500)
os.chmod("tree/closed/deeper", 0); os.chmod("tree/closed", 0); os.chmod("tree", 0o500)
door.remove(os.path.abspath("tree"))
answer = os.listdir(".")
""",
        tmp_path,
    )
    assert answer == []


def test_removing_changes_no_mode_of_what_stays(tmp_path: Path) -> None:
    """The bytes of a file in a removed tree may be those of the snapshot or of an installer's cache."""
    answer = locally(
        """
os.makedirs("tree/inner"); os.makedirs("cache")
open("cache/file", "w").close()
os.chmod("cache/file", 0o444)
os.link("cache/file", "tree/inner/file")
os.chmod("tree/inner", 0o500)
before = os.stat(".").st_mode
door.remove(os.path.abspath("tree"))
answer = [oct(os.stat("cache/file").st_mode), before == os.stat(".").st_mode, os.path.exists("tree")]
""",
        tmp_path,
    )
    assert answer == ["0o100444", True, False]


def test_what_may_not_be_removed_is_said_and_its_folder_keeps_its_mode(tmp_path: Path) -> None:
    answer = locally(
        """
os.makedirs("project/tree/inner")
os.chmod("project", 0o500)
try:
    door.remove(os.path.abspath("project/tree"))
    answer = "removed"
except OSError as error:
    answer = [error.strerror, oct(os.stat("project").st_mode)]
os.chmod("project", 0o700)
""",
        tmp_path,
    )
    assert answer == ["Permission denied", "0o40500"]


def a_tree(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "lib" / "pkg").mkdir(parents=True)
    (folder / "bin" / "tool").write_text("#!/bin/sh\n")
    (folder / "bin" / "tool").chmod(0o755)
    (folder / "lib" / "pkg" / "data").write_bytes(b"\x00" * 1000)
    (folder / "lib" / "pkg" / "private").write_text("s")
    (folder / "lib" / "pkg" / "private").chmod(0o600)
    (folder / "lib64").symlink_to("lib")
    (folder / "dangling").symlink_to("/no/such/place")
    (folder / "absolute").symlink_to(folder / "bin" / "tool")
    (folder / "empty").mkdir(mode=0o750)
    for place in (folder / "lib" / "pkg", folder / "lib", folder / "empty", folder):
        os.utime(place, (1_600_000_000, 1_600_000_000))
    return folder


def test_a_clone_is_the_tree_again_with_links_for_files(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "env")
    before = snapshot(tree, mtime=True)
    cloned = Local().clone_tree(str(tree), str(tmp_path / "clone"))
    after = snapshot(tmp_path / "clone", mtime=True)
    assert_same_tree(before, after)
    assert (cloned.linked, cloned.copied) == (6, 0)
    same = (tmp_path / "clone" / "bin" / "tool").samefile(tree / "bin" / "tool")
    assert same


def test_a_clone_on_another_file_system_is_a_copy(tmp_path: Path, elsewhere: Path) -> None:
    tree = a_tree(tmp_path / "env")
    before = snapshot(tree, mtime=True)
    cloned = Local().clone_tree(str(tree), str(elsewhere / "clone"))
    assert_same_tree(before, snapshot(elsewhere / "clone", mtime=True))
    assert (cloned.linked, cloned.copied) == (0, 6)


def test_a_file_that_is_replaced_does_not_change_in_the_clone(tmp_path: Path) -> None:
    tree = a_tree(tmp_path / "env")
    before = snapshot(tree)
    Local().clone_tree(str(tree), str(tmp_path / "clone"))
    Local().write_bytes(str(tree / "lib" / "pkg" / "data"), b"new")
    Local().remove(str(tree / "bin"))
    (tree / "added").touch()
    assert_same_tree(before, snapshot(tmp_path / "clone"))


def test_a_clone_of_what_may_not_be_read_fails_instead_of_being_half_of_it(tmp_path: Path) -> None:
    answer = locally(
        """
os.makedirs("env/closed"); os.chmod("env/closed", 0)
try:
    door.clone_tree(os.path.abspath("env"), os.path.abspath("clone")); answer = "cloned"
except OSError as error:
    answer = error.strerror
os.chmod("env/closed", 0o700)
""",
        tmp_path,
    )
    assert answer == "Permission denied"


def test_nothing_is_cloned_over_something_that_is_there(tmp_path: Path) -> None:
    a_tree(tmp_path / "env")
    (tmp_path / "clone").mkdir()
    with pytest.raises(FileExistsError):
        Local().clone_tree(str(tmp_path / "env"), str(tmp_path / "clone"))


def test_scratch_is_a_folder_that_is_gone_afterwards() -> None:
    with Local().scratch() as folder:
        (Path(folder) / "file").touch()
    assert not Path(folder).exists()


HOLDER = """
import sys, time
from llmdoctor.system.local import Local
with Local().lock(sys.argv[1], 5.0):
    print("held", flush=True)
    sys.stdin.read()
print("released", flush=True)
"""


def holding(path: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_lock_keeps_other_processes_out_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    holder = holding(path)
    with (
        pytest.raises(CannotFinishError, match="another llmdoctor run"),
        Local().lock(str(path), 0.1),
    ):
        pytest.fail("two hold it")
    holder.communicate("go")
    with Local().lock(str(path), 0.0):
        pass


def test_waiting_for_a_lock_ends_when_it_is_free(tmp_path: Path) -> None:
    holder = holding(tmp_path / "lock")
    release = threading.Timer(0.5, lambda: holder.communicate("go"))
    release.start()
    with Local().lock(str(tmp_path / "lock"), 20.0):
        assert holder.wait(5) == 0
    release.join()


def test_a_holder_that_is_killed_frees_the_lock(tmp_path: Path) -> None:
    holder = holding(tmp_path / "lock")
    holder.kill()
    holder.communicate()
    with Local().lock(str(tmp_path / "lock"), 5.0):
        pass


def test_a_program_that_was_started_under_the_lock_holds_it_on(tmp_path: Path) -> None:
    """An installer that outlives a killed doctor must not meet the next run."""
    path = tmp_path / "lock"
    started = tmp_path / "started"
    script = f"""
import os, sys
from llmdoctor.system.local import Local
system = Local()
with system.lock({str(path)!r}, 1.0):
    system.run((sys.executable, "-c",
        "import os, subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'],"
        " close_fds=False, start_new_session=True);"
        "open({str(started)!r}, 'w').close(); time.sleep(60)"))
"""
    doctor = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 30
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    doctor.kill()
    doctor.wait()
    with pytest.raises(CannotFinishError), Local().lock(str(path), 0.3):
        pytest.fail("the orphan no longer holds it")
    with Local().lock(str(path), 20.0):
        pass


def test_a_released_lock_is_free_even_while_a_child_lives(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    system = Local()
    daemon = """
import subprocess, sys
nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
sleep = [sys.executable, "-c", "import time; time.sleep(2)"]
subprocess.Popen(sleep, close_fds=False, start_new_session=True, **nowhere)
"""
    with system.lock(path, 0.0):
        assert system.run((sys.executable, "-c", daemon)).ok
    with Local().lock(path, 0.0):
        pass


SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_put_back_is_not_interrupted(number: signal.Signals) -> None:
    code = f"""
import os, signal
from llmdoctor.system.local import Local
with Local().uninterrupted():
    os.kill(os.getpid(), {int(number)})
    print("put back", flush=True)
os.kill(os.getpid(), {int(number)})
print("still here")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "put back\n"
    assert done.returncode != 0


def test_a_write_goes_through_a_link_and_into_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text("old")
    (tmp_path / "link.toml").symlink_to("real.toml")
    Local().write_bytes(str(tmp_path / "link.toml"), b"new")
    assert (tmp_path / "link.toml").is_symlink()
    assert (tmp_path / "real.toml").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        Local().write_bytes(str(tmp_path / "pipe"), b"plan")
        assert os.read(reader, 9) == b"plan"
    finally:
        os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
