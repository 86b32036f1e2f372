"""PKG: what is recorded of the installed packages, and whether their files are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from llmdoctor.checks._framework import Answer, Case, check, finding
from llmdoctor.checks._remedies import reinstall
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Environment, Machine


@check("PKG008", cause=None, severity="warning", readers=("environment", "files"))
def half_removed_packages(case: Case) -> Answer:
    """Half-removed packages lie in the environment.

    What: Looks in site-packages for folders whose names start with ~ or -.

    Why: An uninstall that was interrupted left them. Python may still take them for packages, pip
    warns of them each time, and uv does not even list an environment with a "-" leftover.

    Remedy: Move them out of site-packages; nothing imports them.

    Known problems: Whether a tool is just at work there is not asked.
    """
    environment = case.machine.environment
    if not environment.leftovers:
        return None
    return finding(
        half_removed_packages,
        "An interrupted uninstall left them; Python may still take them for packages.",
        evidence=environment.leftovers,
        remedy=Remedy(
            "Move them out of site-packages; nothing imports them.",
            "ask",
            _move_out(case.machine, environment.leftovers),
        ),
    )


@check("PKG009", cause=None, severity="warning", readers=("environment", "files"))
def packages_recorded_twice(case: Case) -> Answer:
    """Packages are recorded twice.

    What: Looks for distributions with two dist-info folders of different versions.

    Why: An install went over another one without uninstalling it, or was cut off between the two.
    Which version is imported depends on the file order, and pip and uv disagree about it.

    Remedy: Take out the record of the version that is not really there; `llmdoctor fix` tells them
    apart by the digests of their files.

    Known problems: Two records of one version are not told; they harm nobody.
    """
    environment = case.machine.environment
    twice = _twice(environment)
    if not twice:
        return None
    return finding(
        packages_recorded_twice,
        "Which version is imported depends on the file order; pip and uv disagree about it.",
        evidence=tuple(_versions(environment, name) for name in twice),
        remedy=Remedy(
            "Move the dist-info folder of the version that is not really there out of "
            "site-packages, then reinstall the other. `llmdoctor fix` tells them apart by the "
            "digests of their files."
        ),
    )


@check("PKG001", cause=None, severity="warning", readers=("environment", "files"))
def damaged_packages(case: Case) -> Iterator[Finding]:
    """Some installed packages are damaged.

    What: Looks for distributions without a RECORD or METADATA, and for such whose files are gone
    in part or altogether.

    Why: pip and uv can then neither uninstall nor upgrade them cleanly. What an install that was
    cut off left in part fails on import, or later.

    Remedy: Reinstall what is named.

    Known problems: Conda and distribution packages have no RECORD by design; they are left out.
    Whether the files are there is looked at for the packages of an LLM stack only; every file of
    every package is looked for by `fix` and `check --deep`.
    """
    environment = case.machine.environment
    if environment.kind not in ("venv", "conda"):
        return
    own = [p for p in environment.packages if p.installer != "conda" and not p.borrowed]
    gone = [f"{package.name} {package.version}" for package in own if not package.present]
    if gone:
        yield finding(
            damaged_packages,
            "Package tools list them, and Python cannot import them.",
            title="Packages are recorded, and their files are gone",
            severity="error",
            evidence=gone,
            where=environment.path,
            remedy=reinstall(environment, [p.replace(" ", "==") for p in gone]),
        )
    # of what is recorded twice one half has always lost files
    seen = {
        *_twice(environment),
        *(p.name for p in own if not (p.present and p.record and p.metadata)),
    }
    parts_of = [p for p in own if p.lost and p.name not in seen]
    if parts_of:
        yield finding(
            damaged_packages,
            "An install that was cut off, or somebody's clean-up, left them without some of their "
            "files: importing them fails, or what needs those files does.",
            title="Packages are there in part",
            evidence=tuple(f"{p.name} {p.version}: {', '.join(p.lost or ())}" for p in parts_of),
            where=environment.path,
            remedy=reinstall(environment, [f"{p.name}=={p.version}" for p in parts_of]),
        )
    bare = [package for package in own if not package.record or not package.metadata]
    if bare and environment.kind == "venv":
        yield finding(
            damaged_packages,
            "Without a RECORD no tool can uninstall or upgrade them; without METADATA uv refuses "
            "the environment, and what they ask for is unknown.",
            title="Packages have lost their list of files or their metadata",
            evidence=tuple(
                f"{package.name} {package.version}: no {'METADATA' if package.record else 'RECORD'}"
                for package in bare
            ),
            remedy=reinstall(environment, [f"{p.name}=={p.version}" for p in bare]),
        )


def _twice(environment: Environment) -> list[str]:
    """The names with more than one version, sorted."""
    versions = {(package.name, package.version) for package in environment.packages}
    counts = Counter(name for name, _ in versions)
    return sorted(name for name, count in counts.items() if count > 1)


def _versions(environment: Environment, name: str) -> str:
    return f"{name} " + " and ".join(p.version for p in environment.packages if p.name == name)


def _move_out(machine: Machine, paths: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Commands that move folders from their site-packages to the environment's own folder."""
    environment = machine.environment
    if environment.path is None:
        return ()
    # On Windows `move` is a word of the shell, not a program.
    move = ("cmd", "/c", "move") if machine.host.system == "windows" else ("mv",)
    return tuple((*move, path, environment.path) for path in paths)
