"""Where the markers of a uv.lock and of a manifest hold: uv writes each in its own way.

Two markers are the same where they hold in the same environments, of those that a project is for.
They are tried in environments made of the values that they name.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

_MOST = 5000  # environments in which markers are compared
# What a platform says of itself: os_name, sys_platform, platform_system.
_PLATFORMS = (
    ("posix", "linux", "Linux"),
    ("nt", "win32", "Windows"),
    ("posix", "darwin", "Darwin"),
    ("other", "other", "Other"),
)
_ENGINES = (("cpython", "CPython"), ("pypy", "PyPy"))
_TEST = r"\s*(?:[<>=!~]=?=?|not\s+in|in)\s*"
_NAMED = re.compile(rf"([a-z_]+){_TEST}['\"]([^'\"]*)['\"]|['\"]([^'\"]*)['\"]{_TEST}([a-z_]+)")

Signature = tuple[bool, ...]


@dataclass(frozen=True)
class Condition:
    """Where something is wanted: where a marker holds (None: everywhere), and none of `but`."""

    marker: Marker | None = None
    but: tuple[Marker, ...] = ()

    def holds(self, values: dict[str, str]) -> bool:
        """Whether it is wanted in that environment."""
        wanted = self.marker is None or self.marker.evaluate(values)
        return wanted and not any(marker.evaluate(values) for marker in self.but)

    @property
    def text(self) -> str:
        """The markers in it."""
        return " ".join(str(marker) for marker in (self.marker, *self.but) if marker is not None)


def marker_of(text: str | None) -> Marker | None:
    """A marker; None for none.

    Raises:
        InvalidMarker: it is none that can be read.
    """
    return Marker(text) if text else None


def signatures(conditions: Sequence[Condition], pythons: SpecifierSet) -> list[Signature]:
    """In which of the same environments each condition holds.

    Raises:
        ValueError: a marker compares what cannot be compared.
    """
    text = " ".join(condition.text for condition in conditions)
    tried = list(itertools.islice(_environments(text, pythons), _MOST))
    return [tuple(condition.holds(values) for values in tried) for condition in conditions]


def same_pythons(ranges: Collection[SpecifierSet], other: SpecifierSet) -> bool:
    """Whether a Python is in all of these ranges just where it is in the other."""
    every = {text for one in (*ranges, other) for text in re.findall(r"\d+(?:\.\d+)*", str(one))}
    return all(
        all(one.contains(version) for one in ranges) == other.contains(version)
        for version in (*_pythons(), *every, *(f"{version}.1" for version in every), "4.0")
    )


def _pythons() -> Iterator[str]:
    """Every Python that a project may still name, and as many minors to come."""
    for minor, patch in itertools.product(range(6, 20), (0, 1)):
        yield f"3.{minor}.{patch}"


def _environments(text: str, pythons: SpecifierSet) -> Iterator[dict[str, str]]:
    """Coherent environments that tell the parts of a marker apart."""
    values: dict[str, dict[str, None]] = {}
    for name, value, mirrored, variable in _NAMED.findall(text):
        values.setdefault(name or variable, {})[value or mirrored] = None
    versions = [v for of in values.values() for v in of if re.fullmatch(r"3\.\d+\.\d+", v)]
    allowed = [v for v in dict.fromkeys((*_pythons(), *versions)) if pythons.contains(v)]
    machines = [*values.get("platform_machine", ()), "other"]
    extras = ["", *values.get("extra", ())]
    engines = _ENGINES if "implementation" in text else _ENGINES[:1]
    for (os_name, platform, system), machine, extra, engine, full in itertools.product(
        _PLATFORMS, machines, extras, engines, allowed
    ):
        yield {
            "implementation_name": engine[0],
            "implementation_version": full,
            "os_name": os_name,
            "platform_machine": machine,
            "platform_python_implementation": engine[1],
            "platform_release": "",
            "platform_system": system,
            "platform_version": "",
            "python_full_version": full,
            "python_version": ".".join(full.split(".")[:2]),
            "sys_platform": platform,
            "extra": extra,
        }
