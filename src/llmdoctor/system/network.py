"""One bounded GET, for asking whether an index is there and what it offers."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from llmdoctor.system import Failure, Fetched

_LIMIT = 32 * 1024 * 1024  # the longest index page seen is far below this
_PROXY_WANTS_LOGIN = 407


@dataclass(frozen=True)
class Asked:
    """What `System.fetch` was asked for."""

    url: str
    timeout: float
    ca_file: str | None = None
    verify: bool = True
    proxy: str | None = None
    first_byte: bool = False


def fetch(asked: Asked) -> Fetched:
    """GET the page within its time limit altogether, name resolution included.

    Socket time limits do not cover name resolution, so the request runs in a thread that is left
    behind when the time is up.
    """
    answers: list[Fetched] = []
    thread = threading.Thread(target=lambda: answers.append(_get(asked)), daemon=True)
    thread.start()
    thread.join(asked.timeout)
    if answers:
        return answers[0]
    problem = f"no answer within {asked.timeout:g} s"
    return Fetched(asked.url, problem=problem, failure="timeout")


def _get(asked: Asked) -> Fetched:
    url = asked.url
    try:
        wanted = request(url)
        if asked.first_byte:
            wanted.add_header("Range", "bytes=0-0")
        asker = opener(asked.ca_file, verify=asked.verify, proxy=asked.proxy)
        with asker.open(wanted, timeout=asked.timeout) as answer:
            promised = int(answer.headers.get("Content-Length") or 0)
            if asked.first_byte:
                total = str(answer.headers.get("Content-Range") or "").rpartition("/")[2]
                length = int(total) if total.isdigit() else promised
                return Fetched(url, answer.status, length=length or None)
            body = answer.read(_LIMIT)
            if len(body) < min(promised, _LIMIT):  # half an index page is not a shorter index
                problem = "the answer was cut off"
                return Fetched(url, answer.status, problem=problem, failure="other")
            return Fetched(url, answer.status, body, length=len(body))
    except urllib.error.HTTPError as error:
        with error:
            problem = f"HTTP {error.code} {error.reason}"
        failure: Failure = "proxy" if error.code == _PROXY_WANTS_LOGIN else "status"
        return Fetched(url, error.code, problem=problem, failure=failure)
    except urllib.error.URLError as error:
        reason = error.reason
        kind = _failure(reason, proxied=_is_proxied(asked)) if isinstance(reason, OSError) else None
        return Fetched(url, problem=str(reason), failure=kind or "other")
    except (OSError, ValueError, http.client.HTTPException) as error:
        problem = str(error) or type(error).__name__
        kind = _failure(error, proxied=False) if isinstance(error, OSError) else None
        return Fetched(url, problem=problem, failure=kind or "other")


def _failure(error: OSError, *, proxied: bool) -> Failure | None:
    """What kind of failure the system's error is; of a connection that went to a proxy, its."""
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, TimeoutError):
        return "timeout"
    # http.client raises it where the proxy does not connect to the host: 407, 502, 503 ...
    if str(error).startswith("Tunnel connection failed"):
        return "proxy"
    if isinstance(error, (socket.gaierror, ConnectionRefusedError)):
        if proxied:
            return "proxy"
        return "dns" if isinstance(error, socket.gaierror) else "refused"
    return None


def _is_proxied(asked: Asked) -> bool:
    """Whether the connection goes to a proxy, as urllib decides it."""
    parts = urlsplit(asked.url)
    proxy = asked.proxy or urllib.request.getproxies().get(parts.scheme)
    return bool(proxy and not urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]))


def opener(
    ca_file: str | None,
    *,
    verify: bool,
    proxy: str | None,
    redirects: urllib.request.BaseHandler | None = None,
) -> urllib.request.OpenerDirector:
    """What asks servers: with the user's certificates and proxy, and following `redirects`."""
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    proxies = None if proxy is None else {"http": proxy, "https": proxy}
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies),
        urllib.request.HTTPSHandler(context=context),
        *((redirects,) if redirects else ()),
    )


def request(url: str, accept: str = "text/html") -> urllib.request.Request:
    """Credentials in the address go into a header, which a redirect to elsewhere does not get."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    asked = urllib.request.Request(
        urlunsplit(parts._replace(netloc=host)),
        headers={"Accept": accept, "User-Agent": "llmdoctor"},
    )
    if at:
        name, _, password = user.partition(":")
        plain = f"{unquote(name)}:{unquote(password)}".encode()
        asked.add_unredirected_header("Authorization", "Basic " + b64encode(plain).decode())
    return asked
