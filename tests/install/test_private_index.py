"""An index behind a password: used, and its password shown and written nowhere."""

from __future__ import annotations

import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from install.conftest import World

INSTALLERS = pytest.mark.parametrize("installer", ["uv", "pip"])
SECRET = "hunter2"


@contextmanager
def guarded(address: str) -> Iterator[str]:
    """The same server behind a password; gives its address with the password in it."""
    expected = "Basic " + b64encode(f"ann:{SECRET}".encode()).decode()

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers["Authorization"] != expected:
                self.answer(401, b"", {"WWW-Authenticate": "Basic"})
                return
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                with opener.open(address.rstrip("/") + self.path) as page:
                    kind = {"Content-Type": page.headers["Content-Type"]}
                    self.answer(200, page.read(), kind)
            except urllib.error.HTTPError as error:
                with error:
                    self.answer(error.code, b"", {})

        do_HEAD = do_GET  # noqa: N815 - the name which http.server looks for

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Guard) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://ann:{SECRET}@127.0.0.1:{server.server_port}"
        server.shutdown()


@INSTALLERS
@pytest.mark.parametrize("place", ["torch alone", "everything"])
def test_its_password_is_used_and_is_in_no_output_and_no_file(
    world: World, installer: str, place: str
) -> None:
    world.ready_for(installer)
    with guarded(world.index.url()) as private:
        if place == "everything":
            world.environ["PIP_INDEX_URL"] = f"{private}/simple/"
        words = ("--profile", "cpu", "--index-url", f"{private}/whl/cpu", "--installer", installer)
        plan = world.run("plan", *words)
        document = world.run("plan", *words, "--format", "json")
        world.index.fail("/simple/*peft-0.21.2*.whl", "404")
        failed = world.run("install", *words, "--yes", "--no-smoke", code=4)
        world.index.heal()
        done = world.run("install", *words, "--yes", "--no-smoke", "--verbose")
    assert "the whole log: " in failed.stderr
    assert world.versions()["torch"] == "2.13.0+cpu"
    for child in (plan, document, failed, done):
        assert SECRET not in child.stdout + child.stderr
    holding = [
        str(path.relative_to(world.folder))
        for folder in (world.venv, world.folder / "state")
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes()
    ]
    assert holding == []


def test_it_is_used_for_a_bundle_too_and_not_carried_along(world: World) -> None:
    """An index hands out addresses without the password that it was asked with."""
    folder = world.project / "bundle"
    with guarded(world.index.url()) as private:
        world.environ["PIP_INDEX_URL"] = f"{private}/simple/"
        words = ("--profile", "cpu", "--index-url", f"{private}/whl/cpu", str(folder))
        world.index.fail("/simple/*peft-0.21.2*.whl", "404")
        failed = world.run("bundle", *words, code=1)
        world.index.heal()
        done = world.run("bundle", *words, "--format", "json")
    assert len(list((folder / "wheels").iterdir())) == 6
    for child in (failed, done):
        assert SECRET not in child.stdout + child.stderr
    for path in (*folder.rglob("*"), *(world.folder / "state").rglob("*")):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
