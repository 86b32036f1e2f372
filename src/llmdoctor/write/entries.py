"""A requirement as a project's manifest is to say it, whatever the tool."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from llmdoctor.addresses import file_name
from llmdoctor.plan import Choice, Requirement, Source, Target, pinned
from llmdoctor.profile import Profile
from llmdoctor.resolve import marker_environment

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?")
_TWIN = "-windows"  # triton is another package there


@dataclass(frozen=True)
class Entry:
    """One requirement: a range of versions (`spec`) from an index, or a wheel's address.

    `torch` says that it comes from the index of the torch build, `profiles` who asks for it.
    """

    name: str
    spec: str = ""
    url: str | None = None
    markers: str | None = None
    torch: bool = False
    profiles: tuple[str, ...] = ()

    @property
    def lenient(self) -> bool:
        """Whether it only asks for a release that is new enough, from the usual index."""
        return not self.torch and self.url is None and not re.search(r"[=~]=|<", self.spec)

    def requirement(self, extras: str = "") -> str:
        """It as PEP 508 text."""
        what = f"{self.name}{extras} @ {self.url}" if self.url else self.name + extras + self.spec
        return f"{what} ; {self.markers}" if self.markers else what


def entries(choice: Choice, source: Source | None) -> dict[str, Entry]:
    """What a choice asks for, by normalised name."""
    made = (_entry(item, choice.target, source) for item in choice.requirements)
    return {normal(entry.name): entry for entry in made}


def _entry(item: Requirement, target: Target, source: Source | None) -> Entry:
    if item.url:
        markers = marker_of(file_name(item.url), target)
        return Entry(item.name, url=item.url, markers=markers, profiles=item.profiles)
    spec = pinned(item, source).removeprefix(item.name)
    own_index = item.source == "torch" and source is not None and source.url is not None
    return Entry(item.name, spec, torch=own_index, profiles=item.profiles)


def marker_of(wheel: str, target: Target) -> str | None:
    """Where a wheel that was chosen for a target is to be installed: what its name ties it to."""
    python, abi, platform = wheel.removesuffix(".whl").split("-")[-3:]
    variables = marker_environment(target)
    parts = []
    if platform != "any":
        parts += [f"{name} == '{variables[name]}'" for name in ("sys_platform", "platform_machine")]
    if python.startswith("cp"):
        how = ">=" if abi == "abi3" else "=="
        version = f"3.{python[3:].split('.')[0]}" if abi == "abi3" else variables["python_version"]
        parts.append(f"python_version {how} '{version}'")
    return " and ".join(parts) or None


def index_name(choice: Choice) -> str:
    """What the index of a torch build is called in a manifest."""
    return f"torch-{choice.variant}"


def is_ours(index: object) -> bool:
    """Whether an index has a name that `index_name` gives."""
    return isinstance(index, str) and re.fullmatch(r"torch-(?:cpu|cu\d+)", index) is not None


def owned(profile: Profile) -> set[str]:
    """The packages that a profile can ask for, on whatever platform."""
    names = {normal(want.name) for want in profile.packages}
    return names | {name + _TWIN for name in names} | ({"torch"} if profile.torch else set())


def name_in(requirement: object) -> str | None:
    """The normalised name in a PEP 508 text; None for anything else."""
    match = _REQUIREMENT.match(requirement) if isinstance(requirement, str) else None
    return normal(match[1]) if match else None


def extras_in(requirement: str) -> str:
    """The extras that a PEP 508 text asks for, in their brackets."""
    match = _REQUIREMENT.match(requirement)
    return (match[2] or "") if match else ""


def normal(name: str) -> str:
    """A name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def listed(names: Iterable[str]) -> str:
    """Names in a line."""
    return ", ".join(names)
