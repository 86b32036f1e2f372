"""NET: whether the places that packages and models come from answer (`check --network`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks.deep import named
from llmdoctor.finding import Finding, Remedy, Severity

if TYPE_CHECKING:  # only a look at the network needs them
    from llmdoctor.explain import Named
    from llmdoctor.network import Place

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _SERVER_ERROR = 401, 403, 404, 500
_PROXY_LOGIN = "407"
_AGAIN = (("llmdoctor", "check", "--network", "--select", "NET"),)  # whether it helped


def asked(case: Case) -> tuple[Place, ...] | Skip:
    """The places that were asked, or why nobody was."""
    places = case.machine.network
    if places is None:
        return Skip("not asked for: --network")
    tried = tuple(place for place in places if place.outcome != "unasked")
    return tried or Skip("; ".join(_line(place) for place in places) or "there was nobody to ask")


@check("NET001", cause="network-unreachable", readers=("variables",))
def proxy_fails(case: Case) -> Answer:
    """The proxy on the way does not let requests through.

    What: Asks every place that packages and models come from, through the proxy that the variables
    or pip's configuration name (`--network`).

    Why: With a proxy that is down, wants a login or forbids a host, every download fails, and
    messages speak of the host: "Max retries exceeded", "Tunnel connection failed".

    Remedy: Correct HTTPS_PROXY, put the login into it, or clear it where no proxy is needed.

    Known problems: A proxy that logs in by the Windows account (NTLM) is not tried that way.
    """
    places = asked(case)
    if isinstance(places, Skip):
        return places
    failed = [place for place in places if place.outcome == "proxy"]
    if not failed:
        return None
    login = any(_PROXY_LOGIN in f"{place.status} {place.said}" for place in failed)
    where = [name for name in case.machine.variables if name.lower().endswith("_proxy")]
    named_by = " and ".join(where) or "pip's configuration (`pip config list`)"
    return finding(
        proxy_fails,
        f"{_names(failed)}: nothing comes through the proxy that {named_by} "
        f"{'name' if len(where) > 1 else 'names'}.",
        title="The proxy wants a login" if login else None,
        severity=_severity(failed, places),
        evidence=map(_line, failed),
        remedy=Remedy(
            "Put the login into the address: `http://NAME:PASSWORD@HOST:PORT`; or run a local "
            "helper that logs in for you."
            if login
            else f"Correct {named_by}; clear it where no proxy is needed, and name hosts that are "
            "reached without it in NO_PROXY.",
            "manual",
            _AGAIN,
        ),
    )


@check(
    "NET002",
    cause="network-unreachable",
    also=("prebuilt-wheel-download-failed",),
    readers=("variables",),
)
def place_unreachable(case: Case) -> Answer:
    """A place that packages or models come from cannot be reached.

    What: Asks the configured indexes, the PyTorch index, GitHub and the Hugging Face Hub, or the
    mirrors that are named for them, each for one small page within a few seconds (`--network`).

    Why: An installer tries for minutes and then says that there is no matching version. An extra
    index that is silent slows down every install.

    Remedy: The network, a proxy (HTTPS_PROXY), the address, or a mirror: LLMDOCTOR_TORCH_INDEX,
    LLMDOCTOR_GITHUB, HF_ENDPOINT.

    Known problems: The installers' own default index is not asked. Large files come from other
    hosts than the pages that are asked for, and a firewall may know only one of them.
    """
    places = asked(case)
    if isinstance(places, Skip):
        return places
    failed = [place for place in places if place.outcome in ("dns", "refused", "timeout", "other")]
    if not failed:
        return None
    nothing = len(failed) == len(places)
    proxied = any(name.lower().endswith("_proxy") for name in case.machine.variables)
    return finding(
        place_unreachable,
        "None of the places that were asked answers." if nothing else f"{_names(failed)}: silent.",
        title="The network cannot be reached" if nothing else None,
        # a build that looks for its ready wheel there fails, and nothing else does
        cause="prebuilt-wheel-download-failed"
        if all(place.role == "wheels" for place in failed) and not nothing
        else None,
        severity=_severity(failed, places),
        evidence=map(_line, failed),
        remedy=Remedy(
            " ".join(_ways_out(failed, nothing=nothing, proxied=proxied)), "manual", _AGAIN
        ),
    )


@check("NET003", cause="ssl-interception", also=("index-cert-expired", "network-unreachable"))
def certificate_refused(case: Case) -> Answer:
    """A server's certificate is not trusted.

    What: Opens a verified connection to each place, with the certificates that pip is told to
    trust (`--network`), and reads what TLS says.

    Why: A company's proxy or a virus scanner that reads along shows a certificate of its own; an
    expired one, or a clock that is wrong, fails the same way for every program.

    Remedy: Give pip and uv the company's certificate; look at the clock; write to whoever runs the
    server.

    Known problems: Where Python has no certificates at all (a slim container, a Python of macOS
    whose certificates were not installed) pip, which brings its own, works all the same.
    """
    places = asked(case)
    if isinstance(places, Skip):
        return places
    failed = [place for place in places if place.outcome == "tls"]
    known: dict[str | None, Named | None] = {}
    groups: dict[str | None, list[Place]] = {}
    for place in failed:
        reason = named(place.said) if "CERTIFICATE_VERIFY_FAILED" in (place.said or "") else None
        cause = reason.cause if reason else None
        known.setdefault(cause, reason)
        groups.setdefault(cause, []).append(place)
    return [_refused(known[cause], group, places) for cause, group in groups.items()]


@check("NET004", cause="index-login-refused", severity="warning")
def login_refused(case: Case) -> Answer:
    """An index wants a login, or refuses the one it was given.

    What: Tells the indexes that answer 401 or 403 (`--network`).

    Why: pip then says that it finds no matching version, and uv that the index could not be
    queried. A token that expired looks the same.

    Remedy: Renew the token where the address or the keyring has it.

    Known problems: pip also asks a keyring and ~/.netrc, and llmdoctor asks neither: without a
    login in the address this is no more than a warning.
    """
    places = asked(case)
    if isinstance(places, Skip):
        return places
    failed = [
        place
        for place in places
        if place.role in ("index", "find-links") and place.status in (_UNAUTHORIZED, _FORBIDDEN)
    ]
    if not failed:
        return None
    given = any(place.login for place in failed)
    return finding(
        login_refused,
        f"{_names(failed)}: "
        + ("the login in the address is not taken." if given else "the address carries no login."),
        severity="error" if any(place.login and place.main for place in failed) else None,
        evidence=map(_line, failed),
        remedy=Remedy(
            "Renew the token, and change it where it is written: "
            + ", ".join(dict.fromkeys(place.named_by for place in failed))
            + "."
            if given
            else "Give the installers a login: in the address, in ~/.netrc, or in a keyring "
            "(for uv, UV_KEYRING_PROVIDER=subprocess)."
        ),
    )


@check("NET005", cause=None, severity="warning")
def answers_with_error(case: Case) -> Answer:
    """A place answers, but not with packages.

    What: Tells the places that answer with an HTTP error, and an index that knows no torch
    (`--network`).

    Why: A wrong path in an index's address (its /simple left out) reads "no matching distribution"
    in pip. A server that is overloaded or forbids this network fails downloads now and then.

    Remedy: Correct the address, or wait for the server.

    Known problems: An extra index for a company's own packages rightly has no torch: only the main
    index and the PyTorch index are held to it.
    """
    places = asked(case)
    if isinstance(places, Skip):
        return places
    failed = [place for place in places if place.outcome == "status" and _is_wrong(place)]
    if not failed:
        return None
    lost = all(place.status == _NOT_FOUND for place in failed)
    return finding(
        answers_with_error,
        f"{_names(failed)}: " + ("there is no torch." if lost else "the server answers an error."),
        evidence=map(_line, failed),
        remedy=Remedy(
            "Correct the address: an index ends in /simple for most servers. It is named by "
            + ", ".join(dict.fromkeys(place.named_by for place in failed))
            + "."
            if lost
            else "Try again later; if it stays, ask whoever runs the server or the firewall."
        ),
    )


def _is_wrong(place: Place) -> bool:
    """Whether that status is a trouble for that place, and NET004 does not tell it."""
    if place.role in ("index", "find-links") and place.status in (_UNAUTHORIZED, _FORBIDDEN):
        return False
    if place.status == _NOT_FOUND:  # with a mirror's address anything may be meant
        return place.main or place.role in ("torch-index", "find-links")
    return True


def _refused(known: Named | None, failed: list[Place], places: tuple[Place, ...]) -> Finding:
    """The places whose connection fails for one reason."""
    if known is None:
        return finding(
            certificate_refused,
            f"{_names(failed)}: the handshake fails.",
            title="An encrypted connection does not come about",
            cause="network-unreachable",
            severity=_severity(failed, places),
            evidence=map(_line, failed),
            remedy=Remedy(
                "See whether the address should begin with http://, and what lies on the way."
            ),
        )
    encrypted = [place for place in places if (place.url or "").startswith("https:")]
    all_of_them = len(failed) == len(encrypted) > 1 and known.cause == certificate_refused.cause
    hint = " All of them: a proxy reads along, or Python here has no certificates to trust."
    return finding(
        certificate_refused,
        f"{_names(failed)}: the certificate is refused.{hint if all_of_them else ''}",
        title=known.title,
        cause=known.cause,
        severity=_severity(failed, places),
        evidence=map(_line, failed),
        remedy=known.remedy,
        url=known.url,
    )


def _severity(failed: list[Place], places: tuple[Place, ...]) -> Severity:
    """An error where nothing can be installed: nobody answers, or the main index does not."""
    everything = len(failed) == len(places) or any(place.main for place in failed)
    return "error" if everything else "warning"


def _ways_out(failed: list[Place], *, nothing: bool, proxied: bool) -> Iterable[str]:
    if nothing:
        yield "See whether this machine has a network."
    if not proxied:
        yield "Where the network is reached through a proxy only, set HTTPS_PROXY."
    named_by = [place.named_by for place in failed if place.named_by != "llmdoctor"]
    if named_by and not nothing:
        yield f"See the address in {', '.join(dict.fromkeys(named_by))}: a VPN may be needed."
    variables = {
        "torch-index": "LLMDOCTOR_TORCH_INDEX",
        "wheels": "LLMDOCTOR_GITHUB",
        "models": "HF_ENDPOINT",
    }
    mirrors = [variables[place.role] for place in failed if place.role in variables]
    if mirrors:
        yield f"A mirror is named by {', '.join(mirrors)}, or in [tool.llmdoctor.mirrors]."


def _names(places: Iterable[Place]) -> str:
    text = ", ".join(dict.fromkeys(place.name for place in places))
    return text[:1].upper() + text[1:]


def _line(place: Place) -> str:
    """One place as evidence."""
    which = f"{place.name} {place.url}" if place.url else place.name
    return f"{which} ({place.named_by}): {place.said or place.outcome}"
