"""Whether any version at all meets a set of bounds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache


@lru_cache(maxsize=256)
def satisfiable(specifier: str) -> bool:
    """Whether a version can meet a PEP 440 specifier: ">=5,<4" has none, ">=4,<5" does.

    What is asked is only whether the bounds leave room, not whether such a release exists.
    """
    from packaging.specifiers import SpecifierSet

    bounds = SpecifierSet(specifier)
    return not bounds or any(
        bounds.contains(version, prereleases=True) for version in _candidates(specifier)
    )


def _candidates(specifier: str) -> Iterator[str]:
    """Every place where the room between bounds can begin: each bound, and just behind it."""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    yield "0.dev0"  # the lowest of all
    yield "0"
    for bound in SpecifierSet(specifier):
        text = bound.version.removesuffix(".*")
        yield text
        try:
            version = Version(text)
        except InvalidVersion:  # "===" compares text
            continue
        release = version.release
        epoch = f"{version.epoch}!"
        yield epoch + version.base_version.rpartition("!")[2] + ".dev0"  # before "<1.7rc1"
        yield epoch + version.base_version.rpartition("!")[2] + ".0.0.1"  # behind ">1.7"
        if version.post is not None:
            yield f"{version.public.rpartition('.post')[0]}.post{version.post + 1}"
        for length in range(1, len(release) + 1):  # behind "!=1.7.*"
            *head, last = release[:length]
            yield epoch + ".".join(map(str, (*head, last + 1)))
