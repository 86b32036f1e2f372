"""PY013: an environment that sees its base's packages is cut off from them, where that is asked."""

from __future__ import annotations

import re

from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.fix.repairs.anew import reinstalled
from llmdoctor.machine import Environment
from llmdoctor.plan import Write
from llmdoctor.probe.paths import join
from llmdoctor.resolve import marker_environment
from llmdoctor.target import of_machine

_SETTING = re.compile(r"^(include-system-site-packages\s*=\s*)true\b", re.MULTILINE | re.IGNORECASE)
_SUMMARY = "Cut the environment off from its base's packages."


def switch_off(bench: Bench, found: Finding) -> Repair | None:
    """Write `include-system-site-packages = false`; install what own packages then miss.

    Whether the base's packages were meant only the user knows, so that nothing is planned unless
    this code is named.
    """
    system, environment = bench.system, bench.machine.environment
    if found.code not in bench.select:
        return None
    if any(package.borrowed and package.name == "torch" for package in environment.packages):
        return manual(
            found, "torch comes from the base: without it nothing here would load a model"
        )
    if environment.path is None or environment.version is None:
        return manual(found)
    path = join(system, environment.path, "pyvenv.cfg")
    text, changed = _SETTING.subn(r"\g<1>false", system.read_text(path) or "")
    if not changed:
        return manual(found, "the line in pyvenv.cfg was not found")
    write = Write("switch the base's packages off", path, text)
    markers = marker_environment(of_machine(bench.machine, environment.version))
    missing = _missing(environment, markers)
    details = (f"{path}: include-system-site-packages = false",)
    if missing:
        told = (*details, *(f"installed for the environment's own packages: {m}" for m in missing))
        return reinstalled(bench, found, missing, (write,), told, _SUMMARY)
    return Repair(found.key, found.code, "ask", _SUMMARY, (write,), inside=True, details=details)


def _missing(environment: Environment, markers: dict[str, str]) -> list[str]:
    """What the environment's own packages require, and only the base has; in turn, with its own."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    packages = {package.name: package for package in environment.packages}
    waiting = [package for package in environment.packages if not package.borrowed]
    missing: dict[str, str] = {}
    while waiting:
        for text in waiting.pop().requires:
            try:
                needs = Requirement(text)
            except InvalidRequirement:
                continue
            name = canonicalize_name(needs.name)
            there = packages.get(name)
            applies = needs.marker is None or needs.marker.evaluate({**markers, "extra": ""})
            if applies and there is not None and there.borrowed and name not in missing:
                missing[name] = f"{name}=={there.version}"
                waiting.append(there)
    return sorted(missing.values())
