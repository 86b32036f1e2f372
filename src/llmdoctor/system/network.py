"""One bounded GET, for asking whether an index is there and what it offers."""

from __future__ import annotations

import http.client
import ssl
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from urllib.parse import unquote, urlsplit, urlunsplit

from llmdoctor.system import Fetched

_LIMIT = 32 * 1024 * 1024  # the longest index page seen is far below this


def fetch(
    url: str,
    *,
    timeout: float,
    ca_file: str | None,
    verify: bool,
    proxy: str | None,
    first_byte: bool = False,
) -> Fetched:
    """GET `url` within `timeout` seconds altogether, name resolution included.

    Socket time limits do not cover name resolution, so the request runs in a thread that is left
    behind when the time is up.
    """
    answers: list[Fetched] = []

    def ask() -> None:
        answers.append(
            _get(url, timeout, ca_file, verify=verify, proxy=proxy, first_byte=first_byte)
        )

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return answers[0] if answers else Fetched(url, problem=f"no answer within {timeout:g} s")


def _get(
    url: str,
    timeout: float,
    ca_file: str | None,
    *,
    verify: bool,
    proxy: str | None,
    first_byte: bool,
) -> Fetched:
    try:
        asked = request(url)
        if first_byte:
            asked.add_header("Range", "bytes=0-0")
        opened = opener(ca_file, verify=verify, proxy=proxy)
        with opened.open(asked, timeout=timeout) as answer:
            promised = int(answer.headers.get("Content-Length") or 0)
            if first_byte:
                total = str(answer.headers.get("Content-Range") or "").rpartition("/")[2]
                length = int(total) if total.isdigit() else promised
                return Fetched(url, answer.status, length=length or None)
            body = answer.read(_LIMIT)
            if len(body) < min(promised, _LIMIT):  # half an index page is not a shorter index
                return Fetched(url, answer.status, problem="the answer was cut off")
            return Fetched(url, answer.status, body, length=len(body))
    except urllib.error.HTTPError as error:
        with error:
            return Fetched(url, error.code, problem=f"HTTP {error.code} {error.reason}")
    except urllib.error.URLError as error:
        return Fetched(url, problem=str(error.reason))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Fetched(url, problem=str(error) or type(error).__name__)


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
