"""A bundle: a folder with every wheel of an install, for a machine without a network.

Its manifest is a pylock.toml (PEP 751) that names each file below `wheels` with its size and hash,
and says in `[tool.llmdoctor]` for what it was made. It is written last: a folder without it is no
bundle yet. What such a folder says is believed only after it was looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from llmdoctor import __version__, tags, wire
from llmdoctor.errors import LlmdoctorError, ProfileError, UsageError
from llmdoctor.plan import Reason, Resolved, Target
from llmdoctor.probe.paths import why_no_folder
from llmdoctor.probe.toml import get, parse_toml
from llmdoctor.system import System
from llmdoctor.wheelhouse import sha256_of

MANIFEST = "pylock.toml"
WHEELS = "wheels"
_SCHEMA = "bundle"
_NUMBER = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BundleRefusedError(LlmdoctorError):
    """A bundle is not what its manifest says."""

    exit_code = 1


@dataclass(frozen=True)
class Purpose:
    """What a bundle was made for: the manifest's `[tool.llmdoctor]`."""

    schema: str
    made_by: str
    profiles: tuple[str, ...]
    torch: str
    variant: str
    os: str
    arch: str
    python: str


@dataclass(frozen=True)
class Bundle:
    """The packages of a bundle, and what they are for. `folder` is its absolute path.

    A package's `url` is where it came from, and leads to the name of its file.
    """

    folder: str
    purpose: Purpose
    packages: tuple[Resolved, ...]

    def path(self, system: System, package: Resolved) -> str:
        """Where the file of a package lies."""
        return str(system.flavour(self.folder, WHEELS, package.file))

    @property
    def versions(self) -> dict[str, str]:
        """The version of each package."""
        return {package.name: package.version for package in self.packages}

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(package.size or 0 for package in self.packages)


def purpose(profiles: Sequence[str], torch: str, variant: str, target: Target) -> Purpose:
    """The purpose of a bundle that is made now."""
    return Purpose(
        f"{_SCHEMA}/{_NUMBER}", __version__, tuple(profiles), torch, variant, target.os,
        target.arch, target.python,
    )  # fmt: skip


def lock(packages: Sequence[Resolved], places: Sequence[str], *, python: str) -> dict[str, Any]:
    """The packages as a pylock.toml whose files are paths.

    A wheel from an address of its own stands there without a version, as `closure.installable`
    says why.
    """
    return {
        "lock-version": "1.0",
        "created-by": f"llmdoctor {__version__}",
        "requires-python": f"=={python}.*",
        "packages": [
            _entry(package, place) for package, place in zip(packages, places, strict=True)
        ],
    }


def _entry(package: Resolved, place: str) -> dict[str, Any]:
    file = {"path": place, "size": package.size, "hashes": {"sha256": package.sha256}}
    if package.source == "wheel":
        entry: dict[str, Any] = {"name": package.name, "archive": file}
    else:
        entry = {"name": package.name, "version": package.version, "wheels": [file]}
    return {**entry, "tool": {"llmdoctor": {"version": package.version, "url": package.url}}}


def manifest(bundle: Bundle) -> str:
    """The text of a bundle's manifest."""
    import tomlkit

    places = [f"{WHEELS}/{package.file}" for package in bundle.packages]
    document = lock(bundle.packages, places, python=bundle.purpose.python)
    told = {key.replace("_", "-"): value for key, value in wire.dump(bundle.purpose).items()}
    return tomlkit.dumps({**document, "tool": {"llmdoctor": told}})


def read(system: System, folder: str) -> Bundle:
    """The bundle in a folder, by its manifest alone.

    Raises:
        UsageError: there is none.
        ProfileError: it was written by a newer llmdoctor, or its manifest says what none can.
    """
    path = str(system.flavour(folder, MANIFEST))
    text = system.read_text(path)
    again = "llmdoctor bundle --help"
    if why := why_no_folder(system, folder):
        raise UsageError(f"a bundle is a folder, and {why}", next_command=again)
    if text is None:
        raise UsageError(
            f"{folder} is no bundle: it has no {MANIFEST} (one that was cut off has none yet; the "
            "same command goes on with it)",
            next_command=again,
        )
    document, problem = parse_toml(text, path)
    if problem:
        raise ProfileError(problem, next_command=again)
    told = get(document, "tool", "llmdoctor")
    _right_schema(get(told, "schema"), path)
    assert isinstance(told, dict)
    try:
        known = {field.name for field in fields(Purpose)}
        written = {key.replace("-", "_"): value for key, value in told.items()}
        found = wire.load(Purpose, {key: written[key] for key in known & written.keys()}, "")
        packages = [_package(entry, path) for entry in document.get("packages", ())]
    except (wire.WireError, KeyError, TypeError, IndexError) as error:
        raise ProfileError(f"{path} is damaged: {error}", next_command=again) from None
    return Bundle(folder, found, tuple(packages))


def _right_schema(schema: object, path: str) -> None:
    right = f"{_SCHEMA}/{_NUMBER}"
    if schema == right:
        return
    number = re.fullmatch(rf"{_SCHEMA}/(\d{{1,9}})", str(schema))
    if number and int(number[1]) > _NUMBER:
        raise ProfileError(
            f"{path}: schema is {schema}, and this llmdoctor reads {right}: update llmdoctor",
            next_command="llmdoctor --version",
        )
    raise UsageError(
        f"{path} is no bundle's: its [tool.llmdoctor] has not the schema {right}",
        next_command="llmdoctor bundle --help",
    )


def _package(entry: dict[str, Any], path: str) -> Resolved:
    """A package of a manifest; no name in it leads out of the folder.

    Raises:
        ProfileError: its file lies elsewhere, or it has no hash or no size.
    """
    alone = "archive" in entry
    file = entry["archive"] if alone else entry["wheels"][0]
    told = entry["tool"]["llmdoctor"]
    package = Resolved(
        name=str(entry["name"]),
        version=str(told["version"]),
        source="wheel" if alone else "index",
        url=str(told["url"]),
        sha256=str(file["hashes"]["sha256"]),
        size=file["size"],
    )
    name = package.file
    right = (
        file["path"] == f"{WHEELS}/{name}"
        and re.fullmatch(r"[\w.+!-]+\.whl", name)
        and _SHA256.fullmatch(str(package.sha256))
        and isinstance(package.size, int)
    )
    if not right:
        raise ProfileError(
            f"{path} is damaged: {file['path']!r} is no wheel in {WHEELS}, or has no hash",
            next_command="llmdoctor bundle --help",
        )
    return package


def see_whole(system: System, bundle: Bundle) -> None:
    """See that the folder holds what its manifest says, byte for byte, and nothing else.

    Raises:
        BundleRefusedError: it does not.
    """
    there = set(system.names(str(system.flavour(bundle.folder, WHEELS))) or ())
    wrong = [f"{name} is not in its manifest" for name in sorted(there - _files(bundle))]
    for package in bundle.packages:
        path = bundle.path(system, package)
        if package.file not in there:
            wrong.append(f"{package.file} is missing")
        elif system.kind(path) != "file":
            wrong.append(f"{package.file} is no file")
        elif (size := system.size(path)) != package.size:
            wrong.append(f"{package.file} has {size} bytes, {package.size} were meant")
        elif (found := sha256_of(system, path)) != package.sha256:
            wrong.append(f"{package.file}: sha256 is {found}, {package.sha256} was meant")
    if wrong:
        raise BundleRefusedError(
            f"the bundle {bundle.folder} is not what its manifest says, and nothing was installed:"
            "\n  " + "\n  ".join(wrong),
            next_command="llmdoctor bundle --help",
        )


def _files(bundle: Bundle) -> set[str]:
    return {package.file for package in bundle.packages}


def misfits(bundle: Bundle, target: Target) -> tuple[Reason, ...]:
    """Why the bundle was made for another machine; empty where its files go together with it."""
    made = bundle.purpose
    pairs = (
        (f"{made.os} {made.arch}", f"{target.os} {target.arch}"),
        (f"Python {made.python}", f"Python {target.python}"),
    )
    found = [
        Reason("bundle", f"the bundle was made for {meant}, and this is {here}")
        for meant, here in pairs
        if meant != here
    ]
    if found:
        return tuple(found)
    foreign = [item.file for item in bundle.packages if not tags.fits(item.file, target)]
    libc = "musl" if target.musl else f"glibc {target.glibc}"
    return tuple(
        Reason("bundle", f"the bundle holds {name}, which {target.os} with {libc} does not take")
        for name in foreign
    )
