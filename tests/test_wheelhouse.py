"""Wheels by address: fetched once, told apart from others, refused when they are not what they say."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Requirement, Target
from llmdoctor.system.local import Local
from llmdoctor.wheelhouse import Wheelhouse, WheelRefusedError, misfit
from support.index import LoopbackIndex
from support.wheels import build_wheel

NAME = "flash_attn-2.8.3+cu12torch2.9cxx11abitrue-py3-none-any.whl"
PLACE = f"Dao-AILab/flash-attention/releases/download/v2.8.3/{NAME}"


class Shelf:
    """An index that stands for GitHub, and a user's cache that wheels are fetched into."""

    def __init__(self, folder: Path, index: LoopbackIndex) -> None:
        self.index = index
        self.folder = folder
        self.seen: list[tuple[str, int, int | None]] = []
        self.wheel = build_wheel(
            folder, "flash_attn", NAME.split("-")[1], local_in_metadata=False, requires=["torch"]
        )
        assert self.wheel.name == NAME
        self.url = index.put(PLACE, self.wheel.read_bytes())

    def fetch(self, url: str | None = None, name: str = "flash-attn") -> Path:
        house = Wheelhouse(
            Local(),
            PipConfig(),
            (self.index.url(),),
            lambda file, done, of: self.seen.append((file, done, of)),
        )
        item = Requirement(name, f"{name} @ {url or self.url}", "wheel", url or self.url)
        return Path(house.fetch(item, Target()))

    def refused(self, url: str | None = None, name: str = "flash-attn") -> WheelRefusedError:
        with pytest.raises(WheelRefusedError) as caught:
            self.fetch(url, name)
        cached = [path for path in (self.folder / "cache").rglob("*.whl") if path.is_file()]
        assert cached == [], "what was refused does not stay"
        return caught.value


@pytest.fixture
def shelf(tmp_path: Path, loopback_index: LoopbackIndex, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("LLMDOCTOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LLMDOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    return Shelf(tmp_path, loopback_index)


def test_a_wheel_is_fetched_once_and_then_found_in_the_cache(shelf: Shelf) -> None:
    first = shelf.fetch()
    assert first.name == NAME
    assert first.read_bytes() == shelf.wheel.read_bytes()
    assert shelf.fetch() == first
    assert len(shelf.index.asked("*flash_attn*")) == 1
    assert shelf.seen[-1] == (NAME, len(first.read_bytes()), len(first.read_bytes()))


def test_a_damaged_file_in_the_cache_is_fetched_anew(shelf: Shelf) -> None:
    first = shelf.fetch()
    first.write_bytes(first.read_bytes()[:-7] + b"damaged")
    assert shelf.fetch().read_bytes() == shelf.wheel.read_bytes()


def test_another_file_at_an_address_that_was_seen_before_is_an_error(shelf: Shelf) -> None:
    shelf.fetch().unlink()
    other = build_wheel(
        shelf.folder, "flash_attn", NAME.split("-")[1], local_in_metadata=False, requires=["numpy"]
    )
    shelf.index.put(PLACE, other.read_bytes())
    error = shelf.refused()
    assert "another file than before" in error.message
    assert "wheels.jsonl" in error.message, "says where to take the old digest out"
    assert not error.another, "a changed file is no reason to quietly take another wheel"


def test_a_digest_in_the_address_counts_at_the_first_time(shelf: Shelf) -> None:
    error = shelf.refused(f"{shelf.url}#sha256={'0' * 64}")
    assert "0" * 64 in error.message
    assert not error.another


@pytest.mark.parametrize("mode", ["404", "403"])
def test_a_wheel_that_its_server_does_not_give_leaves_room_for_another(
    shelf: Shelf, mode: str
) -> None:
    shelf.index.fail("*flash_attn*", mode)
    error = shelf.refused()
    assert f"HTTP {mode}" in error.message
    assert error.another


def test_a_wheel_that_cannot_be_reached_is_no_reason_to_take_another(shelf: Shelf) -> None:
    shelf.index.fail("*flash_attn*", "disconnect", times=99)
    error = shelf.refused()
    assert not error.another


def test_a_cut_line_is_taken_up_where_it_was_cut(shelf: Shelf) -> None:
    shelf.index.fail("*flash_attn*", "disconnect", times=1)
    assert shelf.fetch().read_bytes() == shelf.wheel.read_bytes()
    assert len(shelf.index.asked("*flash_attn*")) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/{}",
        "ftp://example.org/{}",
        "file:///tmp/{}",
        "git+https://example.org/{}",
    ],
)
def test_an_address_of_another_scheme_than_https_is_refused(shelf: Shelf, url: str) -> None:
    error = shelf.refused(url.format(NAME))
    assert "by https" in error.message


def test_a_redirect_to_another_scheme_is_refused(shelf: Shelf) -> None:
    shelf.index.fail("*flash_attn*", "302 http://127.0.0.1:9/x.whl")
    assert "redirects" in shelf.refused().message


def test_a_wheel_of_another_platform_is_refused_before_it_is_fetched(shelf: Shelf) -> None:
    url = shelf.url.replace("py3-none-any", "cp312-cp312-win_amd64")
    assert "another platform" in shelf.refused(url).message
    assert shelf.index.requests == []


def test_a_wheel_of_another_project_is_refused(shelf: Shelf) -> None:
    assert "mamba-ssm was meant" in shelf.refused(name="mamba-ssm").message


def test_a_wheel_whose_build_is_another_one_inside_is_refused(shelf: Shelf) -> None:
    wheel = build_wheel(shelf.folder, "flash_attn", "2.8.3+cu12torch2.8cxx11abitrue")
    shelf.index.put(PLACE, wheel.read_bytes())
    assert "2.8.3+cu12torch2.8cxx11abitrue inside" in shelf.refused().message


def test_a_page_instead_of_a_wheel_is_refused(shelf: Shelf) -> None:
    shelf.index.put(PLACE, b"<html>please log in</html>")
    assert "no whole zip file" in shelf.refused().message


@pytest.mark.parametrize("member", ["../../evil.py", "/etc/evil", "..\\..\\evil.py", "C:\\evil"])
def test_a_member_that_leaves_the_environment_is_refused(shelf: Shelf, member: str) -> None:
    with zipfile.ZipFile(shelf.wheel, "a") as wheel:
        wheel.writestr(member, "x")
    shelf.index.put(PLACE, shelf.wheel.read_bytes())
    assert "outside the environment" in shelf.refused().message


def test_a_member_that_is_a_link_is_refused(shelf: Shelf) -> None:
    link = zipfile.ZipInfo("flash_attn/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(shelf.wheel, "a") as wheel:
        wheel.writestr(link, "/etc/passwd")
    assert "is a link" in str(misfit(Local(), str(shelf.wheel), "flash-attn"))


@pytest.mark.skipif(sys.platform == "win32", reason="a full disk is made otherwise there")
def test_a_cache_that_cannot_be_written_is_said(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMDOCTOR_CACHE_DIR", "/proc/llmdoctor")
    with pytest.raises(OSError, match="/proc/llmdoctor"):
        shelf.fetch()
