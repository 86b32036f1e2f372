"""The closed set of packages: what the requirements pull in, against what is there already.

uv resolves, whichever tool installs afterwards: so both install the same, and what is shown before
is what happens. Versions that are installed are preferences: they stay unless they must move.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from llmdoctor.addresses import file_name
from llmdoctor.errors import LlmdoctorError
from llmdoctor.installers import uv as uv_installer
from llmdoctor.machine import Package
from llmdoctor.plan import Change, Conflict, Resolved
from llmdoctor.system import System

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SECONDS = 300.0


class NoSolutionError(LlmdoctorError):
    """The requirements cannot be met together, or the index cannot be asked."""

    exit_code = 1


@dataclass(frozen=True)
class Closure:
    """Every package of the resolved set; `lock` is its pylock.toml."""

    packages: tuple[Resolved, ...]
    lock: str


def close(
    system: System,
    uv: str,
    manifest: str,
    python: str,
    installed: Sequence[Package],
    env: Mapping[str, str | None],
    *,
    builds: Sequence[str] = (),
    options: Sequence[str] = (),
    fetched: Mapping[str, str] | None = None,
    compiled: Sequence[Resolved] = (),
) -> Closure:
    """Resolve a manifest for the interpreter `python`. Reads the package index, installs nothing.

    `builds` may be built from source. `options` go to uv: those of `uv_installer.platform_options`
    resolve for another machine. `fetched` are paths of wheels that the manifest names by address:
    uv is given the file, and the packages keep the address. `compiled` come besides: what they ask
    for is in the manifest, and they are no part of the lock.

    Raises:
        NoSolutionError: with the resolver's own words, which name the packages or the index.
    """
    with system.scratch() as folder:
        asked, lock = f"{folder}/pyproject.toml", f"{folder}/pylock.toml"
        addresses = {}
        for url, path in (fetched or {}).items():
            place = system.flavour(path)
            manifest = manifest.replace(f" @ {url}", f" @ {place.as_uri()}")
            addresses[place.name] = url
        system.write_bytes(asked, manifest.encode())
        if installed:
            system.write_bytes(lock, preferences(installed).encode())
        argv = (*uv_installer.compile_command(uv, asked, lock, python, builds), *options)
        done = system.run(argv, env=env, cwd=folder, timeout=_SECONDS)
        if not done.ok:
            said = (done.problem, done.err or done.out)  # a time limit is no word of uv's
            why = "\n".join(filter(None, said)).replace(folder, "").strip()
            raise NoSolutionError(
                "these packages cannot be resolved:\n" + why,
                next_command="llmdoctor profiles",
            )
        text = installable(system.read_text(lock) or "")
    packages = tuple(
        replace(package, url=addresses.get(package.wheel or "", package.url))
        for package in parse_lock(text)
    )
    return Closure((*packages, *compiled), text)


def preferences(installed: Sequence[Package]) -> str:
    """A pylock.toml that names what is installed."""
    lines = ['lock-version = "1.0"', 'created-by = "llmdoctor"']
    for package in {package.name: package for package in installed}.values():
        lines += ["[[packages]]", f'name = "{package.name}"', f'version = "{package.version}"']
    return "\n".join(lines) + "\n"


def installable(lock: str) -> str:
    """The same pylock.toml without the version of what comes from an address.

    uv takes that version from METADATA, and refuses its own lock afterwards where the file name
    says more (2.8.3 of flash_attn-2.8.3+cu12torch2.9cxx11abiTRUE: seen with uv 0.13.9).
    """
    import tomlkit

    document = tomlkit.parse(lock)
    for entry in document.get("packages", ()):
        if "archive" in entry:
            entry.pop("version", None)
    return tomlkit.dumps(document)


def parse_lock(text: str) -> tuple[Resolved, ...]:
    """The packages of a pylock.toml; of several wheels the first, which fits best."""
    found = []
    for entry in tomllib.loads(text).get("packages", ()):
        files = entry.get("wheels") or [entry[key] for key in ("archive", "sdist") if key in entry]
        file = files[0] if files else {}
        url = file.get("url") or (file.get("path") if "archive" in entry else None)
        name = file_name(url or "")
        source: Literal["index", "wheel", "sdist"] = "index"
        if "archive" in entry:
            source = "wheel"
        elif files and not entry.get("wheels"):
            source = "sdist"
        in_name = name.split("-")[1] if name.endswith(".whl") and source == "wheel" else ""
        version = in_name or entry.get("version") or ""
        found.append(
            Resolved(
                name=entry["name"],
                version=version,
                source=source,
                url=url,
                sha256=file.get("hashes", {}).get("sha256"),
                size=file.get("size"),
            )
        )
    return tuple(found)


def changes(
    resolved: Sequence[Resolved],
    installed: Sequence[Package],
    damaged: Collection[str] = frozenset(),
) -> tuple[Change, ...]:
    """What differs from what is installed. Local versions count: 2.9.1 is not 2.9.1+cu126.

    `damaged` packages (`verify.damaged`) are installed anew in the same version.
    """
    before = {package.name: package for package in installed}
    return tuple(
        Change(package, there.version if (there := before.get(package.name)) else None)
        for package in resolved
        if package.name in damaged
        or not is_there(before.get(package.name), package.version, package.wheel)
    )


def conflicts(
    installed: Sequence[Package], moved: Sequence[Change], markers: Mapping[str, str]
) -> tuple[Conflict, ...]:
    """Kept packages whose requirements were met before and will not be met afterwards."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    before = {package.name: package.version for package in installed}
    after = {**before, **{change.package.name: change.package.version for change in moved}}
    changed = {change.package.name for change in moved}
    found = []
    for package in installed:
        if package.name in changed:
            continue
        for text in package.requires:
            try:
                needs = Requirement(text)
            except InvalidRequirement:
                continue
            name = canonicalize_name(needs.name)
            if name not in changed or (
                needs.marker and not needs.marker.evaluate({**markers, "extra": ""})
            ):
                continue
            was_met = name in before and needs.specifier.contains(before[name], prereleases=True)
            if was_met and not needs.specifier.contains(after[name], prereleases=True):
                found.append(Conflict(package.name, package.version, text, after[name]))
    return tuple(found)


def only(lock: str, names: Sequence[str]) -> str:
    """The same pylock.toml with these packages alone."""
    import tomlkit

    document = tomlkit.parse(lock)
    kept = tomlkit.aot()
    for entry in document["packages"]:
        if entry["name"] in names:
            kept.append(entry)
    document["packages"] = kept
    return tomlkit.dumps(document)


def is_there(installed: Package | None, version: str, wheel: str | None = None) -> bool:
    """Whether a distribution is installed in that version, from that `wheel` where one is meant.

    The official wheels of flash-attn name their build (`+cu12torch2.9cxx11abiTRUE`) in the file
    name alone, and their METADATA says 2.8.3. For a wheel from an address the file name that was
    written down at its install decides, therefore; its version, where nothing was written down.
    """
    if installed is None:
        return False
    if wheel is not None and installed.origin is not None:
        return installed.origin == wheel and same_version(
            installed.version.partition("+")[0], version.partition("+")[0]
        )
    return same_version(installed.version, version)


def same_version(a: str | None, b: str) -> bool:
    """Whether two versions are one, local tag included: 2.9.1 is not 2.9.1+cu126."""
    from packaging.version import InvalidVersion, Version

    if a is None or a == b:
        return a == b
    try:
        return Version(a) == Version(b)
    except InvalidVersion:
        return False
