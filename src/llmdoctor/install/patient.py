"""The environment that is asked about: where it is, whether it may be changed, and its Python."""

from __future__ import annotations

import itertools
import shlex
from dataclasses import replace

from llmdoctor import interpreters, resolve, sources
from llmdoctor.errors import CannotFinishError, UsageError
from llmdoctor.install.request import Request
from llmdoctor.machine import SPARE_ENVIRONMENT, Environment, minor_of
from llmdoctor.probe import paths
from llmdoctor.probe.poetry_env import poetry_environment
from llmdoctor.probe.project import read_project
from llmdoctor.system import System


def absolute(system: System, path: str) -> str:
    """The environment's own path: a link is followed, so that a rename moves the real folder."""
    return system.real_path(paths.absolute(system, path))


def usual_environment(system: System, project: str, installer: str) -> str:
    """The environment that is meant where none is named: the one that the project's tool uses.

    For uv and pip `.venv` in the project; Poetry may be set to keep its environments elsewhere.

    Raises:
        UsageError: there is no such project.
    """
    folder = paths.absolute(system, project)
    if system.names(folder) is None:
        raise UsageError(f"--project {project}: there is no such folder")
    own = str(system.flavour(folder, ".venv"))
    if installer in ("auto", "poetry"):
        found = read_project(system, folder)
        if found is not None and found.tool == "poetry":
            own = poetry_environment(system, folder) or own
    return ".venv" if own == paths.absolute(system, ".venv") else own


def with_absolute_places(system: System, request: Request) -> Request:
    """The request with folders of wheels that mean the same wherever an installer runs.

    Raises:
        UsageError: one of them is not there, or is no folder.
    """
    places = tuple(paths.absolute_place(system, place) for place in request.find_links)
    for place in places:
        folder = sources.links_folder(system, place)
        if folder is not None and (why := paths.why_no_folder(system, folder)):
            raise UsageError(f"--find-links names a folder or a page of wheels, and {why}")
    return replace(request, find_links=places)


def own_prefix(system: System) -> str:
    """The environment that the doctor runs in."""
    return str(system.flavour(system.interpreter()).parent.parent)


def prefixes(system: System, there: Environment) -> tuple[str, ...]:
    """Environments whose own pip configuration counts: the doctor's and the target's."""
    own = own_prefix(system)
    return tuple(dict.fromkeys([own, *([there.path] if there.path else [])]))


def python_in(system: System, environment: str) -> str:
    """Where the interpreter of a virtual environment lies."""
    parts = ("Scripts", "python.exe") if system.uname().system == "windows" else ("bin", "python")
    return str(system.flavour(environment, *parts))


def usable(system: System, environment: Environment, path: str, request: Request) -> Environment:
    """The environment, if it is one that may be changed or nothing at all.

    Raises:
        UsageError: it may not; with the command that works instead.
    """
    if request.fresh and path == system.real_path(own_prefix(system)):
        raise UsageError(
            f"llmdoctor itself runs in {path}; building that anew would take it away",
            next_command=request.again("--env", new_place(system)),
        )
    problem = environment.problem
    if environment.kind == "missing" and system.is_mount(path):
        raise UsageError(
            f"{path} is an empty mount point: what is made there could not be taken away again",
            next_command=shlex.join(["python3", "-m", "venv", path]),
        )
    if environment.kind == "venv" and system.is_mount(path) and not request.in_place:
        raise UsageError(
            f"{path} is a mount point: it cannot be renamed, so no copy of it could take its place",
            next_command=request.again("--in-place"),
        )
    if environment.kind == "missing" and request.in_place:
        raise UsageError(
            f"there is no environment in {path} that could be changed in place",
            next_command=replace(request, in_place=False).again(),
        )
    if environment.kind == "missing" or (
        environment.kind == "venv" and (request.fresh or not problem)
    ):
        return environment
    if environment.kind == "conda" and request.in_place and not problem:
        return environment
    if environment.kind in ("venv", "broken"):
        if request.fresh and not environment.is_none:
            return environment
        way_out = [new_place(system)] if environment.is_none else [path, "--fresh"]
        moved = replace(request, in_place=False)
        raise UsageError(f"{path}: {problem}", next_command=moved.again("--env", *way_out))
    asked = "without --in-place " if environment.kind == "conda" else ""
    raise UsageError(
        f"{path} is a {environment.kind} environment; {asked}llmdoctor changes "
        "virtual environments only",
        next_command=request.again("--env", new_place(system)),
    )


def new_place(system: System) -> str:
    """Where an environment can be made: a name in this folder that nothing has yet."""
    counted = (f"{SPARE_ENVIRONMENT}-{number}" for number in itertools.count(2))
    names = itertools.chain((".venv", SPARE_ENVIRONMENT), counted)
    return next(name for name in names if system.kind(name) is None)


def interpreter(system: System, request: Request, there: Environment) -> interpreters.Interpreter:
    """The Python of the environment, or the one that a new environment is made from.

    Raises:
        UsageError: `--python` names another than the environment's, or one that does not start.
        CannotFinishError: it does not start, or none in the profiles' range was found.
    """
    python = request.python
    if python is not None and paths.is_path(system, python):
        python = paths.absolute(system, python)
    if there.kind in ("venv", "conda") and not request.fresh:
        if there.executable is None or there.version is None:
            raise CannotFinishError(f"{there.path}: the version of its Python is not known")
        minor = minor_of(there.version)
        if python is not None and python not in (minor, there.executable):
            raise UsageError(
                f"{there.path} has Python {there.version}; --python {python} needs a new "
                "environment",
                next_command=request.again("--fresh", "--python", python),
            )
        found = interpreters.ask(system, there.executable)
        if isinstance(found, str):
            raise CannotFinishError(
                f"{there.executable} does not start: {found}",
                next_command=request.again("--fresh"),
            )
        return found
    spec = resolve.python_range(request.profiles, request.known)
    return interpreters.choose(system, python, spec)
