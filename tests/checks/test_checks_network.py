"""NET: what the answers of servers mean. Without `--network` nobody was asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import judge, only, remedy
from llmdoctor.machine import Machine
from llmdoctor.network import Outcome, Place

UNASKED = Place("index", "nobody", "unasked", said="no address is configured", main=True)
INDEX = Place("index", "pip's configuration", "ok", "https://index.invalid/simple", main=True)
EXTRA = Place("index", "UV_INDEX", "ok", "https://extra.invalid/simple")
TORCH = Place("torch-index", "llmdoctor", "ok", "https://download.pytorch.org/whl/cpu")
HUB = Place("models", "llmdoctor", "ok", "https://huggingface.co")
CODES = ("NET001", "NET002", "NET003", "NET004", "NET005")
UNTRUSTED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1006)"
EXPIRED = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)"
ELSEWHERE = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: IP address mismatch, certificate is not valid for '127.0.0.1'. (_ssl.c:1006)"


def seen(*places: Place, **variables: str) -> Machine:
    return Machine(network=places, variables=variables)


def lost(place: Place, outcome: Outcome, said: str, status: int | None = None) -> Place:
    return replace(place, outcome=outcome, said=said, status=status)


@pytest.mark.parametrize("code", CODES)
def test_nobody_is_judged_who_was_not_asked(code: str) -> None:
    assert judge(code, Machine()).reason == "not asked for: --network"
    assert "no address is configured" in str(judge(code, seen(UNASKED)).reason)
    assert judge(code, seen(UNASKED, INDEX, EXTRA, TORCH, HUB)).outcome == "pass"


@pytest.mark.parametrize("outcome", ["dns", "refused", "timeout", "other"])
def test_a_main_index_that_is_silent_is_an_error_and_a_mirror_could_replace_ours(
    outcome: Outcome,
) -> None:
    found = only(judge("NET002", seen(lost(INDEX, outcome, "no"), TORCH)))
    assert (found.severity, found.cause) == ("error", "network-unreachable")
    assert "pip's configuration" in remedy(found).summary
    found = only(judge("NET002", seen(INDEX, lost(TORCH, outcome, "no"))))
    assert found.severity == "warning"
    assert "LLMDOCTOR_TORCH_INDEX" in remedy(found).summary


def test_where_nobody_answers_there_is_no_network() -> None:
    machine = seen(UNASKED, lost(TORCH, "dns", "no"), lost(HUB, "dns", "no"))
    found = only(judge("NET002", machine))
    assert (found.title, found.severity) == ("The network cannot be reached", "error")
    again = (("llmdoctor", "check", "--network", "--select", "NET"),)
    assert remedy(found).commands == again
    assert "HTTPS_PROXY" in remedy(found).summary
    behind = replace(machine, variables={"https_proxy": "set"})
    assert "HTTPS_PROXY" not in remedy(only(judge("NET002", behind))).summary


def test_a_proxy_s_failure_is_the_proxy_s_and_not_the_host_s() -> None:
    wants = lost(TORCH, "proxy", "Tunnel connection failed: 407 Proxy Authentication Required")
    machine = seen(wants, HUB, HTTPS_PROXY="set")
    found = only(judge("NET001", machine))
    assert (found.title, found.severity) == ("The proxy wants a login", "warning")
    assert "HTTPS_PROXY" in found.detail
    assert judge("NET002", machine).outcome == "pass"
    down = seen(
        lost(TORCH, "proxy", "Connection refused"), lost(HUB, "proxy", "Connection refused")
    )
    found = only(judge("NET001", down))
    assert found.severity == "error"
    assert "pip config list" in found.detail
    assert remedy(found).commands == (("llmdoctor", "check", "--network", "--select", "NET"),)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (UNTRUSTED, "ssl-interception"),
        (EXPIRED, "index-cert-expired"),
        (EXPIRED.replace("has expired", "is not yet valid"), "index-cert-expired"),
        (ELSEWHERE, "network-unreachable"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)", "network-unreachable"),
    ],
)
def test_what_tls_says_names_the_cause(said: str, cause: str) -> None:
    found = only(judge("NET003", seen(INDEX, lost(TORCH, "tls", said))))
    assert found.cause == cause
    assert found.remedy is not None
    assert found.severity == "warning"


def test_two_reasons_are_two_findings() -> None:
    machine = seen(lost(INDEX, "tls", EXPIRED), lost(TORCH, "tls", UNTRUSTED))
    assert {item.cause: item.severity for item in judge("NET003", machine).findings} == {
        "index-cert-expired": "error",
        "ssl-interception": "warning",
    }


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_login_is_an_error_where_one_was_given(status: int) -> None:
    refused = lost(INDEX, "status", f"HTTP {status}", status)
    found = only(judge("NET004", seen(refused)))
    assert (found.severity, found.cause) == ("warning", "index-login-refused")
    assert "carries no login" in found.detail
    found = only(judge("NET004", seen(replace(refused, login=True))))
    assert found.severity == "error"
    assert "Renew" in remedy(found).summary
    assert judge("NET005", seen(refused)).outcome == "pass"


def test_an_index_without_torch_is_told_only_where_it_should_have_it() -> None:
    found = only(judge("NET005", seen(lost(INDEX, "status", "HTTP 404 Not Found", 404), EXTRA)))
    assert "/simple" in remedy(found).summary
    extra = lost(EXTRA, "status", "HTTP 404 Not Found", 404)
    assert judge("NET005", seen(INDEX, extra)).outcome == "pass"
    assert only(judge("NET005", seen(INDEX, lost(EXTRA, "status", "HTTP 503", 503))))
