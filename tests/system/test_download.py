"""The door downloads: with progress, taken up where it was cut, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from llmdoctor.system import download
from llmdoctor.system.local import Local
from support.index import LoopbackIndex, closed_port

FILE = bytes(range(256)) * 4096


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_file_comes_whole_and_its_bytes_are_told(
    loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    url = loopback_index.put("big.whl", FILE)
    told: list[tuple[int, int | None]] = []
    to = tmp_path / "folder" / "big.whl"
    got = Local().download(url, str(to), on_bytes=lambda *seen: told.append(seen))
    assert (got.ok, got.size) == (True, len(FILE))
    assert got.sha256 == hashlib.sha256(FILE).hexdigest()
    assert to.read_bytes() == FILE
    assert told[0] == (0, len(FILE))
    assert told[-1] == (len(FILE), len(FILE))
    assert [path.name for path in to.parent.iterdir()] == ["big.whl"]


def test_a_line_that_is_cut_is_taken_up_where_it_was_cut(
    loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    url = loopback_index.put("big.whl", FILE)
    loopback_index.fail("/big.whl", "disconnect", times=2)
    told: list[int] = []
    got = Local().download(
        url, str(tmp_path / "big.whl"), on_bytes=lambda done, _: told.append(done)
    )
    assert got.ok
    assert (tmp_path / "big.whl").read_bytes() == FILE
    assert told == sorted(told), "nothing is fetched twice"
    assert len(loopback_index.asked("/big.whl")) == 3


def test_a_later_call_goes_on_with_what_an_earlier_one_left(
    loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    url = loopback_index.put("big.whl", FILE)
    to = str(tmp_path / "big.whl")

    class StoppedError(Exception):
        pass

    def stop(done: int, _: int | None) -> None:
        if done:
            raise StoppedError

    with pytest.raises(StoppedError):
        Local().download(url, to, on_bytes=stop)
    there = (tmp_path / "big.whl.part").stat().st_size
    assert 0 < there <= len(FILE)
    told: list[int] = []
    assert Local().download(url, to, on_bytes=lambda done, _: told.append(done)).ok
    assert told[:1] in ([there], [])
    assert (tmp_path / "big.whl").read_bytes() == FILE


@pytest.mark.parametrize("ranges", [True, False])
def test_of_a_file_that_changed_meanwhile_nothing_is_kept(
    loopback_index: LoopbackIndex, tmp_path: Path, *, ranges: bool
) -> None:
    url = loopback_index.put("big.whl", FILE)
    loopback_index.fail("/big.whl", "disconnect")
    to = str(tmp_path / "big.whl")
    loopback_index.ranges = ranges
    failed = Local().download(url, to)
    assert not failed.ok
    assert failed.problem is not None
    assert "cut" in failed.problem
    assert not Path(to).exists()
    other = FILE[::-1]
    loopback_index.put("big.whl", other)
    loopback_index.heal()
    assert Local().download(url, to).ok
    assert Path(to).read_bytes() == other


def test_a_server_without_ranges_is_asked_anew(
    loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    loopback_index.ranges = False
    url = loopback_index.put("big.whl", FILE)
    loopback_index.fail("/big.whl", "disconnect", times=1)
    assert Local().download(url, str(tmp_path / "big.whl")).ok
    assert (tmp_path / "big.whl").read_bytes() == FILE


@pytest.mark.parametrize(("mode", "asked"), [("404", 1), ("403", 1), ("500", 4)])
def test_what_may_pass_is_tried_again_and_what_is_final_is_not(
    loopback_index: LoopbackIndex, tmp_path: Path, mode: str, asked: int
) -> None:
    url = loopback_index.put("big.whl", FILE)
    loopback_index.fail("/big.whl", mode)
    got = Local().download(url, str(tmp_path / "big.whl"))
    assert got.problem is not None
    assert got.problem.startswith(f"HTTP {mode}")
    assert len(loopback_index.asked("/big.whl")) == asked


@pytest.mark.parametrize(
    "target", ["ftp://127.0.0.1/x", "file:///etc/hostname", "http://127.0.0.2:9/x"]
)
def test_a_redirect_to_another_scheme_or_an_unsafe_host_is_refused(
    loopback_index: LoopbackIndex, tmp_path: Path, target: str
) -> None:
    url = loopback_index.put("big.whl", FILE)
    loopback_index.fail("/big.whl", f"302 {target}")
    got = Local().download(url, str(tmp_path / "big.whl"))
    assert got.problem is not None
    assert "refused" in got.problem or "not allowed" in got.problem
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_within_the_host_is_followed(
    loopback_index: LoopbackIndex, tmp_path: Path
) -> None:
    url = loopback_index.put("old.whl", b"")
    loopback_index.fail("/old.whl", f"302 {loopback_index.put('new.whl', FILE)}")
    assert Local().download(url, str(tmp_path / "a.whl")).sha256 == hashlib.sha256(FILE).hexdigest()


def test_a_password_is_used_and_not_told(loopback_index: LoopbackIndex, tmp_path: Path) -> None:
    url = loopback_index.put("big.whl", FILE).replace("http://", "http://ann:hunter2@")
    loopback_index.fail("/big.whl", "disconnect")
    got = Local().download(url, str(tmp_path / "big.whl"))
    kept = "".join(path.read_text("latin-1") for path in tmp_path.iterdir())
    assert "hunter2" not in got.url + str(got.problem) + kept


def test_a_host_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with closed_port() as url:
        got = Local().download(url + "x.whl", str(tmp_path / "x.whl"))
    assert got.problem is not None
    assert "refused" in got.problem


def test_a_file_on_this_machine_is_fetched_too(tmp_path: Path) -> None:
    (tmp_path / "here.whl").write_bytes(FILE)
    got = Local().download((tmp_path / "here.whl").as_uri(), str(tmp_path / "there.whl"))
    assert got.ok
    assert (tmp_path / "there.whl").read_bytes() == FILE


def test_what_cannot_fit_is_not_begun(loopback_index: LoopbackIndex, tmp_path: Path) -> None:
    url = loopback_index.put("big.whl", FILE)
    loopback_index.fail("/big.whl", "huge")
    with pytest.raises(OSError) as failed:  # noqa: PT011 - its number is looked at
        Local().download(url, str(tmp_path / "big.whl"))
    assert failed.value.errno == errno.ENOSPC
    assert not (tmp_path / "big.whl.part").exists()


def test_only_the_first_byte_is_asked_for_a_files_length(loopback_index: LoopbackIndex) -> None:
    url = loopback_index.put("big.whl", FILE)
    for loopback_index.ranges in (True, False):
        got = Local().fetch(url, first_byte=True)
        assert (got.ok, got.length, got.body) == (True, len(FILE), b"")
