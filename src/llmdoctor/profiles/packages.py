"""Profiles of installed packages, found without importing any of them.

A package names a TOML file among its own as an entry point:

    [project.entry-points."llmdoctor.profiles"]
    own = "acme_profiles:own.toml"

An entry point usually names an object to import. Here it names a file: a doctor that runs other
people's code in order to look is no doctor.
"""

from __future__ import annotations

import configparser
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from llmdoctor.errors import ProfileError

GROUP = "llmdoctor.profiles"
_VALUE = re.compile(r"(?P<package>[^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*:\s*(?P<file>\w[\w.]*\.toml)")


@dataclass(frozen=True)
class Offer:
    """One profile that an installed package has: its name and its file, or why there is none."""

    name: str
    package: str  # "acme-profiles 1.0"
    path: Path | None
    problem: str = ""


def offers() -> tuple[Offer, ...]:
    """Every profile of the packages that are installed beside llmdoctor, sorted by name."""
    return tuple(sorted(_offers(), key=lambda offer: (offer.name, offer.package)))


def file_of(offer: Offer) -> Path:
    """The file of an offer.

    Raises:
        ProfileError: there is none.
    """
    if offer.path is None:
        raise ProfileError(
            f"{offer.name} of the package {offer.package}: {offer.problem}",
            next_command="llmdoctor profiles",
        )
    return offer.path


def _offers() -> Iterator[Offer]:
    seen: set[str] = set()
    for found in distributions():
        try:
            text = found.read_text("entry_points.txt")
            if text is None or GROUP not in text:
                continue
            points = _points(text)
        except (UnicodeDecodeError, configparser.Error) as error:
            why = f"its entry_points.txt cannot be read: {str(error).splitlines()[0]}"
            name, package = _called(found)
            yield Offer(name, package, None, why)
            continue
        name, package = _called(found)
        if name not in seen:  # the one that is earlier on the path hides the others
            seen.add(name)
            for key, value in points.items():
                yield _offer(key, value, package, found)


def _points(text: str) -> dict[str, str]:
    """The entry points of our group."""
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return dict(parser[GROUP]) if GROUP in parser else {}


def _called(found: Distribution) -> tuple[str, str]:
    """A package's name, and the same with its version."""
    metadata = found.metadata
    name = metadata["Name"] if "Name" in metadata else "without a name"  # noqa: SIM401 - no `get`
    return name, f"{name} {metadata['Version']}" if "Version" in metadata else name


def _offer(name: str, value: str, package: str, found: Distribution) -> Offer:
    match = _VALUE.fullmatch(value.strip())
    if match is None:
        why = f"its entry point is {value!r}, expected PACKAGE:FILE.toml"
        return Offer(name, package, None, why)
    parts = (*match["package"].split("."), match["file"])
    for path in _places(found, parts):
        if path.is_file():
            return Offer(name, package, path)
    return Offer(name, package, None, f"it has no file {'/'.join(parts)}")


def _places(found: Distribution, parts: tuple[str, ...]) -> Iterator[Path]:
    """Where a package's file can lie: beside its metadata, or, installed editable, elsewhere."""
    yield Path(str(found.locate_file("/".join(parts))))
    try:
        spec = importlib.util.find_spec(parts[0])  # of a top-level name: this imports nothing
    except (ImportError, ValueError):
        return
    for folder in (spec and spec.submodule_search_locations) or ():
        yield Path(folder, *parts[1:])
