"""Read profiles from TOML and find them by name."""

from __future__ import annotations

import difflib
import functools
import sys
from pathlib import Path

from llmdoctor import wire
from llmdoctor.errors import ProfileError, UsageError
from llmdoctor.paths import profiles_dir
from llmdoctor.profile import SCHEMA, Profile

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse(text: str, where: str) -> Profile:
    """Build a profile from TOML text.

    Raises:
        ProfileError: names the file, the line or key, and what was expected there.
    """
    from packaging.markers import InvalidMarker, Marker
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        profile = wire.load(Profile, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{where} is not valid TOML: {error}") from None
    except wire.WireError as error:
        raise ProfileError(f"{where}: {error}") from None
    if profile.schema != SCHEMA:
        raise ProfileError(
            f"{where}: schema is {profile.schema}, this llmdoctor reads {SCHEMA}",
            next_command="python3 -m pip install --upgrade llmdoctor",
        )
    if (profile.kind == "stack") != (profile.torch is not None):
        raise ProfileError(f"{where}: a stack has a [torch] table and an add-on has none")
    try:
        for spec in (profile.python, *(want.spec for want in profile.packages)):
            SpecifierSet(spec)
        for want in profile.packages:
            if want.marker is not None:
                Marker(want.marker)
    except (InvalidSpecifier, InvalidMarker) as error:
        raise ProfileError(f"{where}: {error}".strip()) from None
    return profile


@functools.cache
def builtin() -> dict[str, Profile]:
    """Every profile that llmdoctor ships, by name, in alphabetical order."""
    found = {}
    for path in sorted(profiles_dir().glob("*.toml")):
        profile = parse(path.read_text("utf-8"), path.name)
        if profile.name != path.stem:
            raise ProfileError(f"{path.name}: name is {profile.name!r}, expected {path.stem!r}")
        found[profile.name] = profile
    return found


def find(name: str) -> Profile:
    """The profile of that name, or the one in the TOML file of that path.

    Raises:
        UsageError: no profile has that name; gives the nearest.
        ProfileError: the file cannot be read as a profile.
    """
    if name.endswith(".toml"):
        try:
            return parse(Path(name).read_text("utf-8"), name)
        except OSError as error:
            raise UsageError(
                f"cannot read the profile {name}: {error.strerror}",
                next_command="llmdoctor profiles",
            ) from None
        except UnicodeDecodeError as error:
            raise ProfileError(f"{name} is not UTF-8 text: {error.reason}") from None
    known = builtin()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(
        f"no profile is called {name!r}{meant} (there are: {', '.join(known)})",
        next_command=f"llmdoctor plan --profile {near[0]}" if near else "llmdoctor profiles",
    )
