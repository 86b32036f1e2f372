"""Mirrors: what is asked in the place of an address that cannot be reached.

One is named on the command line, by a variable, or in the project's `[tool.llmdoctor.mirrors]`, in
that order. Each comes down to a variable, so that what is started sees the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmdoctor.addresses import without_credentials
from llmdoctor.errors import UsageError, nearest

KEY = "mirrors"


@dataclass(frozen=True)
class Mirror:
    """What can be mirrored: its name, the beginning of its addresses, and the variable."""

    name: str
    original: str
    variable: str


MIRRORS = (
    Mirror("torch-index", "https://download.pytorch.org/whl", "LLMDOCTOR_TORCH_INDEX"),
    Mirror("github", "https://github.com", "LLMDOCTOR_GITHUB"),
    Mirror("huggingface", "https://huggingface.co", "HF_ENDPOINT"),
)


def mirrored(url: str, environ: Mapping[str, str]) -> str:
    """The address to ask instead, where a mirror is named for it; the rest of it is kept."""
    for mirror in MIRRORS:
        if url.startswith(mirror.original + "/") and (place := environ.get(mirror.variable)):
            return place.rstrip("/") + url[len(mirror.original) :]
    return url


def mirror_of(url: str, environ: Mapping[str, str]) -> str | None:
    """The variable that names a mirror of that address."""
    for mirror in MIRRORS:
        if url.startswith(mirror.original + "/") and environ.get(mirror.variable):
            return mirror.variable
    return None


def places(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The beginnings of addresses that are named as mirrors."""
    named = (environ.get(mirror.variable) for mirror in MIRRORS)
    return tuple(place.rstrip("/") + "/" for place in named if place)


def of_words(words: Sequence[str]) -> dict[str, str]:
    """The variables that `--mirror NAME=URL` options stand for.

    Raises:
        UsageError: an unknown name, or no address.
    """
    pairs = (word.partition("=") for word in words)
    return variables({name: url for name, _, url in pairs}, "--mirror")


def variables(named: Mapping[str, object], where: str) -> dict[str, str]:
    """The variables that a map of mirrors stands for; `where` it is written.

    Raises:
        UsageError: an unknown name, or no address.
    """
    known = {mirror.name: mirror for mirror in MIRRORS}
    found = {}
    for name, url in named.items():
        if name not in known:
            near = nearest(name, list(known)) or f" (there are: {', '.join(known)})"
            raise UsageError(f"{where}: there is no {name!r} to mirror{near}")
        if not isinstance(url, str) or not url.startswith(("https://", "http://", "file://")):
            shown = without_credentials(url) if isinstance(url, str) else url
            raise UsageError(
                f"{where}: {name} is {shown!r}, expected the address that stands for "
                f"{known[name].original}"
            )
        found[known[name].variable] = url
    return found
