"""PKG001, PKG003, PKG008: packages that have lost files, wheels of another platform, leftovers."""

from __future__ import annotations

from collections.abc import Sequence

from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, in_a_venv, manual
from llmdoctor.fix.repairs.anew import own, reinstalled
from llmdoctor.machine import Package
from llmdoctor.plan import Remove, Step
from llmdoctor.probe.record import dist_infos


@in_a_venv
def mend(bench: Bench, found: Finding) -> Repair:
    """Install anew, in the same version, what is damaged and nothing else."""
    environment = bench.machine.environment
    return _anew(bench, found, [p for p in environment.packages if _named(found, p)])


@in_a_venv
def without_leftovers(bench: Bench, found: Finding) -> Repair:
    """Take the remains of half-removed packages out."""
    system, environment = bench.system, bench.machine.environment
    mine = [path for path in environment.leftovers if own(system, environment, path)]
    if len(mine) < len(environment.leftovers):
        return manual(found, "some lie in the Python that the environment was made from")
    steps = [Remove(f"remove {path}", path) for path in mine]
    return Repair(
        found.key,
        found.code,
        "safe",
        "Take the leftovers out; the snapshot keeps them.",
        tuple(steps),
        inside=True,
        details=environment.leftovers,
    )


@in_a_venv
def for_this_platform(bench: Bench, found: Finding) -> Repair:
    """The wheels of this platform and Python, in the same versions."""
    environment = bench.machine.environment
    wrong = [package for package in environment.packages if _named(found, package)]
    if any(package.borrowed for package in wrong):
        return manual(found, "some lie in the Python that the environment was made from")
    return _anew(bench, found, wrong, anywhere=True)


def _named(found: Finding, package: Package) -> bool:
    """Whether the finding's evidence is about that package."""
    words = f"{package.name} {package.version}"
    return any(
        line == words or line.startswith((f"{words}:", f"{words} ")) for line in found.evidence
    )


def _anew(
    bench: Bench, found: Finding, packages: Sequence[Package], *, anywhere: bool = False
) -> Repair:
    """Take the packages' records out and install the same versions.

    `anywhere`: also where the one that is there came from an address, since that is what is wrong.
    """
    system, environment = bench.system, bench.machine.environment
    steps: list[Step] = []
    for package in packages:
        if "+" in package.version or (package.origin and not anywhere):
            # a build of one place: another one of that version is another package
            return manual(
                found,
                f"no index is known to have {package.name} {package.version}: install the profile",
            )
        if package.record and package.metadata and "RECORD" not in (package.lost or ()):
            continue  # uv takes it out itself, with every file that it lists
        steps += [
            Remove(f"remove the remains of {package.name}", folder)
            for name, version, folder in dist_infos(system, environment.site_packages)
            if (name, version) == (package.name, package.version)
            and own(system, environment, folder)
        ]
    return reinstalled(bench, found, [f"{p.name}=={p.version}" for p in packages], steps)
