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
    url: str, *, timeout: float, ca_file: str | None, verify: bool, proxy: str | None
) -> Fetched:
    """GET `url` within `timeout` seconds altogether, name resolution included.

    Socket time limits do not cover name resolution, so the request runs in a thread that is left
    behind when the time is up.
    """
    answers: list[Fetched] = []

    def ask() -> None:
        answers.append(_get(url, timeout, ca_file, verify=verify, proxy=proxy))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return answers[0] if answers else Fetched(url, problem=f"no answer within {timeout:g} s")


def _get(
    url: str, timeout: float, ca_file: str | None, *, verify: bool, proxy: str | None
) -> Fetched:
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        proxies = None if proxy is None else {"http": proxy, "https": proxy}
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(_request(url), timeout=timeout) as answer:
            body = answer.read(_LIMIT)
            promised = int(answer.headers.get("Content-Length") or 0)
            if len(body) < min(promised, _LIMIT):  # half an index page is not a shorter index
                return Fetched(url, answer.status, problem="the answer was cut off")
            return Fetched(url, answer.status, body)
    except urllib.error.HTTPError as error:
        with error:
            return Fetched(url, error.code, problem=f"HTTP {error.code} {error.reason}")
    except urllib.error.URLError as error:
        return Fetched(url, problem=str(error.reason))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Fetched(url, problem=str(error) or type(error).__name__)


def _request(url: str) -> urllib.request.Request:
    """Credentials in the address go into a header, which a redirect to elsewhere does not get."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(
        urlunsplit(parts._replace(netloc=host)),
        headers={"Accept": "text/html", "User-Agent": "llmdoctor"},
    )
    if at:
        name, _, password = user.partition(":")
        plain = f"{unquote(name)}:{unquote(password)}".encode()
        request.add_unredirected_header("Authorization", "Basic " + b64encode(plain).decode())
    return request
