"""A package index on the loopback interface which records what it is asked and fails on demand."""

from __future__ import annotations

import hashlib
import html
import posixpath
import re
import socket
import ssl
import sys
import threading
import time
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

Mode = Literal[
    "401", "403", "404", "407", "500", "disconnect", "wrong-hash", "hang", "slow", "stall", "huge"
]
Certificate = Literal["good", "elsewhere", "expired", "future"]

TLS = Path(__file__).with_name("tls")
AUTHORITY = TLS / "ca.pem"  # who trusts it trusts a server with the certificate "good"

_SLOW_SECONDS = 1.0
_SLOW_PIECES = 20


class Request(NamedTuple):
    """One request: the path has its escapes resolved, so a local version reads `+`, not `%2B`."""

    method: str
    path: str


@dataclass(frozen=True)
class _Fault:
    path_glob: str
    mode: Mode | str
    remaining: int | None


class LoopbackIndex:
    """Named PEP 503 indexes (`whl/cu126`, `whl/cpu`, `simple`) on one server at 127.0.0.1.

    Files lie beside the project folders (`/whl/cu126/torch-...whl`) as on the PyTorch index. Wheels
    come with `#sha256`, `data-requires-python` and PEP 658 metadata. Use it as a context manager;
    leaving it releases hanging requests and raises what went wrong inside a handler. With a
    `certificate` it speaks https.
    """

    def __init__(self, certificate: Certificate | None = None) -> None:
        self._pages: dict[str, dict[str, list[str]]] = {}
        self._files: dict[str, bytes] = {}
        self._faults: list[_Fault] = []
        self._requests: list[Request] = []
        self._errors: list[BaseException] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.ranges = True  # parts of files are served, and versions named by an ETag
        self._scheme = "http" if certificate is None else "https"
        self._server = _Server(self, certificate)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if error is None and self._errors:
            raise self._errors[0]

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in the order of arrival."""
        with self._lock:
            return list(self._requests)

    def asked(self, path_glob: str) -> list[Request]:
        """The requests whose path matches, such as `/whl/cu126/*`."""
        return [request for request in self.requests if fnmatchcase(request.path, path_glob)]

    def url(self, index: str = "") -> str:
        """The address of a named index with its trailing slash, or of the server's root."""
        host, port = self._server.server_address[:2]
        name = index.strip("/")
        root = f"{self._scheme}://{host!s}:{port}/"
        return f"{root}{name}/" if name else root

    def create(self, index: str) -> str:
        """Make the named index exist (empty until something is added) and return its address."""
        self._pages.setdefault(index.strip("/"), {})
        return self.url(index)

    def add(self, index: str, *files: Path, yanked: str | None = None) -> str:
        """Put wheels or sdists on the named index and return the index's address."""
        address = self.create(index)
        for file in files:
            data = file.read_bytes()
            self.put(f"{index.strip('/')}/{file.name}", data)
            attributes = ""
            metadata = _wheel_metadata(file)
            if metadata is not None:
                self.put(f"{index.strip('/')}/{file.name}.metadata", metadata)
                digest = f"sha256={hashlib.sha256(metadata).hexdigest()}"
                attributes += f' data-dist-info-metadata="{digest}" data-core-metadata="{digest}"'
                floor = re.search(rb"^Requires-Python: (.*)$", metadata, re.MULTILINE)
                if floor:
                    attributes += f' data-requires-python="{html.escape(floor[1].decode())}"'
            if yanked is not None:
                attributes += f' data-yanked="{html.escape(yanked)}"'
            href = f"../{quote(file.name)}#sha256={hashlib.sha256(data).hexdigest()}"
            link = f'<a href="{href}"{attributes}>{html.escape(file.name)}</a><br>'
            project = canonicalize_name(file.name.split("-")[0])
            self._pages[index.strip("/")].setdefault(project, []).append(link)
        return address

    def put(self, path: str, data: bytes) -> str:
        """Serve *data* at *path*, for files that belong to no index; return its address."""
        self._files[f"/{path.lstrip('/')}"] = data
        return self.url() + quote(path.lstrip("/"))

    def fail(self, path_glob: str, mode: Mode | str, *, times: int | None = None) -> None:
        """Spoil requests whose path matches the glob: all of them, or only the first *times*.

        "disconnect" promises the whole body and drops the line halfway; "wrong-hash" serves other
        bytes of the same length; "hang" answers nothing until the index is closed; "stall" sends
        half the body, then nothing until then; "slow" spreads the body over one second; "huge" promises
        an exabyte. "302 URL" redirects there.
        """
        with self._lock:
            self._faults.append(_Fault(path_glob, mode, times))

    def heal(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    def _take_fault(self, path: str) -> Mode | str | None:
        with self._lock:
            for at, fault in enumerate(self._faults):
                if fault.remaining == 0 or not fnmatchcase(path, fault.path_glob):
                    continue
                if fault.remaining is not None:
                    self._faults[at] = replace(fault, remaining=fault.remaining - 1)
                return fault.mode
        return None

    def _body(self, path: str) -> bytes | None:
        if path in self._files:
            return self._files[path]
        folder = posixpath.normpath(path).strip("/")
        if folder in self._pages:
            return _page(
                "".join(f'<a href="{p}/">{p}</a><br>' for p in sorted(self._pages[folder]))
            )
        index, _, project = folder.rpartition("/")
        links = self._pages.get(index, {}).get(canonicalize_name(project))
        return None if links is None else _page("\n".join(links))


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, index: LoopbackIndex, certificate: Certificate | None) -> None:
        self.index = index
        super().__init__(("127.0.0.1", 0), _Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / f"{certificate}.pem")
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # A client that gives up (timeout, kill) is what some tests are about, not a fault of ours.
        if error is not None and not isinstance(error, ConnectionError):
            self.index._errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        index = self.server.index
        path = unquote(urlsplit(self.path).path)
        with index._lock:
            index._requests.append(Request(self.command, path))
        mode = index._take_fault(path)
        if mode == "hang":
            index._closing.wait()
            return
        if mode is not None and mode.isdecimal():
            self._send(int(mode), b"made to fail")
            return
        if mode is not None and mode.startswith("302 "):
            self._send(302, b"", location=mode.removeprefix("302 "))
            return
        body = index._body(path)
        if body is None:
            self._send(404, b"not here")
        elif mode == "wrong-hash":
            self._send(200, bytes(byte ^ 0xFF for byte in body))
        else:
            self._send(200, body, mode)

    def do_CONNECT(self) -> None:
        """A proxy's method. Nothing is passed on: without a fault there is no such host."""
        mode = self.server.index._take_fault(f"/{self.path}")
        self._send(int(mode) if mode is not None and mode.isdecimal() else 502, b"")

    do_HEAD = do_GET  # noqa: N815 - the name which http.server looks for

    def _send(
        self, status: int, body: bytes, mode: Mode | str | None = None, location: str | None = None
    ) -> None:
        whole, etag = len(body), f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        begin = int(span[1]) if span else 0
        partial = (
            self.server.index.ranges
            and status == 200
            and span is not None
            and self.headers["If-Range"] in (None, etag)
        )
        if partial and begin >= whole:
            status, body = 416, b""
        elif partial and span:
            status, body = 206, body[begin : int(span[2]) + 1 if span[2] else whole]
        self.send_response(status)
        is_page = body.startswith(b"<!DOCTYPE html>")
        self.send_header("Content-Type", "text/html" if is_page else "application/octet-stream")
        self.send_header("Content-Length", str(10**18 if mode == "huge" else len(body)))
        if location is not None:
            self.send_header("Location", location)
        if self.server.index.ranges:
            self.send_header("ETag", etag)
            self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {begin}-{begin + len(body) - 1}/{whole}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if mode in ("disconnect", "stall"):
            self.wfile.write(body[: len(body) // 2])
            if mode == "stall":
                self.server.index._closing.wait()
        elif mode == "slow":
            size = len(body) // _SLOW_PIECES + 1
            starts = range(0, len(body), size)
            for start in starts:
                time.sleep(_SLOW_SECONDS / len(starts))
                self.wfile.write(body[start : start + size])
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        """Stay silent: the requests are recorded."""


@contextmanager
def closed_port() -> Iterator[str]:
    """The URL of a port that refuses connections; it stays reserved, so nobody else can open it."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}/"


@contextmanager
def black_hole() -> Iterator[str]:
    """The URL of a port that takes connections and never answers a byte."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def _wheel_metadata(file: Path) -> bytes | None:
    """The METADATA of a readable wheel; None for an sdist and for a wheel that is no zip."""
    if file.suffix != ".whl" or not zipfile.is_zipfile(file):
        return None
    with zipfile.ZipFile(file) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return archive.read(name)


def _page(links: str) -> bytes:
    return f"<!DOCTYPE html><html><body>\n{links}\n</body></html>\n".encode()
