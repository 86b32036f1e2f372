"""PKG001: leftovers of an uninstall, and packages that have lost files."""

from __future__ import annotations

import re

from llmdoctor import pip_config
from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.install.plans import find_uv
from llmdoctor.installers import uv as uv_installer
from llmdoctor.machine import Environment, Package
from llmdoctor.plan import Remove, Run, Step
from llmdoctor.probe.paths import join
from llmdoctor.rollback import inside
from llmdoctor.system import System


def mend(bench: Bench, found: Finding) -> Repair:
    """Remove leftovers; install anew, in the same version, what is damaged and nothing else."""
    environment = bench.machine.environment
    if environment.kind != "venv":
        return manual(found, f"a {environment.kind} environment is left to its own tools")
    if "Half-removed" in found.title:
        return _without_leftovers(bench.system, found, environment)
    if "twice" in found.title:
        return manual(found, "which of the two is really there cannot be told for certain")
    bare = [p for p in environment.packages if not p.record or not p.metadata]
    gone = [p for p in environment.packages if not p.present]
    return _reinstalled(bench, found, gone if "files are gone" in found.title else bare)


def _own(system: System, environment: Environment, path: str) -> bool:
    """Whether a path is the environment's: it may see its base's packages, which are not."""
    own = environment.path
    return own is not None and inside(system, system.real_path(own), system.real_path(path))


def _without_leftovers(system: System, found: Finding, environment: Environment) -> Repair:
    own = [path for path in environment.leftovers if _own(system, environment, path)]
    if len(own) < len(environment.leftovers):
        return manual(found, "some lie in the Python that the environment was made from")
    steps = [Remove(f"remove {path}", path) for path in own]
    return Repair(
        found.key,
        found.code,
        "safe",
        "Take the leftovers out; the snapshot keeps them.",
        tuple(steps),
        inside=True,
        details=environment.leftovers,
    )


def _reinstalled(bench: Bench, found: Finding, packages: list[Package]) -> Repair:
    system, environment = bench.system, bench.machine.environment
    built = [package for package in packages if "+" in package.version or package.origin]
    if built or environment.executable is None or environment.path is None:
        names = ", ".join(f"{package.name} {package.version}" for package in built)
        return manual(found, f"no index is known to have {names or 'them'}: install the profile")
    steps: list[Step] = [
        Remove(f"remove the remains of {package.name}", folder)
        for package in packages
        for folder in _dist_infos(system, environment, package)
    ]
    specs = tuple(f"{package.name}=={package.version}" for package in packages)
    pip = pip_config.read(system, (environment.path,))
    argv = (
        find_uv(system), "pip", "install", "--python", environment.executable,
        "--project", environment.path, "--no-deps", "--reinstall", "--only-binary", ":all:", *specs,
    )  # fmt: skip
    env = uv_installer.environment(pip, system.environ)
    return Repair(
        found.key,
        found.code,
        "ask",
        "Install them anew in the same versions, and nothing else.",
        (*steps, Run(f"install {len(specs)} packages anew", argv, env)),
        inside=True,
        details=specs,
    )


def _dist_infos(system: System, environment: Environment, package: Package) -> list[str]:
    """Where the package's dist-info lies; its name is written in more than one way."""
    found = []
    for site in environment.site_packages:
        for name in system.names(site) or ():
            stem, _, version = name.removesuffix(".dist-info").rpartition("-")
            normal = re.sub(r"[-_.]+", "-", stem).lower()
            place = join(system, site, name)
            named = (normal, version) == (package.name, package.version)
            if name.endswith(".dist-info") and named and _own(system, environment, place):
                found.append(place)
    return found
