"""One bounded GET, for asking whether an index is there and what it offers."""

from __future__ import annotations

import ssl
import threading
import urllib.error
import urllib.request

from llmdoctor.system import Fetched

_LIMIT = 32 * 1024 * 1024  # the longest index page seen is far below this


def fetch(url: str, *, timeout: float, ca_file: str | None, verify: bool) -> Fetched:
    """GET `url` within `timeout` seconds altogether, name resolution included.

    Socket time limits do not cover name resolution, so the request runs in a thread that is left
    behind when the time is up.
    """
    answers: list[Fetched] = []

    def ask() -> None:
        answers.append(_get(url, timeout, ca_file, verify=verify))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return answers[0] if answers else Fetched(url, problem=f"no answer within {timeout:g} s")


def _get(url: str, timeout: float, ca_file: str | None, *, verify: bool) -> Fetched:
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        request = urllib.request.Request(
            url, headers={"Accept": "text/html", "User-Agent": "llmdoctor"}
        )
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            return Fetched(url, answer.status, answer.read(_LIMIT))
    except urllib.error.HTTPError as error:
        with error:
            return Fetched(url, error.code, problem=f"HTTP {error.code} {error.reason}")
    except urllib.error.URLError as error:
        return Fetched(url, problem=str(error.reason))
    except (OSError, ValueError) as error:
        return Fetched(url, problem=str(error) or type(error).__name__)
