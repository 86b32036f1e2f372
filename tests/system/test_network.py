"""The door fetches: within its time limit, and half an answer is no answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from llmdoctor.system.local import Local
from support.index import LoopbackIndex, Mode, black_hole, closed_port

PAGE = b"<!DOCTYPE html>" + b"<a href='x.whl'>x</a>" * 5000


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_page_comes_whole(loopback_index: LoopbackIndex) -> None:
    url = loopback_index.put("page", PAGE)
    got = Local().fetch(url)
    assert (got.ok, got.status, got.body, got.url) == (True, 200, PAGE, url)


@pytest.mark.parametrize("mode", ["403", "404", "500"])
def test_a_refusal_has_its_status(mode: Mode, loopback_index: LoopbackIndex) -> None:
    url = loopback_index.put("page", PAGE)
    loopback_index.fail("/page", mode)
    got = Local().fetch(url)
    assert (got.ok, got.status, got.body) == (False, int(mode), b"")
    assert got.problem is not None
    assert got.problem.startswith(f"HTTP {mode}")


def test_a_page_that_breaks_off_is_a_problem_and_not_a_shorter_page(
    loopback_index: LoopbackIndex,
) -> None:
    url = loopback_index.put("page", PAGE)
    loopback_index.fail("/page", "disconnect")
    got = Local().fetch(url)
    assert not got.ok
    assert got.problem == "the answer was cut off"


@pytest.mark.parametrize("mode", ["hang", "slow"])
def test_the_time_limit_holds_for_the_whole_answer(
    mode: Mode, loopback_index: LoopbackIndex
) -> None:
    """A slow server sends a little now and then, so that no single wait is long."""
    url = loopback_index.put("page", PAGE)
    loopback_index.fail("/page", mode)
    began = time.monotonic()
    got = Local().fetch(url, timeout=0.3)
    assert got.problem == "no answer within 0.3 s"
    assert time.monotonic() - began < 0.9


def test_a_server_that_never_answers_costs_the_time_limit() -> None:
    began = time.monotonic()
    with black_hole() as url:
        got = Local().fetch(url, timeout=0.4)
    assert not got.ok
    assert got.problem is not None
    assert time.monotonic() - began < 2.0


def test_a_closed_port_is_told_at_once() -> None:
    with closed_port() as url:
        got = Local().fetch(url)
    assert not got.ok
    assert got.problem is not None
    assert "refused" in got.problem


@pytest.mark.parametrize("url", ["no-address", "http://[", "gopher://x/", "http://127.0.0.1:0/a b"])
def test_an_address_that_is_none_is_a_problem(url: str) -> None:
    got = Local().fetch(url, timeout=2.0)
    assert not got.ok
    assert got.problem


def test_a_folder_of_wheels_can_be_named_by_a_file_address(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_bytes(PAGE)
    got = Local().fetch((tmp_path / "index.html").as_uri())
    assert (got.ok, got.body) == (True, PAGE)
    assert not Local().fetch((tmp_path / "nothing").as_uri()).ok


def test_a_proxy_is_asked_instead_of_the_host(loopback_index: LoopbackIndex) -> None:
    """The host itself need not exist."""
    got = Local().fetch("http://nowhere.invalid/page", proxy=loopback_index.url())
    assert got.status == 404
    assert [request.path for request in loopback_index.requests] == ["/page"]


def test_certificates_that_are_not_there_are_a_problem(tmp_path: Path) -> None:
    with closed_port() as url:
        got = Local().fetch(url, ca_file=str(tmp_path / "no.pem"))
    assert not got.ok
