"""Where every package of an install comes from: the indexes, or a bundle and nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from llmdoctor import bundle as bundles
from llmdoctor import closure, mirrors, pip_config
from llmdoctor.bundle import Bundle
from llmdoctor.closure import Closure
from llmdoctor.install import patient
from llmdoctor.install.plans import Found, choose, find, find_uv
from llmdoctor.install.request import Request
from llmdoctor.installers import manifest
from llmdoctor.installers import uv as uv_installer
from llmdoctor.interpreters import Interpreter
from llmdoctor.machine import Environment, Package
from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Alternative, Choice, Reason, Source, Target
from llmdoctor.system import System
from llmdoctor.wheelhouse import OnBytes, Wheelhouse


@dataclass(frozen=True)
class Supply:
    """The closed set of packages, and how an installer gets at it.

    `fetched` are paths of wheels by their address; `wheels` is the folder that alone is asked.
    """

    choice: Choice
    source: Source
    closed: Closure
    pip: PipConfig = field(default_factory=PipConfig)
    builds: tuple[str, ...] = ()
    from_torch_index: tuple[str, ...] = ("torch",)
    fetched: Mapping[str, str] = field(default_factory=dict)
    wheels: str | None = None


def from_indexes(
    system: System,
    request: Request,
    choice: Choice,
    there: Environment,
    python: Interpreter,
    installed: Sequence[Package],
    say: Callable[[str], None],
    on_bytes: OnBytes | None,
) -> Supply | Choice:
    """Ask the indexes, and fetch single wheels; an infeasible choice where none has the torch."""
    say(f"asking where torch {choice.torch}+{choice.variant} can be had")
    found = find(system, request, choice, pip_config.read(system, patient.prefixes(system, there)))
    if isinstance(found, Choice):
        return found
    paths = fetched(system, found, on_bytes)
    say("resolving packages")
    closed = closure.close(
        system,
        find_uv(system),
        manifest(found.requirements, found.source, python.minor),
        python.executable,
        installed,
        uv_installer.environment(found.pip, system.environ, request.find_links),
        builds=found.builds,
        options=found.index_options(system),
        fetched=paths,
        compiled=found.compiled,
    )
    return Supply(
        found.choice,
        found.source,
        closed,
        found.pip,
        found.builds,
        tuple(item.name for item in found.requirements if item.source == "torch"),
        paths,
    )


def fetched(system: System, found: Found, on_bytes: OnBytes | None) -> dict[str, str]:
    """The path of every wheel that has an address of its own, by that address."""
    house = Wheelhouse(system, found.pip, mirrors.places(system.environ), on_bytes)
    return {
        item.url: house.fetch(item, found.choice.target)
        for item in found.requirements
        if item.source == "wheel" and item.url
    }


def from_bundle(system: System, choice: Choice, of: Bundle, say: Callable[[str], None]) -> Supply:
    """What a bundle holds, seen to be whole.

    Raises:
        BundleRefusedError: it is not what its manifest says.
    """
    import tomlkit

    say(f"checking the {len(of.packages)} files of the bundle")
    bundles.see_whole(system, of)
    paths = [of.path(system, package) for package in of.packages]
    lock = bundles.lock(of.packages, paths, python=of.purpose.python)
    return Supply(
        choice,
        Source("configured", of.versions["torch"], f"the bundle {of.folder}"),
        Closure(of.packages, tomlkit.dumps(lock)),
        fetched={str(item.url): place for item, place in zip(of.packages, paths, strict=True)},
        wheels=system.flavour(of.folder, bundles.WHEELS).as_uri(),
    )


def choose_from(request: Request, machine: Target, of: Bundle) -> Choice:
    """What the resolver decides for a machine that may take nothing but what a bundle holds."""
    request = replace(request, variant=of.purpose.variant)
    if wrong := bundles.misfits(of, machine):
        return _refused(request, choose(request, machine), wrong, machine)
    files = {package.file for package in of.packages}
    choice = choose(request, machine)
    while choice.feasible:
        missing = {item.wheel for item in choice.requirements if item.wheel} - files
        if not missing:
            break
        machine = replace(machine, avoid=(*machine.avoid, *sorted(missing)))
        choice = choose(request, machine)
    if not choice.feasible:
        text = f"{' + '.join(of.purpose.profiles)} of this bundle does not fit this machine"
        return _refused(request, choice, (Reason("bundle", text), *choice.reasons), machine)
    lacking = tuple(
        Reason("bundle", f"{text} (it was made by llmdoctor {of.purpose.made_by})")
        for text in unmet(choice, of.versions, "the bundle holds")
    )
    return _refused(request, choice, lacking, machine) if lacking else choice


def unmet(choice: Choice, versions: Mapping[str, str], holds: str) -> list[str]:
    """What of the choice these versions are not: "the lock gives no numpy (numpy>=2 is wanted)"."""
    from packaging.requirements import Requirement

    found = []
    for item in choice.requirements:
        version = versions.get(item.name)
        if version is None:
            found.append(f"{holds} no {item.name} ({item.text} is wanted)")
        elif not Requirement(item.text).specifier.contains(version, prereleases=True):
            found.append(f"{holds} {item.name} {version}, and {item.text} is wanted")
    local = versions.get("torch", "").partition("+")[2]
    if local and local != choice.variant:
        found.append(f"{holds} the {local} build of torch, and {choice.variant} is wanted")
    return found


def _refused(
    request: Request, choice: Choice, reasons: tuple[Reason, ...], machine: Target
) -> Choice:
    """The choice as one that cannot be, with the bundle that would do."""
    facts = {"os": machine.os, "arch": machine.arch, "glibc": machine.glibc}
    facts |= {"python": machine.python, "driver": machine.driver}
    known = [f"{key}={value}" for key, value in facts.items() if value]
    known += [f"gpu={gpu.name}" for gpu in machine.gpus]
    wanted = [word for profile in request.profiles for word in ("--profile", profile.spelled)]
    kept = ("--project", "--allow")  # of what `bundle` has and an install from one may be given
    wanted += [word for option in request.options() if option[0] in kept for word in option]
    line = shlex.join(["llmdoctor", "bundle", *wanted, "--assume", ",".join(known)])
    way = f"`{line} DIR`, on a machine that has a network"
    return replace(
        choice,
        feasible=False,
        reasons=reasons,
        alternatives=(Alternative(choice.profiles, way),),
    )
