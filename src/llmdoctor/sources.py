"""Where the chosen build of torch comes from: ask each place, in seconds, and name the answers.

Order: what the command line names; the PyTorch index of the build; what pip is configured with;
the installers' default index where it carries that very build. A CPU build is never replaced by a
CUDA build of the same version.
"""

from __future__ import annotations

import html.parser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from llmdoctor import tables, tags
from llmdoctor.addresses import file_name, without_credentials
from llmdoctor.errors import CannotFinishError, UnreadableError
from llmdoctor.mirrors import mirrored
from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Choice, Rejected, Source
from llmdoctor.probe.paths import absolute
from llmdoctor.system import System
from llmdoctor.tables.read import numbers

_SECONDS = 5.0


@dataclass(frozen=True)
class Located:
    """The place to take torch from, or None; `asked` is what the others said."""

    source: Source | None
    asked: tuple[Rejected, ...] = ()


def local_path(url: str) -> str:
    """The path that a file address names."""
    return url2pathname(urlsplit(url).path)


def links_folder(system: System, place: str) -> str | None:
    """The folder of this machine that a find-links place is; None for a page of the web."""
    if place.startswith(("http://", "https://")):
        return None
    return local_path(place) if place.startswith("file:") else absolute(system, place)


def torch_index(variant: str) -> str:
    """The PyTorch index of a build."""
    return f"https://download.pytorch.org/whl/{variant}"


def expected(choice: Choice, index_url: str | None = None) -> Source:
    """The place that the user or the tables name for the build, without asking it."""
    target = choice.target
    if index_url is not None:
        pin = f"{choice.torch}+{choice.variant}" if target.os != "macos" else str(choice.torch)
        text = f"--index-url {without_credentials(index_url)}"
        return Source("torch-index", pin, text, index_url)
    if target.os == "macos":
        return Source("default", str(choice.torch), "the default package index")
    url = torch_index(str(choice.variant))
    return Source(
        "torch-index", f"{choice.torch}+{choice.variant}", f"the PyTorch index {url}", url
    )


def locate(
    system: System,
    choice: Choice,
    pip: PipConfig,
    *,
    index_url: str | None = None,
    find_links: tuple[str, ...] = (),
) -> Located:
    """Find a place that offers the chosen torch build for the target. Uses the network.

    Raises:
        CannotFinishError: a file of pip's that may name the index cannot be read.
    """
    _index_is_known(system, pip)
    ask = _Asker(system, choice, pip)
    asked = [Rejected(path, f"unreadable: {why}") for path, why in pip.unreadable]
    for kind, place, text in _places(choice, pip, index_url, find_links, system.environ):
        answer = ask.links(place) if kind == "links" else ask.index(place)
        if isinstance(answer, Rejected):
            asked.append(answer)
            continue
        alone = place if kind in ("torch-index", "own-index") else None
        source = Source(
            "torch-index" if alone else "configured",
            answer,
            text,
            alone,
            place if kind == "index" else None,
        )
        return Located(source, tuple(asked))
    if index_url is None and pip.index_url is None and not pip.no_index:
        target = choice.target
        default = tables.pypi_default_variant(str(choice.torch), target.os, target.arch)
        if default == choice.variant:
            text = f"the default package index, whose torch {choice.torch} is the {default} build"
            return Located(Source("default", str(choice.torch), text), tuple(asked))
        offers = f"its torch {choice.torch} is the {default} build" if default else "not known"
        asked.append(Rejected("the default package index", offers))
    return Located(None, tuple(asked))


def _index_is_known(system: System, pip: PipConfig) -> None:
    """A company's packages are not to be looked for on the public index by mistake."""
    own = (
        pip.index_url
        or system.environ.get("UV_DEFAULT_INDEX")
        or system.environ.get("UV_INDEX_URL")
    )
    if pip.unreadable and not own and not pip.no_index:
        path, why = pip.unreadable[0]
        raise CannotFinishError(
            f"pip's configuration {path} cannot be read: {why}\n"
            "it may name the package index, and nothing else does",
            next_command="python3 -m pip config debug",
        )


def _places(
    choice: Choice,
    pip: PipConfig,
    index_url: str | None,
    find_links: tuple[str, ...],
    environ: Mapping[str, str],
) -> Iterator[tuple[str, str, str]]:
    """Places to ask, best first: kind, address, and how it is named to the user."""
    for place in find_links:
        yield "links", place, f"--find-links {without_credentials(place)}"
    if index_url is not None:  # the user named it: nothing else is asked
        yield "own-index", index_url, f"--index-url {without_credentials(index_url)}"
        return
    if choice.target.os != "macos" and not pip.no_index:
        url = mirrored(torch_index(str(choice.variant)), environ)
        yield "torch-index", url, f"the PyTorch index {without_credentials(url)}"
    for place in pip.find_links:
        yield "links", place, f"{without_credentials(place)}, configured for pip (find-links)"
    for url in (*((pip.index_url,) if pip.index_url else ()), *pip.extra_index_urls):
        yield "index", url, f"{without_credentials(url)}, configured for pip"


class _Asker:
    def __init__(self, system: System, choice: Choice, pip: PipConfig) -> None:
        self._system = system
        self._choice = choice
        self._pip = pip

    def index(self, url: str) -> str | Rejected:
        """The version as the index writes it, when it offers the build for the target."""
        page = url.rstrip("/") + "/torch/"
        if url.startswith("file:"):
            page += "index.html"
        return self._page(without_credentials(url), page)

    def links(self, place: str) -> str | Rejected:
        """The same of a find-links folder or page."""
        name = without_credentials(place)
        folder = links_folder(self._system, place)
        if folder is None:
            return self._page(name, place)
        try:
            found = self._system.names(folder)
        except UnreadableError as error:
            return Rejected(name, f"unreadable: {error.reason}")
        if found is None:
            return Rejected(name, "there is no such folder")
        return self._judge(name, found)

    def _page(self, name: str, page: str) -> str | Rejected:
        """What a page of links offers; `name` is how the user is told of it."""
        try:
            parts, trusted = urlsplit(page), self._pip.trusts(page)
        except ValueError as error:
            return Rejected(name, f"not an address: {error}")
        if parts.scheme == "file" and not self._system.exists(unquote(parts.path)):
            return Rejected(name, "has no torch")
        if parts.scheme not in ("http", "https", "file"):
            return Rejected(
                name, "not an address: it has to begin with https://, http:// or file://"
            )
        answer = self._system.fetch(
            page,
            timeout=_SECONDS,
            ca_file=self._pip.cert,
            verify=not trusted,
            proxy=self._pip.proxy,
        )
        if answer.status == 404:
            return Rejected(name, "has no torch")
        if not answer.ok:
            return Rejected(name, f"unreachable: {without_credentials(str(answer.problem))}")
        return self._judge(name, wheel_names(answer.body.decode("utf-8", "replace")))

    def _judge(self, place: str, names: tuple[str, ...]) -> str | Rejected:
        torch, variant, target = self._choice.torch, self._choice.variant, self._choice.target
        default = tables.pypi_default_variant(str(torch), target.os, target.arch)
        # The default index and its mirrors write no local version.
        wanted = (f"{torch}+{variant}", *((str(torch),) if default == variant else ()))
        builds = [name for name in names if name.lower().startswith("torch-") and ".whl" in name]
        right = [name for name in builds if name.split("-")[1] in wanted]
        for name in right:
            if tags.fits(name, target):
                return name.split("-")[1]
        if right:
            where = f"Python {target.python} on {target.os} {target.arch}"
            return Rejected(place, f"has torch {wanted[0]}, but not for {where}")
        if builds:
            newest = sorted({name.split("-")[1] for name in builds}, key=numbers)[-3:]
            return Rejected(place, f"has no torch {wanted[0]} (it has {', '.join(newest)})")
        return Rejected(place, "has no torch")


def wheel_names(page: str) -> tuple[str, ...]:
    """File names that an index page links to."""
    parser = _Links()
    parser.feed(page)
    return tuple(filter(None, (file_name(link) for link in parser.links)))


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.extend(value for name, value in attrs if name == "href" and value)
