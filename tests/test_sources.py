"""Every place that may have torch is asked within seconds, and its answer is named."""

from __future__ import annotations

import os
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from llmdoctor import profiles, sources
from llmdoctor.errors import CannotFinishError
from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Choice, Rejected, Source
from llmdoctor.resolve import resolve
from llmdoctor.sources import Located, locate
from llmdoctor.system import Fetched
from llmdoctor.system.local import Local
from llmdoctor.target import assume
from support.index import LoopbackIndex, Mode, black_hole, closed_port
from support.wheels import build_wheel, fake_torch

KNOWN = tuple(profiles.builtin().values())
CP312 = "cp312-cp312-manylinux_2_28_x86_64"
NOWHERE = PipConfig(no_index=True)  # nothing but what a test names is asked


def chosen(*pairs: str, profile: str = "mainline", variant: str = "auto") -> Choice:
    choice = resolve([profiles.find(profile)], KNOWN, assume(pairs), variant=variant)
    assert choice.feasible
    return choice


CU126 = chosen("gpu=RTX 4090,driver=560.35.03")
CU128 = chosen("gpu=RTX 4090,driver=560.35.03", variant="cu128")
CPU = chosen("gpu=none", profile="cpu")


def door(index: LoopbackIndex | None = None, **environ: str) -> Local:
    """This machine, whose PyTorch index is `index` or refuses connections."""
    mirror = {"LLMDOCTOR_TORCH_INDEX": index.url("whl").rstrip("/")} if index else {}
    return Local({**mirror, **environ})


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of this machine may stand between a test and the loopback interface."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def nobody() -> Iterator[Local]:
    """A machine that reaches no PyTorch index."""
    with closed_port() as url:
        yield Local({"LLMDOCTOR_TORCH_INDEX": url.rstrip("/")})


def cu126(folder: Path, tag: str = CP312) -> Path:
    return fake_torch(folder, "2.9.1", "12.6", tag=tag)


def reasons(located: Located) -> list[str]:
    return [item.reason for item in located.asked]


# --- the PyTorch index


def test_the_pytorch_index_of_the_build_comes_first(
    tmp_path: Path, loopback_index: LoopbackIndex
) -> None:
    url = loopback_index.add("whl/cu126", cu126(tmp_path))
    other = loopback_index.add("simple", cu126(tmp_path))
    located = locate(door(loopback_index), CU126, PipConfig(index_url=other))
    assert located.source == Source(
        "torch-index", "2.9.1+cu126", f"the PyTorch index {url.rstrip('/')}", url.rstrip("/")
    )
    assert located.asked == ()
    assert [r.path for r in loopback_index.requests] == ["/whl/cu126/torch/"]


def test_what_the_tables_expect_is_the_index_of_the_build() -> None:
    assert sources.expected(CU126).url == "https://download.pytorch.org/whl/cu126"
    assert sources.expected(CPU).pin == "2.13.0+cpu"
    own = sources.expected(CPU, "https://ann:hunter2@host/simple")
    assert (own.url, own.text) == (
        "https://ann:hunter2@host/simple",
        "--index-url https://host/simple",
    )
    macos = sources.expected(chosen("os=macos,arch=arm64"))
    assert (macos.kind, macos.pin, macos.url) == ("default", "2.9.1", None)


def test_an_index_that_refuses_connections_is_named_at_once(nobody: Local) -> None:
    began = time.monotonic()
    located = locate(nobody, CU126, PipConfig())
    assert time.monotonic() - began < 5
    assert located.source is None
    assert located.asked[0].candidate.endswith("/cu126")
    assert "refused" in located.asked[0].reason


def test_an_index_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources._SECONDS <= 10
    monkeypatch.setattr(sources, "_SECONDS", 0.3)
    with black_hole() as url:
        began = time.monotonic()
        located = locate(door(), CU126, NOWHERE, index_url=url)
        assert time.monotonic() - began < 5
    assert located.source is None
    assert reasons(located) in (
        ["unreachable: no answer within 0.3 s"],
        ["unreachable: timed out"],
    )


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("404", "has no torch"),
        ("403", "unreachable: HTTP 403"),
        ("500", "unreachable: HTTP 500"),
        ("disconnect", "unreachable: "),
    ],
)
def test_an_index_that_fails_is_told_from_one_without_torch(
    tmp_path: Path, loopback_index: LoopbackIndex, mode: Mode, says: str
) -> None:
    loopback_index.add("whl/cu126", cu126(tmp_path))
    loopback_index.fail("/whl/cu126/*", mode)
    located = locate(door(loopback_index), CU126, PipConfig())
    assert located.source is None
    assert reasons(located)[0].startswith(says)


@pytest.mark.parametrize(
    ("tag", "pairs"),
    [
        ("cp313-cp313-manylinux_2_28_x86_64", "python=3.12"),
        ("cp312-cp312-manylinux_2_28_aarch64", "python=3.12"),
        ("cp312-cp312-manylinux_2_39_x86_64", "glibc=2.35"),
        ("cp312-cp312-win_amd64", "python=3.12"),
    ],
)
def test_an_index_without_the_wheel_of_this_python_and_platform_does_not_have_it(
    tmp_path: Path, loopback_index: LoopbackIndex, tag: str, pairs: str
) -> None:
    loopback_index.add("whl/cu126", cu126(tmp_path, tag))
    choice = chosen("gpu=RTX 4090,driver=560.35.03," + pairs)
    located = locate(door(loopback_index), choice, PipConfig())
    assert located.source is None
    assert reasons(located)[0] == "has torch 2.9.1+cu126, but not for Python 3.12 on linux x86_64"


def test_an_index_with_other_builds_says_which_the_newest_last(
    tmp_path: Path, loopback_index: LoopbackIndex
) -> None:
    others = [fake_torch(tmp_path, version, "12.6") for version in ("2.10.0", "2.8.0", "2.9.0")]
    loopback_index.add("whl/cu126", *others, fake_torch(tmp_path, "2.7.1", "12.6"))
    located = locate(door(loopback_index), CU126, PipConfig())
    assert reasons(located)[0] == (
        "has no torch 2.9.1+cu126 (it has 2.8.0+cu126, 2.9.0+cu126, 2.10.0+cu126)"
    )


def test_another_package_whose_name_begins_so_is_not_torch(
    tmp_path: Path, loopback_index: LoopbackIndex
) -> None:
    loopback_index.add("whl/cu126", build_wheel(tmp_path, "torch-scatter", "2.9.1+cu126"))
    located = locate(door(loopback_index), CU126, PipConfig())
    assert located.source is None
    assert reasons(located)[0] == "has no torch"


# --- what the command line names


def test_an_index_on_the_command_line_is_the_only_one_asked(
    tmp_path: Path, loopback_index: LoopbackIndex
) -> None:
    loopback_index.add("whl/cu126", cu126(tmp_path))
    url = loopback_index.add("own", fake_torch(tmp_path, "2.8.0", "12.6"))
    located = locate(
        door(loopback_index), CU126, PipConfig(index_url=url), index_url=loopback_index.url("own")
    )
    assert located.source is None
    assert loopback_index.asked("/whl/*") == []
    assert len(located.asked) == 1
    loopback_index.add("own", cu126(tmp_path))
    found = locate(door(loopback_index), CU126, PipConfig(), index_url=url).source
    assert found is not None
    assert (found.kind, found.url) == ("torch-index", url)


def test_an_index_may_be_a_folder_of_pages(tmp_path: Path) -> None:
    wheel = cu126(tmp_path / "torch")
    (tmp_path / "torch" / "index.html").write_text(f'<a href="{wheel.name}">x</a>')
    located = locate(door(), CU126, NOWHERE, index_url=tmp_path.as_uri())
    assert located.source is not None


@pytest.mark.parametrize("as_url", [False, True], ids=["path", "url"])
@pytest.mark.parametrize("own", [True, False], ids=["command-line", "pip"])
def test_a_folder_of_wheels_is_looked_into(
    tmp_path: Path, nobody: Local, as_url: bool, own: bool
) -> None:
    folder = tmp_path / "my wheels"
    cu126(folder)
    place = folder.as_uri() if as_url else str(folder)
    pip = PipConfig() if own else PipConfig(find_links=(place,))
    located = locate(nobody, CU126, pip, find_links=(place,) if own else ())
    assert located.source is not None
    assert (located.source.kind, located.source.pin) == ("configured", "2.9.1+cu126")
    assert place in located.source.text
    assert located.source.url is None


@pytest.mark.parametrize("place", ["my wheels", "~/my wheels"])
def test_a_folder_of_wheels_may_be_named_from_where_the_user_stands_or_lives(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cu126(tmp_path / "my wheels")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    located = locate(door(), CU126, NOWHERE, find_links=(place,))
    assert located.source is not None


def test_a_page_of_links_is_read_like_a_folder(
    tmp_path: Path, loopback_index: LoopbackIndex
) -> None:
    page = loopback_index.put("links.html", b'<a href="w/torch-2.9.1%2Bcu126-py3-none-any.whl#x">')
    located = locate(door(), CU126, NOWHERE, find_links=(page,))
    assert located.source is not None
    assert located.source.pin == "2.9.1+cu126"


def test_a_folder_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    located = locate(door(), CU126, NOWHERE, find_links=(gone, str(tmp_path)))
    assert [(item.candidate, item.reason) for item in located.asked] == [
        (gone, "there is no such folder"),
        (str(tmp_path), "has no torch"),
    ]


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="needs a folder that it may not read"
)
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    located = locate(door(), CU126, NOWHERE, find_links=(str(tmp_path),))
    tmp_path.chmod(0o700)
    assert reasons(located) == ["unreadable: permission denied"]


def test_a_place_that_is_no_path_at_all_is_named() -> None:
    located = locate(door(), CU126, NOWHERE, find_links=("a\0b",))
    assert located.source is None
    assert reasons(located)[0].startswith("unreadable: ")


# --- what pip is configured with


def test_pips_indexes_are_asked_after_the_pytorch_index(
    tmp_path: Path, loopback_index: LoopbackIndex, nobody: Local
) -> None:
    main = loopback_index.create("main")
    extra = loopback_index.add("extra", cu126(tmp_path))
    pip = PipConfig(index_url=main, extra_index_urls=(extra,))
    located = locate(nobody, CU126, pip)
    assert located.source == Source(
        "configured", "2.9.1+cu126", f"{extra}, configured for pip", index=extra
    )
    assert reasons(located)[1:] == ["has no torch"]
    assert [r.path for r in loopback_index.requests] == ["/main/torch/", "/extra/torch/"]


def test_the_pytorch_index_is_not_asked_where_pip_is_told_to_use_no_index(
    tmp_path: Path, loopback_index: LoopbackIndex
) -> None:
    loopback_index.add("whl/cu128", fake_torch(tmp_path, "2.9.1", "12.8"))
    pip = PipConfig(no_index=True, find_links=(str(tmp_path / "gone"),))
    located = locate(door(loopback_index), CU128, pip)
    assert located.source is None
    assert loopback_index.requests == []
    assert reasons(located) == ["there is no such folder"]


BROKEN = (("/etc/pip.conf", "option 'index-url' already exists"),)


def test_a_file_of_pips_that_cannot_be_read_is_named(
    tmp_path: Path, loopback_index: LoopbackIndex
) -> None:
    loopback_index.add("whl/cu126", cu126(tmp_path))
    pip = PipConfig(index_url=loopback_index.create("main"), unreadable=BROKEN)
    located = locate(door(loopback_index), CU126, pip)
    assert located.source is not None
    assert located.asked == (
        Rejected("/etc/pip.conf", "unreadable: option 'index-url' already exists"),
    )


def test_the_default_index_is_not_used_where_a_file_that_cannot_be_read_may_name_another(
    nobody: Local,
) -> None:
    with pytest.raises(CannotFinishError, match=r"/etc/pip\.conf cannot be read: option") as caught:
        locate(nobody, CU128, PipConfig(unreadable=BROKEN))
    assert caught.value.next_command == "python3 -m pip config debug"
    named = Local({**nobody.environ, "UV_DEFAULT_INDEX": "https://corp/"})
    assert locate(named, CU128, PipConfig(unreadable=BROKEN)).asked[0].candidate == "/etc/pip.conf"
    assert locate(nobody, CU128, replace(NOWHERE, unreadable=BROKEN)).source is None


# --- the default index


@pytest.mark.parametrize(
    ("choice", "pin"),
    [
        (CU128, "2.9.1"),
        (chosen("os=macos,arch=arm64"), "2.9.1"),
        (chosen("os=windows", variant="cpu"), "2.9.1"),
        (chosen("arch=aarch64"), "2.9.1"),
        (CU126, None),
        (CPU, None),
        (chosen("gpu=none"), None),
    ],
    ids=["cu128", "macos", "windows-cpu", "aarch64-cpu", "cu126", "cpu", "mainline-cpu"],
)
def test_the_default_index_serves_only_where_its_build_is_the_chosen_one(
    nobody: Local, choice: Choice, pin: str | None
) -> None:
    located = locate(nobody, choice, PipConfig())
    if pin is None:
        assert located.source is None
        assert located.asked[-1].candidate == "the default package index"
        assert "build" in located.asked[-1].reason
    else:
        assert located.source is not None
        assert (located.source.kind, located.source.pin) == ("default", pin)
        assert located.source.url is None


def test_a_default_index_of_ones_own_is_asked_instead_of_believed(
    loopback_index: LoopbackIndex, nobody: Local
) -> None:
    located = locate(nobody, CU128, PipConfig(index_url=loopback_index.create("main")))
    assert located.source is None
    assert reasons(located)[-1] == "has no torch"


def test_a_mirror_of_the_default_index_writes_no_build_and_is_taken_for_its_build_alone(
    tmp_path: Path, loopback_index: LoopbackIndex, nobody: Local
) -> None:
    plain = fake_torch(tmp_path, "2.9.1", "12.8", local_in_metadata=False, tag=CP312)
    pip = PipConfig(index_url=loopback_index.add("main", plain))
    found = locate(nobody, CU128, pip).source
    assert found is not None
    assert (found.kind, found.pin) == ("configured", "2.9.1")
    refused = locate(nobody, CU126, pip)
    assert refused.source is None
    assert reasons(refused)[-1] == "has no torch 2.9.1+cu126 (it has 2.9.1)"


# --- credentials and certificates


@pytest.mark.parametrize(
    "place",
    [
        "http://ann:hunter2@127.0.0.1:1/simple",
        "https://ann:hunt@er2:hunter2@localhost:1/simple/",
        "ann:hunter2@localhost/simple",
        "http://ann:hunter2@[::1",
        "ftp://ann:hunter2@localhost:1/x",
        "http://ann:hunter2@local host/",
    ],
)
def test_credentials_are_in_no_text(place: str, nobody: Local) -> None:
    everywhere = PipConfig(index_url=place, extra_index_urls=(place,), find_links=(place,))
    answers = [
        locate(nobody, CU126, everywhere),
        locate(nobody, CU126, PipConfig(), index_url=place),
        locate(nobody, CU126, PipConfig(), find_links=(place,)),
        locate(Local({"LLMDOCTOR_TORCH_INDEX": place}), CU126, PipConfig()),
    ]
    for located in answers:
        assert located.source is None
        said = [text for item in located.asked for text in (item.candidate, item.reason)]
        assert not [text for text in said if "hunter2" in text or "ann" in text]


class _Private(BaseHTTPRequestHandler):
    """An index that wants to know who asks."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Basic " + b64encode(b"ann:p@ss").decode()
        page = b'<a href="torch-2.9.1%2Bcu126-py3-none-any.whl">x</a>'
        self.send_response(200 if known else 401)
        self.end_headers()
        self.wfile.write(page if known else b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        pass


@pytest.mark.parametrize(("user", "found"), [("ann:p%40ss", True), ("ann:no", False), ("", False)])
def test_an_index_behind_a_password_is_asked_with_it(user: str, found: bool) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Private) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://{user}@127.0.0.1:{server.server_port}/simple".replace("//@", "//")
        located = locate(door(), CU126, NOWHERE, index_url=place)
        server.shutdown()
    assert (located.source is not None) == found
    assert found or reasons(located)[0].startswith("unreachable: HTTP 401")


class Noting(Local):
    """This machine, with a network that answers one page and notes how it was asked."""

    def __init__(self) -> None:
        super().__init__({})
        self.asked: list[dict[str, Any]] = []

    def fetch(
        self,
        url: str,
        *,
        timeout: float = 5.0,
        ca_file: str | None = None,
        verify: bool = True,
        proxy: str | None = None,
        first_byte: bool = False,
    ) -> Fetched:
        asked = {"url": url, "ca_file": ca_file, "verify": verify, "proxy": proxy}
        self.asked.append(asked)
        return Fetched(url, 200, b'<a href="torch-2.9.1%2Bcu126-py3-none-any.whl">x</a>')


@pytest.mark.parametrize("kind", ["index", "links"])
@pytest.mark.parametrize(
    ("trusted", "verify"),
    [((), True), (("corp",), False), (("corp:8443",), False), (("other", "corp:1"), True)],
)
def test_pips_certificate_and_trusted_hosts_count(
    kind: str, trusted: tuple[str, ...], verify: bool
) -> None:
    pip = PipConfig(no_index=True, cert="/corp.pem", trusted_hosts=trusted)
    machine = Noting()
    place = "https://ann:pw@corp:8443/simple"
    if kind == "index":
        located = locate(machine, CU126, pip, index_url=place)
    else:
        located = locate(machine, CU126, pip, find_links=(place,))
    assert located.source is not None
    assert "pw" not in located.source.text
    (asked,) = machine.asked
    assert (asked["ca_file"], asked["verify"]) == ("/corp.pem", verify)


def test_pips_proxy_is_used() -> None:
    machine = Noting()
    locate(machine, CU126, replace(NOWHERE, proxy="http://proxy:3128"), index_url="https://corp/")
    assert machine.asked[0]["proxy"] == "http://proxy:3128"


def test_the_address_of_the_source_itself_keeps_its_credentials() -> None:
    place = "https://ann:pw@corp/simple"
    located = locate(Noting(), CU126, NOWHERE, index_url=place)
    assert located.source is not None
    assert located.source.url == place


def test_a_certificate_that_is_not_there_is_named(loopback_index: LoopbackIndex) -> None:
    pip = replace(NOWHERE, cert="/gone.pem")
    located = locate(door(), CU126, pip, index_url=loopback_index.url("simple"))
    assert located.source is None
    assert "No such file" in reasons(located)[0]


def test_a_link_that_is_none_hides_no_other(tmp_path: Path, loopback_index: LoopbackIndex) -> None:
    page = loopback_index.put(
        "odd.html",
        b'<a href="http://[bad">x</a><a href="w/torch-2.9.1%2Bcu126-py3-none-any.whl">y</a>',
    )
    located = locate(door(), CU126, NOWHERE, find_links=(page,))
    assert located.source is not None
