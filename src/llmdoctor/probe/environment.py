"""The patient: a Python environment seen from outside, by its files."""

from __future__ import annotations

import re
from dataclasses import replace

from llmdoctor.machine import MARK, Environment, Package, minor_of
from llmdoctor.probe import interpreter
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.intruders import read_intruders
from llmdoctor.probe.launchers import site_folders
from llmdoctor.probe.locate import Place, environment_of
from llmdoctor.probe.packages import read_packages
from llmdoctor.probe.paths import is_windows, join, name_of, parent
from llmdoctor.probe.torch_build import read_torch
from llmdoctor.system import System

_CONDA_PYTHON = r"python-(\d+\.\d+(?:\.\d+)?)[^-]*-[^-]+\.json"
_RUN = re.compile(r"\d{14}-\d+")  # `journal.new_id`
_MINOR = re.compile(r"python(3\.\d+t?)")  # t: free-threaded
_ACTIVATE = re.compile(r"""^\s*(?:export )?VIRTUAL_ENV=(["']?)(/[^"'\\\n]*)\1\s*$""", re.MULTILINE)


def read_environment(system: System, place: Place, guard: Guard) -> Environment:
    """Describe the environment, its packages and its torch."""
    unknown = Environment("broken", place.path, place.executable, problem="it could not be read")
    found = guard(unknown, _environment, system, place)
    if not found.site_packages:
        return found
    own = found.path if found.kind == "venv" else None
    installed = read_packages(system, found.site_packages, guard, own)
    torch_package = _first(installed.packages, "torch")
    torch = guard(None, read_torch, system, found.site_packages, torch_package, found.version)
    intruders = read_intruders(system, found, guard.named("files"))
    return replace(
        found,
        packages=installed.packages,
        leftovers=installed.leftovers,
        torch=torch,
        cut_off=guard(None, _cut_off, system, place.path),
        **intruders._asdict(),
    )


def _cut_off(system: System, path: str) -> str | None:
    """The run whose mark the environment carries, when its journal has no end."""
    if MARK not in (system.names(path) or ()):
        return None
    run = (system.read_text(join(system, path, MARK), 100) or "").strip()
    if not _RUN.fullmatch(run):
        return None
    journal = system.read_text(join(system, system.state_dir(), "runs", run, "journal.jsonl"))
    return run if journal and '{"type": "end"' not in journal else None


def parse_pyvenv_cfg(text: str) -> dict[str, str]:
    """The `key = value` lines of pyvenv.cfg, keys in lower case."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, equals, value in pairs if equals}


def parse_activate(text: str) -> str | None:
    """The folder that an activate script was written for; None where it works that out itself."""
    match = _ACTIVATE.search(text)
    return match[2] if match else None


def _environment(system: System, place: Place) -> Environment:
    path = place.path
    if place.executable == path:
        return _interpreter(system, path)
    names = system.names(path)
    if names is None and system.kind(path) is not None:
        return Environment("broken", path, problem="not a Python environment: not a folder")
    if not names:
        return Environment("missing", path)
    if "pyvenv.cfg" in names:
        return _venv(system, place)
    if "conda-meta" in names:
        return _conda(system, path)
    python = _python_in(system, path)
    if python and _is_venv_shaped(system, path):
        problem = (
            "pyvenv.cfg is missing: its python takes itself for the base interpreter, and pip run "
            "with it would change that one"
        )
        return _with_sites(system, Environment("broken", path, python, problem=problem), None)
    if python:
        return _interpreter(system, python)
    problem = "not a Python environment: neither pyvenv.cfg nor conda-meta nor a python is in it"
    return Environment("broken", path, problem=problem)


def _venv(system: System, place: Place) -> Environment:
    path = place.path
    cfg = parse_pyvenv_cfg(system.read_text(join(system, path, "pyvenv.cfg")) or "")
    home = cfg.get("home") or None
    python = _python_in(system, path)
    version = _version(cfg.get("version") or cfg.get("version_info"))
    minor = _running_minor(system, python) or (version and minor_of(version))
    if minor and _is_free_threaded(system, path, minor):
        minor += "t"
    if version and minor == f"{minor_of(version)}t":
        version += "t"
    if version is None or (minor and minor != minor_of(version)):
        version = minor
    environment = Environment(
        kind="venv",
        path=path,
        executable=python,
        version=version,
        base=home,
        system_site_packages=cfg.get("include-system-site-packages", "").lower() == "true",
    )
    environment = _with_sites(system, environment, minor)
    if problem := _venv_problem(system, path, python, home, minor):
        return replace(environment, kind="broken", problem=problem)
    if place.executable or environment.version is None:
        answer = interpreter.ask(system, place.executable or python or "")
        if answer.problem:
            return replace(environment, kind="broken", problem=answer.problem)
        environment = replace(environment, version=answer.version)
    return replace(environment, problem=_moved(system, path))


def _venv_problem(
    system: System, path: str, python: str | None, home: str | None, minor: str | None
) -> str | None:
    """What keeps the environment's own python from being its python."""
    if python is None:
        return "it has no python"
    if not system.exists(python):
        gone = system.real_path(python)
        return f"its base interpreter {gone} does not exist any more"
    if home is None:
        return "pyvenv.cfg does not say where the base interpreter is (no `home` line)"
    base = join(system, home, "python.exe")
    if is_windows(system) and not system.exists(base):
        return f"its base interpreter {base} does not exist any more"
    folders = _minors(system, path)
    if minor and folders and minor not in folders:
        return f"its python is now {minor}, and its packages are in lib/python{folders[-1]}"
    return None


def _moved(system: System, path: str) -> str | None:
    """Where the scripts in bin/ still point to, if the folder was moved or copied."""
    text = system.read_text(join(system, path, "bin", "activate"), 8192)
    old = parse_activate(text) if text else None
    if old is None or system.real_path(old) == system.real_path(path):
        return None
    return f"it was made at {old}, and moved or copied: its scripts start the python of that place"


def _conda(system: System, path: str) -> Environment:
    names = system.names(join(system, path, "conda-meta")) or ()
    found = [match[1] for match in map(re.compile(_CONDA_PYTHON).fullmatch, names) if match]
    version = found[0] if found else None
    minor = minor_of(version) if version else None
    if version and minor and _is_free_threaded(system, path, minor):
        version, minor = f"{version}t", f"{minor}t"
    environment = Environment("conda", path, _python_in(system, path), version)
    return _with_sites(system, environment, minor)


def _interpreter(system: System, executable: str) -> Environment:
    """An interpreter that belongs to no environment, or does not lie in the one it belongs to."""
    answer = interpreter.ask(system, executable)
    if answer.problem:
        return Environment("broken", executable, executable, problem=answer.problem)
    real = answer.executable or executable
    if real != executable and (own := environment_of(system, real)):  # a shim that starts a venv's
        return _environment(system, Place(own, real))
    marker = join(system, answer.stdlib or "", "EXTERNALLY-MANAGED")
    return Environment(
        kind="system",
        path=answer.prefix,
        executable=real,
        version=answer.version,
        base=parent(system, real),
        site_packages=tuple(s for s in answer.site_packages if system.exists(s)),
        externally_managed=system.exists(marker),
    )


def _with_sites(system: System, environment: Environment, minor: str | None) -> Environment:
    folders = site_folders(system, environment.path or "", minor)
    if environment.system_site_packages and environment.base:
        # In the order of sys.path: the environment's, the user's, the base interpreter's.
        if not is_windows(system) and not system.environ.get("PYTHONNOUSERSITE"):
            folders += site_folders(system, join(system, system.home(), ".local"), minor)
        base = environment.base if is_windows(system) else parent(system, environment.base)
        folders += site_folders(system, base, minor)
    return replace(environment, site_packages=tuple(dict.fromkeys(folders)))


def _python_in(system: System, path: str) -> str | None:
    """The python of that folder, also where it is a link to nothing."""
    windows = (("Scripts", "python.exe"), ("python.exe",))
    posix = (("bin", "python"), ("bin", "python3"))
    for parts in windows if is_windows(system) else posix:
        candidate = join(system, path, *parts)
        if system.kind(candidate) is not None:
            return candidate
    return None


def _running_minor(system: System, python: str | None) -> str | None:
    """The minor version in the name of the base interpreter that bin/python leads to."""
    if python is None or is_windows(system):
        return None
    match = _MINOR.fullmatch(name_of(system, system.real_path(python)))
    return match[1] if match else None


def _minors(system: System, path: str) -> list[str]:
    found = map(_MINOR.fullmatch, system.names(join(system, path, "lib")) or ())
    return [match[1] for match in found if match]


def _is_free_threaded(system: System, path: str, minor: str) -> bool:
    """By the name of its library folder: neither pyvenv.cfg nor every link says it."""
    folders = _minors(system, path)
    return minor not in folders and f"{minor}t" in folders


def _is_venv_shaped(system: System, path: str) -> bool:
    """Whether it has a site-packages but no standard library: a venv without its pyvenv.cfg."""
    if is_windows(system):
        lib = join(system, path, "Lib")
        return system.exists(join(system, lib, "site-packages")) and not system.exists(
            join(system, lib, "os.py")
        )
    libs = [join(system, path, "lib", f"python{minor}") for minor in _minors(system, path)]
    return any(system.exists(join(system, lib, "site-packages")) for lib in libs) and not any(
        system.exists(join(system, lib, "os.py")) for lib in libs
    )


def _version(text: str | None) -> str | None:
    match = re.match(r"\d+\.\d+(?:\.\d+)?", text or "")
    return match[0] if match else None


def _first(packages: tuple[Package, ...], name: str) -> Package | None:
    return next((package for package in packages if package.name == name), None)
