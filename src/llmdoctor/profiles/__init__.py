"""Read profiles from TOML and find them by name."""

from __future__ import annotations

import difflib
import functools
import re
import sys
from pathlib import Path

from llmdoctor import tables, wire
from llmdoctor.errors import ProfileError, UsageError
from llmdoctor.paths import profiles_dir
from llmdoctor.profile import SCHEMA, Profile, Want

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_VARIANT = re.compile(r"cpu|cu[0-9]{3,}")


def parse(text: str, where: str) -> Profile:
    """Build a profile from TOML text.

    Raises:
        ProfileError: names the file, the line or key, and what was expected there.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{where} is not valid TOML: {error}") from None
    schema = data.get("schema", SCHEMA)
    if isinstance(schema, int) and schema > SCHEMA:  # before its new keys are called unknown
        raise ProfileError(
            f"{where}: schema is {schema}, this llmdoctor reads {SCHEMA}: update it",
            next_command="llmdoctor --version",
        )
    try:
        profile = wire.load(Profile, data)
        _check(profile)
    except wire.WireError as error:
        raise ProfileError(f"{where}: {error}") from None
    return profile


def _check(profile: Profile) -> None:
    """What the types do not say. Raises WireError with the place, as the types do."""
    if profile.schema != SCHEMA:
        raise wire.WireError("$.schema", f"expected {SCHEMA}, got {profile.schema}")
    if (profile.kind == "stack") != (profile.torch is not None):
        raise wire.WireError("$.torch", "a stack has a [torch] table and an add-on has none")
    _specifier("$.python", profile.python)
    if profile.torch is not None:
        if not profile.torch.variants:
            raise wire.WireError("$.torch.variants", "expected at least one build")
        for number, variant in enumerate(profile.torch.variants):
            if not _VARIANT.fullmatch(variant):
                place = f"$.torch.variants[{number}]"
                raise wire.WireError(place, f"expected cpu or one like cu126, got {variant!r}")
    if profile.feature is not None:
        try:
            tables.feature(profile.feature)
        except KeyError as error:
            raise wire.WireError("$.feature", str(error.args[0])) from None
    for number, want in enumerate(profile.packages):
        _check_want(f"$.packages[{number}]", want)


def _check_want(place: str, want: Want) -> None:
    from packaging.markers import InvalidMarker, Marker
    from packaging.utils import InvalidName, canonicalize_name

    try:
        name = canonicalize_name(want.name, validate=True)
    except InvalidName:
        raise wire.WireError(f"{place}.name", f"no package is called {want.name!r}") from None
    if name != want.name:  # one package under two names would be asked for twice
        raise wire.WireError(f"{place}.name", f"write it {name!r}, got {want.name!r}")
    _specifier(f"{place}.spec", want.spec)
    if want.marker is not None:
        try:
            Marker(want.marker)
        except InvalidMarker as error:
            raise wire.WireError(f"{place}.marker", str(error).strip()) from None


def _specifier(place: str, text: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise wire.WireError(place, str(error)) from None


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
