"""The door fetches: within its time limit, and half an answer is no answer."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from llmdoctor.system.local import Local
from support.index import (
    AUTHORITY,
    Certificate,
    LoopbackIndex,
    Mode,
    black_hole,
    closed_port,
)

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


@pytest.mark.parametrize("mode", ["401", "403", "404", "500"])
def test_a_refusal_has_its_status(mode: Mode, loopback_index: LoopbackIndex) -> None:
    url = loopback_index.put("page", PAGE)
    loopback_index.fail("/page", mode)
    got = Local().fetch(url)
    assert (got.ok, got.status, got.body) == (False, int(mode), b"")
    assert got.problem is not None
    assert got.problem.startswith(f"HTTP {mode}")
    assert got.failure == "status"


def test_a_page_that_breaks_off_is_a_problem_and_not_a_shorter_page(
    loopback_index: LoopbackIndex,
) -> None:
    url = loopback_index.put("page", PAGE)
    loopback_index.fail("/page", "disconnect")
    got = Local().fetch(url)
    assert not got.ok
    assert (got.problem, got.failure) == ("the answer was cut off", "other")


@pytest.mark.parametrize("mode", ["hang", "slow"])
def test_the_time_limit_holds_for_the_whole_answer(
    mode: Mode, loopback_index: LoopbackIndex
) -> None:
    """A slow server sends a little now and then, so that no single wait is long."""
    url = loopback_index.put("page", PAGE)
    loopback_index.fail("/page", mode)
    began = time.monotonic()
    got = Local().fetch(url, timeout=0.3)
    assert (got.problem, got.failure) == ("no answer within 0.3 s", "timeout")
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
    assert got.failure == "refused"


def test_a_name_that_nobody_knows_is_told_as_that() -> None:
    got = Local().fetch("https://nowhere.invalid/", timeout=20)
    assert got.failure in ("dns", "timeout")  # where the name server itself is silent
    assert got.problem


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        ("expired", "certificate has expired"),
        ("future", "certificate is not yet valid"),
        ("elsewhere", "doesn't match|not valid for|mismatch"),
    ],
)
def test_a_certificate_that_is_wrong_is_told_with_the_reason(
    certificate: Certificate, said: str
) -> None:
    with LoopbackIndex(certificate) as index:
        got = Local().fetch(index.url(), ca_file=str(AUTHORITY))
        unverified = Local().fetch(index.url(), verify=False)
    assert got.failure == "tls"
    assert re.search(said, str(got.problem))
    assert unverified.status == 404


def test_a_certificate_of_an_unknown_authority_is_told() -> None:
    with LoopbackIndex("good") as index:
        got = Local().fetch(index.url())
        trusted = Local().fetch(index.url(), ca_file=str(AUTHORITY))
    assert got.failure == "tls"
    assert "certificate verify failed" in str(got.problem)
    assert trusted.status == 404


def test_a_server_that_speaks_no_tls_is_a_failed_handshake(loopback_index: LoopbackIndex) -> None:
    got = Local().fetch(loopback_index.url().replace("http:", "https:"))
    assert got.failure in ("tls", "other")  # a server may close first, which is no word of TLS


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


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_told_as_the_proxy_s(
    scheme: str, loopback_index: LoopbackIndex
) -> None:
    loopback_index.fail("*", "407")
    got = Local().fetch(f"{scheme}://nowhere.invalid/page", proxy=loopback_index.url())
    assert got.failure == "proxy"
    assert "407" in str(got.problem)


def test_a_proxy_that_does_not_reach_the_host_is_told(loopback_index: LoopbackIndex) -> None:
    got = Local().fetch("https://nowhere.invalid/page", proxy=loopback_index.url())
    assert got.failure == "proxy"
    assert "502" in str(got.problem)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_down_is_not_taken_for_the_host(scheme: str) -> None:
    with closed_port() as proxy:
        got = Local().fetch(f"{scheme}://nowhere.invalid/", proxy=proxy)
    assert got.failure == "proxy"


def test_a_host_without_a_proxy_is_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with closed_port() as url:
        assert Local().fetch(url, proxy="http://nowhere.invalid").failure == "refused"


def test_certificates_that_are_not_there_are_a_problem(tmp_path: Path) -> None:
    with closed_port() as url:
        got = Local().fetch(url, ca_file=str(tmp_path / "no.pem"))
    assert not got.ok
