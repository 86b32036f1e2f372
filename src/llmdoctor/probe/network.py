"""Ask the places that packages and models come from whether they answer (`check --network`).

Only the head of one small page is fetched from each, all at once, each within a few seconds.
Nothing is sent but that request, with the login that the address itself carries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from llmdoctor import pip_config
from llmdoctor.addresses import without_credentials
from llmdoctor.machine import Machine
from llmdoctor.mirrors import mirror_of, mirrored
from llmdoctor.network import Place
from llmdoctor.pip_config import PipConfig
from llmdoctor.probe.paths import is_folder
from llmdoctor.sources import torch_index
from llmdoctor.system import System

SECONDS = 4.0
# uv's variables for indexes; the newest name of each comes first, and the first two replace the
# default index.
_UV_MAIN = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
_UV_MORE = ("UV_INDEX", "UV_EXTRA_INDEX_URL")
_ON = ("1", "on", "true", "yes")


@dataclass(frozen=True)
class _Question:
    """A page to ask for, with its credentials, and the place that it stands for."""

    place: Place
    page: str | None = None


def look_at_network(
    system: System,
    machine: Machine,
    say: Callable[[str], None],
    *,
    seconds: float = SECONDS,
) -> tuple[Place, ...]:
    """What each place answers.

    Args:
        system: the door; it has to let `fetch` through.
        machine: the look so far: its environment, project and variables name places.
        say: is told what is done.
        seconds: after which a place counts as silent.
    """
    prefixes = (machine.environment.path,) if machine.environment.path else ()
    pip = pip_config.read(system, prefixes)
    questions = list(_questions(system, machine, pip))
    asked = [question for question in questions if question.page]
    say(f"asking {len(asked)} places that packages and models come from")
    ca_file = pip.cert or _bundle(system)

    def ask(question: _Question) -> Place:
        place, page = question.place, question.page
        if page is None:
            return place
        try:
            verify = not pip.trusts(page)
        except ValueError as error:
            return replace(place, outcome="other", said=f"not an address: {error}")
        answer = system.fetch(
            page, timeout=seconds, ca_file=ca_file, verify=verify, proxy=pip.proxy, first_byte=True
        )
        said = answer.problem and without_credentials(answer.problem)
        return replace(place, outcome=answer.failure or "ok", status=answer.status, said=said)

    with ThreadPoolExecutor(max_workers=max(len(questions), 1)) as pool:
        return tuple(pool.map(ask, questions))


def _questions(system: System, machine: Machine, pip: PipConfig) -> Iterator[_Question]:
    """Whom to ask, each address once; a place that is not asked says why."""
    seen: set[str] = set()
    for question in (*_indexes(system, machine, pip), *_ours(system, machine)):
        if question.page is None or question.page not in seen:
            yield question
        seen.add(question.page or "")


def _indexes(system: System, machine: Machine, pip: PipConfig) -> Iterator[_Question]:
    environ = system.environ
    for path, why in pip.unreadable:
        said = f"{path} cannot be read: {why}"
        yield _Question(Place("index", "pip's configuration", "unasked", said=said))
    main = [(url, "pip's configuration") for url in (pip.index_url,) if url]
    main += [(environ[name], name) for name in _UV_MAIN if environ.get(name)][:1]
    if pip.no_index:
        said = "pip is told to use no index (no-index)"
        yield _Question(Place("index", "pip's configuration", "unasked", said=said, main=True))
    elif not main:
        said = "no address is configured: the installers take their own default"
        yield _Question(Place("index", "nobody", "unasked", said=said, main=True))
    for url, by in main:
        yield _index(url, by, main=True)
    for url in pip.extra_index_urls:
        yield _index(url, "pip's configuration")
    for name in _UV_MORE:
        for word in environ.get(name, "").split():  # uv's may be written name=address
            yield _index(re.sub(r"^[\w.-]+=(?=\w+://)", "", word), name)
    for place in machine.project.torch_places if machine.project else ():
        yield _index(place.url, str(machine.project and machine.project.manifest))
    for link in pip.find_links:
        if link.startswith(("http://", "https://")):
            yield _about(Place("find-links", "pip's configuration", "ok"), link)


def _index(url: str, by: str, *, main: bool = False) -> _Question:
    place = Place("index", by, "ok", main=main)
    if not url.startswith(("http://", "https://")):
        said = "a folder of this machine" if url.startswith("file:") else "not a web address"
        return _Question(replace(place, outcome="unasked", url=_shown(url), said=said))
    return _about(place, url, "/torch/")


def _ours(system: System, machine: Machine) -> Iterator[_Question]:
    """Where llmdoctor itself takes torch and ready wheels from, and where models lie."""
    torch = machine.environment.torch
    variant = torch.variant if torch and (torch.variant or "").startswith("cu") else "cpu"
    pages: tuple[tuple[Place, str, str], ...] = (
        (Place("torch-index", "llmdoctor", "ok"), torch_index(str(variant)), "/torch/"),
        (Place("wheels", "llmdoctor", "ok"), "https://github.com", "/"),
        (Place("models", "llmdoctor", "ok"), "https://huggingface.co", "/"),
    )
    offline = [
        name
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        if system.environ.get(name, "").lower() in _ON
    ]
    for place, url, page in pages:
        if place.role == "models" and offline:
            said = f"switched off by {offline[0]}"
            yield _Question(replace(place, outcome="unasked", url=url, said=said))
            continue
        by = mirror_of(url + "/", system.environ)
        named = replace(place, named_by=by) if by else place
        yield _about(named, mirrored(url + page, system.environ)[: -len(page)], page)


def _about(place: Place, url: str, page: str = "") -> _Question:
    named = replace(place, url=_shown(url), login="@" in url.partition("://")[2].partition("/")[0])
    return _Question(named, url.rstrip("/") + page)


def _shown(url: str) -> str:
    return without_credentials(url)


def _bundle(system: System) -> str | None:
    """The certificates that pip and the Hub's client trust, where a variable names a file."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if (path := system.environ.get(name)) and not is_folder(system, path):
            return path
    return None
