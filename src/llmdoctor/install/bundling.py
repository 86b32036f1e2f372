"""Make a bundle: everything that a machine needs, brought into a folder.

Files come whole or not at all, what is there already is not asked for again, and the manifest is
written last: whatever cuts a run off, the same command goes on with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from llmdoctor import bundle as bundles
from llmdoctor import interpreters, mirrors, resolve, target
from llmdoctor.addresses import without_credentials
from llmdoctor.bundle import MANIFEST, WHEELS, Bundle
from llmdoctor.errors import CannotFinishError, UsageError
from llmdoctor.install.plans import Found, gathered
from llmdoctor.install.request import Request
from llmdoctor.install.run import hold
from llmdoctor.install.supply import fetched
from llmdoctor.plan import Plan, Reason, Resolved, Target
from llmdoctor.probe import Subject, look
from llmdoctor.probe.paths import absolute, is_folder, join
from llmdoctor.system import System
from llmdoctor.wheelhouse import OnBytes, Wheelhouse, WheelRefusedError, bring, sha256_of


@dataclass(frozen=True)
class Made:
    """A plan and its bundle, None where it is not feasible. `came`: files that had to come."""

    plan: Plan
    bundle: Bundle | None = None
    came: int = 0


def here(system: System, request: Request) -> Target:
    """This machine, with the Python that is named (it need not be installed) or would be taken."""
    machine = look(system, Subject(environment=None, python=None, project=system.cwd()))
    version = request.python
    if version is None or not re.fullmatch(r"3\.\d+", version):
        spec = resolve.python_range(request.profiles, request.known)
        version = interpreters.choose(system, version, spec).version
    return target.of_machine(machine, version)


def bundle(
    system: System,
    request: Request,
    machine: Target,
    folder: str,
    say: Callable[[str], None],
    on_bytes: OnBytes | None = None,
) -> Made:
    """Bring everything that the machine needs into a folder.

    Raises:
        UsageError: the folder holds what no bundle does.
        NoSolutionError: the packages cannot be resolved together.
        WheelRefusedError: a file cannot be had.
        CannotFinishError: there is too little room.
        OSError: the folder cannot be written.
    """
    place = absolute(system, folder)
    with hold(system, place):
        _see_folder(system, place)
        made, found, paths = _planned(system, request, machine, say, on_bytes)
        if found is None or not made.choice.feasible:
            return Made(made)
        _see_files(system, place, [change.package for change in made.changes])
        named = mirrors.places(system.environ)
        house = Wheelhouse(system, found.pip, named, on_bytes, _indexes(system, found))
        say(f"bringing {len(made.changes)} files into {place}")
        packages, came = _gather(system, made, join(system, place, WHEELS), house, paths)
        choice = made.choice
        names = [profile.name for profile in request.profiles]
        meant = bundles.purpose(names, str(choice.torch), str(choice.variant), choice.target)
        whole = Bundle(place, meant, packages)
        system.write_bytes(join(system, place, MANIFEST), bundles.manifest(whole).encode())
        return Made(made, whole, came)


def _planned(
    system: System,
    request: Request,
    machine: Target,
    say: Callable[[str], None],
    on_bytes: OnBytes | None,
) -> tuple[Plan, Found | None, dict[str, str]]:
    """What is needed; a wheel that does not come is passed over for the next one."""
    paths: dict[str, str] = {}

    def fetch(found: Found) -> dict[str, str]:
        paths.update(fetched(system, found, on_bytes))
        return paths

    say("resolving packages")
    while True:
        try:
            made, found = gathered(system, request, machine, fetch)
            break
        except WheelRefusedError as error:
            if not error.another or error.file in machine.avoid:
                raise
            say(f"{error.message}; looking for another one")
            machine = replace(machine, avoid=(*machine.avoid, error.file))
    built = [change.package for change in made.changes if change.package.source == "sdist"]
    if built:
        text = "has no wheel for that machine, and what is built from source cannot be bundled"
        why = tuple(Reason("bundle", f"{item.name} {item.version} {text}") for item in built)
        made = replace(made, choice=replace(made.choice, feasible=False, reasons=why))
    return made, found, paths


def _see_folder(system: System, folder: str) -> None:
    """See that nothing lies there but a bundle, or a part of one.

    Raises:
        UsageError: something else does.
    """
    if system.kind(folder) is not None and not is_folder(system, folder):
        raise UsageError(f"{folder} is a file, and a bundle is a folder")
    for name in system.names(folder) or ():
        if name not in (MANIFEST, WHEELS):
            raise UsageError(f"{folder} holds {name}, which no bundle does: name a new folder")
    if system.kind(join(system, folder, MANIFEST)) is not None:
        bundles.read(system, folder)  # somebody's own lock is not written over


def _see_files(system: System, folder: str, packages: Collection[Resolved]) -> None:
    """See that every file there belongs to this bundle, and that there is room for the others.

    Raises:
        UsageError: another lies there.
        CannotFinishError: there is too little room.
    """
    wheels = join(system, folder, WHEELS)
    mine = {package.file for package in packages}
    there = set(system.names(wheels) or ())
    for name in sorted(there):
        if re.sub(r"\.part(\.json)?$", "", name) not in mine:
            raise UsageError(
                f"{wheels} holds {name}, which does not belong to this bundle (any more): remove "
                "it, or name a new folder"
            )
    needed = sum(package.size or 0 for package in packages if package.file not in there)
    space = system.space(folder)
    if space is not None and space.free < needed:
        raise CannotFinishError(
            f"{needed // 10**6} MB are to come, and {space.free // 10**6} MB are free at {folder}"
        )


def _gather(
    system: System, made: Plan, wheels: str, house: Wheelhouse, paths: dict[str, str]
) -> tuple[tuple[Resolved, ...], int]:
    """Bring every file; gives the packages as they came, and how many had to come."""
    system.make_dir(wheels)
    packages, came = [], 0
    for change in made.changes:
        package = change.package
        if package.source == "wheel":
            package, new = _laid(system, package, paths[str(package.url)], wheels)
        else:
            package, new = house.collect(package, wheels)
        packages.append(replace(package, url=without_credentials(str(package.url))))
        came += new
    return tuple(packages), came


def _laid(system: System, package: Resolved, path: str, wheels: str) -> tuple[Resolved, bool]:
    """A wheel from the cache of those that have an address of their own, put beside the others."""
    to = join(system, wheels, package.file)
    sha256 = sha256_of(system, path)
    new = sha256_of(system, to) != sha256
    if new:
        bring(system, path, to)
    return replace(package, sha256=sha256, size=system.size(to)), new


def _indexes(system: System, found: Found) -> tuple[str, ...]:
    """The indexes that are asked, with their credentials."""
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
    of_uv = " ".join(system.environ.get(name) or "" for name in names).split()
    pip = (found.pip.index_url, *found.pip.extra_index_urls, *found.pip.find_links)
    every = (found.source.url, *pip, *(re.sub(r"^[\w-]+=", "", word) for word in of_uv))
    return tuple(url for url in every if url)
