"""What a profile has to be beyond the types of its fields: rules about single keys, and on pins."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from llmdoctor import tables
from llmdoctor.paths import profiles_dir
from llmdoctor.profile import SCHEMA, Profile, TorchPin, Want
from llmdoctor.profiles.bounds import satisfiable
from llmdoctor.tables.read import read_table
from llmdoctor.wire import WireError

_VARIANT = re.compile(r"cpu|cu[0-9]{3,}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_keys(profile: Profile) -> None:
    """See that every value can be meant by itself.

    Raises:
        WireError: one cannot, with its place.
    """
    if profile.schema != SCHEMA:
        raise WireError("$.schema", f"expected {SCHEMA}, got {profile.schema}")
    if not _NAME.fullmatch(profile.name) or profile.name.endswith(".toml"):
        what = "letters, digits, '-', '_' and '.', and no .toml at its end"
        raise WireError("$.name", f"expected {what}, got {profile.name!r}")
    if (profile.kind == "stack") != (profile.torch is not None):
        raise WireError("$.torch", "a stack has a [torch] table and an add-on has none")
    _specifier("$.python", profile.python)
    if profile.torch is not None:
        _check_torch(profile.torch)
    if profile.feature is not None:
        try:
            tables.feature(profile.feature)
        except KeyError as error:
            raise WireError("$.feature", str(error.args[0])) from None
    for number, want in enumerate(profile.packages):
        _check_want(f"$.packages[{number}]", want)
    for number, promise in enumerate(profile.promises):
        if (
            promise.rows.count("/") > 3
            or not set(promise.rows).isdisjoint(" \t\n")
            or not promise.rows
        ):
            text = f"expected a glob over backend/kernel/mode/dtype, got {promise.rows!r}"
            raise WireError(f"$.promises[{number}].rows", text)


def _check_torch(torch: TorchPin) -> None:
    try:
        release = tables.torch_release(torch.version)
    except tables.UnknownRelease as error:
        raise WireError("$.torch.version", str(error)) from None
    if torch.version != release.version:  # "2.9" is 2.9.0 to an installer
        text = f"expected one release such as {release.version!r}, got {torch.version!r}"
        raise WireError("$.torch.version", text)
    if not torch.variants:
        raise WireError("$.torch.variants", "expected at least one build")
    known = [*release.variants, *release.unconfirmed_variants]
    for number, variant in enumerate(torch.variants):
        place = f"$.torch.variants[{number}]"
        if not _VARIANT.fullmatch(variant):
            raise WireError(place, f"expected cpu or one like cu126, got {variant!r}")
        if variant not in known:
            there = ", ".join(name for name in known if _VARIANT.fullmatch(name))
            text = f"torch {release.version} has no build {variant!r} in the table of"
            raise WireError(place, f"{text} {tables.table_date('torch')}, it has {there}")


def _check_want(place: str, want: Want) -> None:
    from packaging.utils import InvalidName, canonicalize_name

    try:
        name = canonicalize_name(want.name, validate=True)
    except InvalidName:
        raise WireError(f"{place}.name", f"no package is called {want.name!r}") from None
    if name != want.name:  # one package under two names would be asked for twice
        raise WireError(f"{place}.name", f"write it {name!r}, got {want.name!r}")
    if want.name == "torch":
        text = "torch is set in [torch] version of the stack, not among the packages"
        raise WireError(f"{place}.name", text)
    _specifier(f"{place}.spec", want.spec)
    if want.marker is not None:
        _check_marker(f"{place}.marker", want.marker)
    if want.origin == "index":
        return
    if want.name not in _known_to(want.origin):
        known = sorted(set(_known_to(want.origin)))
        what = "wheel catalogue has" if want.origin == "wheel" else "tables pin"
        text = f"the {what} no {want.name!r}, only {', '.join(known)}"
        raise WireError(f"{place}.origin", f"{text}; leave origin out to take it from the index")
    if want.spec:
        text = (
            f"the version comes from the tables (origin = {want.origin!r}): leave one of them out"
        )
        raise WireError(f"{place}.spec", text)


def _check_marker(place: str, text: str) -> None:
    """A marker may be well written and still compare what cannot be compared."""
    from packaging.markers import InvalidMarker, Marker

    from llmdoctor.plan import Target
    from llmdoctor.resolve import marker_environment

    try:
        Marker(text).evaluate(marker_environment(Target()))
    except InvalidMarker as error:
        raise WireError(place, str(error).strip()) from None
    except KeyError as error:
        raise WireError(place, f"{error.args[0]} is no variable of a target: {text}") from None
    except ValueError as error:  # it compares what has no order
        why = str(error).strip().rstrip(".")
        raise WireError(place, f"cannot be judged: {text}: {why}") from None


def _known_to(origin: str) -> Iterator[str]:
    """The packages whose version an origin gives."""
    if origin == "triton":
        yield "triton"
    elif origin == "table":
        yield from tables.pinned_packages()
    else:
        for path in (profiles_dir() / "tables" / "wheels").glob("*-official.toml"):
            yield path.stem.removesuffix("-official")
        # Read last: a plan names the tables that it rests on, and few rest on this one.
        yield from (row["package"] for row in read_table("wheels/flash-attn-community")["code"])


def _specifier(place: str, text: str) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise WireError(place, str(error)) from None


def check_pins(profile: Profile) -> None:
    """See that a package which is wanted twice on one machine can be both.

    Raises:
        WireError: no version is both, or one of the two takes its version from the tables.
    """
    for first, second in itertools.combinations(profile.packages, 2):
        if first.name != second.name or not _together(first, second, profile.python):
            continue
        both = f"{_written(first)} and {_written(second)}"
        if first.origin != second.origin:
            raise WireError("$.packages", f"{both} are two ways to find one version: keep one")
        if not satisfiable(f"{first.spec},{second.spec}".strip(",")):
            raise WireError("$.packages", f"no version is both {both}{_way_out(profile, first)}")


def _way_out(profile: Profile, want: Want) -> str:
    if not profile.origin.extends:
        return ": keep one of them"
    return f'; `remove = ["{want.name}"]` takes out what {profile.origin.extends[0]} asks for'


def _written(want: Want) -> str:
    text = f"{want.name}{want.spec}" if want.origin == "index" else f"{want.name} ({want.origin})"
    return f"{text!r} where {want.marker}" if want.marker else repr(text)


def _together(first: Want, second: Want, python: str) -> bool:
    """Whether a machine that llmdoctor can decide for meets both of their markers."""
    if first.marker is None and second.marker is None:
        return True
    from packaging.markers import Marker

    markers = [Marker(want.marker) for want in (first, second) if want.marker is not None]
    return any(
        all(marker.evaluate(environment) for marker in markers)
        for environment in _environments(python)
    )


def _environments(python: str) -> Iterator[dict[str, str]]:
    """The marker variables of every platform and Python that the tables have a torch for."""
    from packaging.specifiers import SpecifierSet

    from llmdoctor.plan import Target
    from llmdoctor.resolve import marker_environment

    versions = {p.rstrip("t") for release in tables.torch_releases() for p in release.python}
    platforms = {tuple(name.split("-")) for r in tables.torch_releases() for name in r.pypi}
    for version in sorted(v for v in versions if SpecifierSet(python).contains(v)):
        for os, arch in sorted(platforms):
            yield marker_environment(Target(os=os, arch=arch, python=version))
