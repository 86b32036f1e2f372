"""Whether an environment is already right: judged from its metadata alone, nobody is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmdoctor.closure import is_there
from llmdoctor.machine import Environment, Package
from llmdoctor.plan import Choice


def settled(environment: Environment, choice: Choice, markers: Mapping[str, str]) -> bool:
    """Whether everything the choice asks for is there, with all that it needs in turn.

    The build of torch counts, and the very file of a wheel that has an address. False where the
    metadata leaves any doubt: then the indexes are asked.
    """
    torch = environment.torch
    if torch is None or torch.problem or torch.variant != choice.variant:
        return False
    packages: dict[str, Package] = {}
    for package in environment.packages:
        if package.name in packages or not (package.record and package.metadata):
            return False
        packages[package.name] = package
    for item in choice.requirements:
        there = packages.get(item.name)
        file = item.wheel
        if there is None or (file and not is_there(there, file.split("-")[1], file)):
            return False
    texts = [item.text for item in choice.requirements]
    return _all_met([text for text in texts if " @ " not in text], packages, markers) and all(
        _all_met(packages[item.name].requires, packages, markers)
        for item in choice.requirements
        if item.wheel
    )


def _all_met(
    texts: Sequence[str], packages: Mapping[str, Package], markers: Mapping[str, str]
) -> bool:
    """Whether the requirements are met by what is installed, and theirs in turn."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    waiting: list[tuple[str, tuple[str, ...]]] = [(text, ("",)) for text in texts]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        text, extras = waiting.pop()
        if (text, extras) in seen:
            continue
        seen.add((text, extras))
        try:
            needs = Requirement(text)
        except InvalidRequirement:
            return False
        marker = needs.marker
        if marker and not any(marker.evaluate({**markers, "extra": extra}) for extra in extras):
            continue
        there = packages.get(canonicalize_name(needs.name))
        if there is None or not needs.specifier.contains(there.version, prereleases=True):
            return False
        wanted = tuple(sorted(needs.extras)) or ("",)
        waiting += [(more, wanted) for more in there.requires]
    return True
