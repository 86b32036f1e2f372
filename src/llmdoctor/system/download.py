"""One file from the network: told of as it comes, and resumed where it was cut off.

What has come so far lies beside the file as `.part`, with a `.part.json` that says of which file it
is: its address, its length and the server's mark of that version (ETag, Last-Modified). Another
version is begun anew.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmdoctor.system import Downloaded
from llmdoctor.system.network import opener, request

_SILENCE = 30.0  # seconds without a byte that count as a cut line
_TRIES = 4  # in a row that bring nothing
_PAUSE = 0.5  # seconds before the second try, doubled for each one after it
_CHUNK = 1 << 20
_AGAIN = (408, 429, 500, 502, 503, 504)

OnBytes = Callable[[int, "int | None"], None]


class _CutError(Exception):
    """The line was cut, or the server asks to come back later."""


class _RefusedError(Exception):
    """There is no such file to be had."""


@dataclass
class _Part:
    """What is there of a file, and of which version."""

    file: Path
    address: str
    length: int | None = None
    mark: str | None = None

    @property
    def note(self) -> Path:
        return self.file.with_name(self.file.name + ".json")

    @property
    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def recall(self) -> None:
        """Go on with what an earlier call left, if it is of the same address."""
        try:
            told = json.loads(self.note.read_text("utf-8"))
            if told["address"] == self.address:
                self.length, self.mark = told["length"], told["mark"]
                return
        except (OSError, ValueError, KeyError, TypeError):
            pass
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.file.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
        self.length = self.mark = None

    def remember(self, length: int | None, mark: str | None) -> None:
        """Write down of which version the bytes are that come now."""
        self.length, self.mark = length, mark
        told = {"address": self.address, "length": length, "mark": mark}
        self.note.write_text(json.dumps(told), "utf-8")


def download(
    url: str,
    to: str,
    *,
    ca_file: str | None,
    verify: bool,
    proxy: str | None,
    on_bytes: OnBytes | None,
) -> Downloaded:
    """GET a file of any size into `to`; see `System.download`."""
    parts = urlsplit(url)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    place = Path(to)
    part = _Part(place.with_name(place.name + ".part"), shown)
    part.recall()
    opened = opener(ca_file, verify=verify, proxy=proxy, redirects=_NoOtherScheme())
    barren = 0
    while True:
        before = part.size
        try:
            _go_on(opened, url, part, on_bytes)
            break
        except _RefusedError as error:
            return Downloaded(shown, problem=str(error))
        except _CutError as error:
            barren = 0 if part.size > before else barren + 1
            if barren == _TRIES:
                return Downloaded(shown, problem=str(error))
            time.sleep(_PAUSE * 2**barren)
    digest = hashlib.sha256()
    with part.file.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    size = part.size
    part.file.replace(place)
    part.note.unlink(missing_ok=True)
    return Downloaded(shown, size, digest.hexdigest())


def _go_on(opened: Any, url: str, part: _Part, on_bytes: OnBytes | None) -> None:
    """Ask for what is missing and write it down as it comes."""
    asked = request(url, accept="*/*")
    offset = part.size
    if offset and offset == part.length:
        return
    if offset:
        asked.add_header("Range", f"bytes={offset}-")
        if part.mark:
            asked.add_header("If-Range", part.mark)
    try:
        answer = opened.open(asked, timeout=_SILENCE)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # what lies here is longer than the file is now
                part.forget()
                raise _CutError("the file changed while it was fetched") from None
            why = f"HTTP {error.code} {error.reason}"
            raise (_CutError if error.code in _AGAIN else _RefusedError)(why) from None
    except urllib.error.URLError as error:
        final = isinstance(error.reason, str)  # said by urllib or by `_NoOtherScheme`
        raise (_RefusedError if final else _CutError)(str(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(str(error) or type(error).__name__) from None
    except ValueError as error:  # no address at all
        raise _RefusedError(str(error)) from None
    with answer:
        offset = _begin(answer, part, offset)
        _make_sure_it_fits(part, offset)
        with part.file.open("ab") as file:
            _receive(answer, file, part, on_bytes)


def _begin(answer: Any, part: _Part, offset: int) -> int:
    """Whether the answer goes on from `offset`, or begins anew; gives where it begins."""
    mark = _mark(answer.headers)
    begin, total = _range(answer.headers.get("Content-Range"))
    if answer.status == 206 and begin == offset:
        same = mark == part.mark and (part.length is None or total == part.length)
        if not same:
            part.forget()
            raise _CutError("the file changed while it was fetched")
        return offset
    part.forget()
    length = answer.headers.get("Content-Length")
    part.remember(int(length) if length and length.isdigit() else None, mark)
    return 0


def _receive(answer: Any, file: Any, part: _Part, on_bytes: OnBytes | None) -> None:
    done = file.tell()
    if on_bytes is not None:
        on_bytes(done, part.length)
    while True:
        try:
            chunk = answer.read1(_CHUNK) if hasattr(answer, "read1") else answer.read(_CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _CutError(str(error) or type(error).__name__) from None
        if not chunk:
            break
        file.write(chunk)  # a full disk is no cut line: it ends the call
        done += len(chunk)
        if on_bytes is not None:
            on_bytes(done, part.length)
    if part.length is not None and done < part.length:
        raise _CutError(f"the line was cut after {done} of {part.length} bytes")
    if part.length is not None and done > part.length:
        file.close()
        part.forget()
        raise _CutError("more came than was promised")


def _make_sure_it_fits(part: _Part, offset: int) -> None:
    if part.length is None:
        return
    missing = part.length - offset
    if shutil.disk_usage(part.file.parent).free < missing:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(part.file.parent))


def _mark(headers: Any) -> str | None:
    """What names this version of the file. A weak ETag says nothing about bytes."""
    etag, modified = headers.get("ETag"), headers.get("Last-Modified")
    return str(etag) if etag and not etag.startswith("W/") else modified and str(modified)


def _range(text: str | None) -> tuple[int | None, int | None]:
    """Where a part begins and how long the whole is: "bytes 100-199/5000"."""
    span, _, total = (text or "").removeprefix("bytes ").partition("/")
    begin = span.partition("-")[0]
    return (int(begin) if begin.isdigit() else None, int(total) if total.isdigit() else None)


class _NoOtherScheme(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to https, or within one host; to anywhere else it does not go."""

    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
    ) -> Any:
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme != "https" and (new.scheme, new.netloc) != (old.scheme, old.netloc):
            raise urllib.error.URLError(
                f"it redirects from {old.scheme}://{old.hostname} to {new.scheme}://"
                f"{new.hostname or ''}, which is refused"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)
