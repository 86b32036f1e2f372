"""PROJ002: a Python that the project does not allow gives way to another, with the same packages.

An environment cannot change its Python: its packages are files for one minor version. So the old
one is set aside, and one with a Python in the range is made in its place, with every package that
was there in the version that was there. Where one of them has no file for that Python, nothing is
done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmdoctor import interpreters, pip_config, sources
from llmdoctor.addresses import has_credentials
from llmdoctor.checks import allows
from llmdoctor.errors import CannotFinishError
from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.install.plans import find_uv
from llmdoctor.installers import manifest
from llmdoctor.installers import uv as uv_installer
from llmdoctor.interpreters import Interpreter
from llmdoctor.machine import MARK
from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Choice, Requirement, Run, SetAside, Source, Step, Write
from llmdoctor.probe.paths import join
from llmdoctor.redact import redact_text
from llmdoctor.rollback import inside
from llmdoctor.target import of_machine

_PIN = re.compile(r"([\w.-]+)==(\S+)")
_BUILD = re.compile(r"torch==([^+\s]+)\+(\S+)")
_SECONDS = 300.0


def rebuild(bench: Bench, found: Finding) -> Repair:
    """The environment anew, with the nearest Python that the project allows."""
    system, project, environment = bench.system, bench.machine.project, bench.machine.environment
    if project is None or project.requires_python is None or environment.path is None:
        return manual(found)
    wanted = project.requires_python
    python = interpreters.in_range(
        system, environment.version or "", lambda version: bool(allows(wanted, version))
    )
    if python is None:
        why = f"no Python that torch has wheels for is in {wanted}"
        return manual(found, why, (("uv", "python", "list"),))
    if isinstance(python, str):
        why = f"no Python in {wanted} is here"
        return manual(found, why, (("uv", "python", "install", python),))
    made = _rebuilt(bench, found, python)
    return made if isinstance(made, Repair) else manual(found, made, _by_hand(bench, python))


def _rebuilt(bench: Bench, found: Finding, python: Interpreter) -> Repair | str:
    """How it is made anew; or why it is not."""
    system, environment = bench.system, bench.machine.environment
    place = environment.path
    assert place is not None
    if environment.kind != "venv":
        return f"a {environment.kind} environment is left to its own tools"
    if not _in_project(bench):
        return f"{place} lies outside the project, and may be others' as well"
    if environment.system_site_packages:
        return "it sees its base's packages, which another Python has not"
    uv, old = find_uv(system), environment.executable or join(system, place, "bin", "python")
    listed = system.run((uv, "pip", "freeze", "--python", old), timeout=_SECONDS)
    if not listed.ok:
        return f"what is in it cannot be listed: {listed.err.strip()[-300:]}"
    there = _lines(listed.out)
    if any(map(has_credentials, there)):
        return "a package came from an address with credentials"
    pip = pip_config.read(system, (place,))
    source = _torch(bench, python, there, pip)
    if isinstance(source, str):
        return source
    bench.say(f"resolving {len(there)} packages for Python {python.version}")
    env = uv_installer.environment(pip, system.environ)
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # the project's own build runs in the user's folder
    options = ("--only-binary", ":all:", *uv_installer.index_options(pip, system.environ))
    done = system.run(
        (
            uv, "pip", "compile", *_asked(bench, python, there, source), "--python",
            python.executable, "--no-header", "--no-annotate", "--quiet", *options,
        ),
        env=env, cwd=bench.scratch, timeout=_SECONDS,
    )  # fmt: skip
    if not done.ok:
        said = redact_text(done.err.strip() or done.problem or "", system.home())
        return f"not every package is to be had for Python {python.version}: {said}"
    lines = _lines(done.out)
    new = [line for line in lines if _name(line) not in set(map(_name, there))]
    install = (
        uv, "pip", "install", "--python", join(system, place, "bin", "python"), "--no-deps",
        "--project", place, *options,
    )  # fmt: skip
    seed = ("--seed",) if environment.package("pip") else ()
    make = (uv, "venv", "--python", python.executable, "--no-project", *seed, place)
    steps: tuple[Step, ...] = (
        SetAside(f"set {place} aside", place, f"{place}.llmdoctor-{bench.run}"),
        Run(f"make it with Python {python.version}", make, env, _SECONDS, place),
        Write("mark the environment as this run's", f"{place}/{MARK}", f"{bench.run}\n"),
    )
    for some, variables in _by_index(lines, source, env):
        words = [word for line in some for word in _words(line)]
        steps += (Run(f"install {len(some)} packages", (*install, *words), variables),)
    return Repair(
        found.key,
        found.code,
        "ask",
        f"Make the environment anew with {python.executable} (Python {python.version}), "
        "with everything that is in it, in the same versions.",
        steps,
        inside=True,
        details=tuple(f"new, for this Python: {line}" for line in new),
    )


def _torch(
    bench: Bench, python: Interpreter, there: Sequence[str], pip: PipConfig
) -> Source | str | None:
    """Where the torch build that is there is had for a Python, found as an install does.

    None where it is a package like any other; in words why it is not to be had.
    """
    build = next(filter(None, map(_BUILD.fullmatch, there)), None)
    if build is None:
        return None
    version, variant = build.groups()
    target = of_machine(bench.machine, python.version)
    choice = Choice((), target, feasible=True, torch=version, variant=variant)
    try:
        located = sources.locate(bench.system, choice, pip)
    except CannotFinishError as error:
        return error.message
    if located.source is not None and located.source.pin == f"{version}+{variant}":
        return located.source
    said = [f"{place.candidate}: {place.reason}" for place in located.asked]
    if pip.no_index:
        said.append("the PyTorch index was not asked, since pip is configured with no-index")
    return (
        f"torch {version}+{variant} is not to be had for Python {python.version}: "
        f"{'; '.join(said) or 'no place is known for it'}"
    )


def _asked(
    bench: Bench, python: Interpreter, there: Sequence[str], source: Source | None
) -> tuple[str, ...]:
    """The files that ask for the packages, those of the PyTorch index from there alone."""
    apart = [line for line in there if _of_torch(line, source)]
    rest = [line for line in there if line not in apart]
    files = {"packages.in": "\n".join([*rest, ""])}
    if source is not None and apart:
        asked = [Requirement(_name(line), line, "torch") for line in apart]
        files["pyproject.toml"] = manifest(asked, source, python.minor)
    for name, text in files.items():
        bench.system.write_bytes(join(bench.system, bench.scratch, name), text.encode())
    return tuple(files)


def _by_index(
    lines: Sequence[str], source: Source | None, env: dict[str, str | None]
) -> Iterator[tuple[list[str], dict[str, str | None]]]:
    """The packages that are installed together, with the variables that name their index."""
    apart = [line for line in lines if _of_torch(line, source)]
    rest = [line for line in lines if line not in apart]
    if source is not None and apart:
        alone = dict.fromkeys(("UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_INDEX_URL"))
        yield apart, {**env, **alone, "UV_DEFAULT_INDEX": source.url}
    if rest:
        yield rest, env


def _of_torch(line: str, source: Source | None) -> bool:
    """Whether a package is of the PyTorch index: built for the variant of torch, or its triton."""
    if source is None or source.url is None:
        return False
    variant = source.pin.partition("+")[2]
    return line.endswith(f"+{variant}") or line.startswith("pytorch-triton")


def _in_project(bench: Bench) -> bool:
    system, project, place = bench.system, bench.machine.project, bench.machine.environment.path
    assert project is not None
    assert place is not None
    return inside(system, system.real_path(project.root), system.real_path(place))


def _by_hand(bench: Bench, python: Interpreter) -> tuple[tuple[str, ...], ...]:
    """What makes such an environment in the words of the tool whose it is.

    uv asks before it replaces one; conda's is made beside the old one.
    """
    system, project, environment = bench.system, bench.machine.project, bench.machine.environment
    assert project is not None
    if environment.kind == "conda":
        beside = f"{environment.path}-{python.minor}"
        return (("conda", "create", "--prefix", beside, f"python={python.minor}"),)
    if project.tool == "poetry":
        here = system.real_path(project.root) == system.real_path(system.cwd())
        poetry = ("poetry",) if here else ("poetry", "--directory", project.root)
        return (*poetry, "env", "use", python.executable), (*poetry, "install")
    place = environment.path if _in_project(bench) else join(system, project.root, ".venv")
    return (("uv", "venv", "--python", python.executable, str(place)),)


def _lines(listed: str) -> list[str]:
    return [line for line in listed.splitlines() if line and not line.startswith("#")]


def _words(line: str) -> tuple[str, ...]:
    """One line of a list of requirements as arguments."""
    return ("--editable", line[3:].strip()) if line.startswith("-e ") else (line,)


def _name(line: str) -> str:
    match = _PIN.match(line)
    return match[1].lower() if match else line
