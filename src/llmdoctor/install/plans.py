"""Plans from the tables, and where everything in them comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from llmdoctor import closure, interpreters, pip_config, profiles, resolve, sources, tables, target
from llmdoctor.errors import CannotFinishError
from llmdoctor.install import patient
from llmdoctor.install.request import Request
from llmdoctor.installers import manifest
from llmdoctor.installers import uv as uv_installer
from llmdoctor.mirrors import mirrored
from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import (
    Alternative,
    Choice,
    Plan,
    Reason,
    Rejected,
    Requirement,
    Resolved,
    Source,
    Target,
)
from llmdoctor.probe import Subject, look
from llmdoctor.probe.paths import is_folder
from llmdoctor.profile import Profile
from llmdoctor.profiles import Wish
from llmdoctor.system import System


def choose(request: Request, machine: Target) -> Choice:
    """What the resolver decides for that machine: by wheels, and only without them by compiling."""
    wheels = tuple(code for code in request.allow if code != resolve.SOURCE_BUILD)
    for allow in dict.fromkeys((wheels, request.allow)):
        choice = resolve.resolve(
            request.profiles, request.known, machine, variant=request.variant, allow=allow
        )
        if choice.feasible:
            break
    if choice.feasible and request.allow != allow:
        moot = "--build does nothing here: none of this has to be compiled"
        choice = replace(choice, reasons=(*choice.reasons, Reason("source-build", moot)))
    return profiles.combined(choice, request.known)


def assumed(request: Request, machine: Target) -> Plan:
    """The plan for an assumed machine: from the tables alone, nothing is read or asked."""
    choice = choose(request, machine)
    source = sources.expected(choice, request.index_url) if choice.feasible else None
    return Plan(choice, request.environment, request.tool, source)


def resolved(system: System, request: Request, machine: Target) -> Plan:
    """The same with every package that it would install: asks the indexes, reads nothing else."""
    return gathered(system, request, machine, lambda _: {})[0]


def gathered(
    system: System,
    request: Request,
    machine: Target,
    fetch: Callable[[Found], dict[str, str]],
) -> tuple[Plan, Found | None]:
    """The plan for another machine with every package, and where they come from.

    `fetch` gives the paths of wheels that have an address of their own, by that address; of those
    that it does not give, uv reads what it needs from afar.
    """
    request = patient.with_absolute_places(system, request)
    made = assumed(request, machine)
    if not made.choice.feasible:
        return made, None
    found = find(system, request, made.choice, pip_config.read(system))
    if isinstance(found, Choice):
        return replace(made, choice=found, source=None), None
    closed = closure.close(
        system,
        find_uv(system),
        manifest(found.requirements, found.source, machine.python),
        system.interpreter(),
        (),
        {
            **uv_installer.environment(found.pip, system.environ, request.find_links),
            **uv_installer.platform_environment(machine),
        },
        builds=found.builds,
        compiled=found.compiled,
        options=(*uv_installer.platform_options(machine), *found.index_options(system)),
        fetched=fetch(found),
    )
    packages = closure.changes(closed.packages, ())
    return replace(made, source=found.source, changes=packages, choice=found.choice), found


def fits(system: System, wishes: Sequence[Wish]) -> list[tuple[Profile, Plan]]:
    """What the profile of each wish would be on this machine, from the tables alone."""
    machine = look(system, Subject(environment=None, python=None, project=system.cwd()))
    own = interpreters.ask(system, system.interpreter())
    version = own.version if isinstance(own, interpreters.Interpreter) else Target().python
    facts = target.of_machine(machine, machine.environment.version or version)
    return [
        (wish.wanted[0], Plan(choose(Request(wish.wanted, wish.known), facts), ".venv"))
        for wish in wishes
    ]


@dataclass(frozen=True)
class Found:
    """Where everything comes from."""

    choice: Choice
    source: Source
    requirements: tuple[Requirement, ...]
    pip: PipConfig

    @property
    def builds(self) -> tuple[str, ...]:
        """The packages that may be built from source while they are resolved and installed."""
        return tuple(item.name for item in self.requirements if item.build)

    @property
    def compiled(self) -> tuple[Resolved, ...]:
        """The packages that are compiled when all others are there."""
        recipes = (item.compiled for item in self.requirements if item.compiled)
        return tuple(Resolved(recipe.name, recipe.version, "sdist") for recipe in recipes)

    def index_options(self, system: System) -> tuple[str, ...]:
        """What tells uv to ask no index; an index that the user names for torch is asked."""
        if self.source.url is not None:
            return ()
        return uv_installer.index_options(self.pip, system.environ)


def find(system: System, request: Request, choice: Choice, pip: PipConfig) -> Found | Choice:
    """Ask the places for the torch build; an infeasible choice when none has it.

    Where the PyTorch index cannot be reached, the default index's own build of the same torch is
    taken if it fits the machine as well, and the plan says so.
    """
    located = sources.locate(
        system, choice, pip, index_url=request.index_url, find_links=request.find_links
    )
    source = located.source
    if source is None and (other := _default_build(request, choice)):
        source = sources.locate(system, other, pip, find_links=request.find_links).source
        if source is not None:
            passed_over = Rejected(f"torch {choice.torch}+{choice.variant}", "no place offers it")
            choice = replace(other, rejected=(*other.rejected, passed_over))
    if source is None:
        return _nowhere(request, choice, located)
    requirements = tuple(
        replace(item, text=f"{item.name} @ {url}", url=url)
        if item.url and (url := mirrored(item.url, system.environ)) != item.url
        else item
        for item in choice.requirements
    )
    choice = replace(choice, rejected=(*choice.rejected, *located.asked))
    return Found(choice, source, requirements, _with_folders_there(system, pip))


def _with_folders_there(system: System, pip: PipConfig) -> PipConfig:
    """Without configured folders of wheels that are not there: pip passes over them, uv ends."""
    folders = {place: sources.links_folder(system, place) for place in pip.find_links}
    there = (place for place, at in folders.items() if at is None or is_folder(system, at))
    return replace(pip, find_links=tuple(there))


def _default_build(request: Request, choice: Choice) -> Choice | None:
    """The same stack with the build that the default index carries, if that one fits too.

    Never from the processor to CUDA or back: that is another stack, and gigabytes.
    """
    target = choice.target
    default = tables.pypi_default_variant(str(choice.torch), target.os, target.arch)
    if request.variant != "auto" or request.index_url is not None or default is None:
        return None
    if default == choice.variant or "cpu" in (default, choice.variant):
        return None
    stack = next(profile for profile in request.known if profile.name == choice.profiles[0])
    if stack.torch is None or default not in stack.torch.variants:
        return None
    other = resolve.resolve(
        [stack, *(profile for profile in request.profiles if profile.kind == "addon")],
        request.known,
        target,
        variant=default,
        allow=request.allow,
    )
    return profiles.combined(other, request.known) if other.feasible else None


def _nowhere(request: Request, choice: Choice, located: sources.Located) -> Choice:
    """A feasible choice whose torch build no place offers."""
    build = f"torch {choice.torch}+{choice.variant}"
    asked = [Reason("no-source", f"{place.candidate}: {place.reason}") for place in located.asked]
    text = f"no place that was asked offers {build}"
    spelled = {profile.name: profile.spelled for profile in request.known}
    flags = " ".join(f"--profile {spelled.get(name, name)}" for name in choice.profiles)
    way_out = (
        f"`llmdoctor install {flags} --find-links DIR`, where DIR holds a downloaded wheel of "
        f"{build}; or `--index-url URL` of an index that has it"
    )
    return replace(
        choice,
        feasible=False,
        reasons=(Reason("no-source", text), *asked),
        rejected=(*choice.rejected, *located.asked),
        alternatives=(Alternative(choice.profiles, way_out),),
    )


def find_uv(system: System) -> str:
    """The uv that came with llmdoctor, else the one on PATH (a distribution's package)."""
    from uv import find_uv_bin

    try:
        return find_uv_bin()
    except FileNotFoundError:
        found = system.which("uv")
        if found is None:
            raise CannotFinishError(
                "the uv program is missing from this installation of llmdoctor",
                next_command="python3 -m pip install --force-reinstall uv",
            ) from None
        return found
