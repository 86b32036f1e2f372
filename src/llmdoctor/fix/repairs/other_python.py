"""PROJ002: a Python that the project does not allow gives way to another, with the same packages.

An environment cannot change its Python: its packages are files for one minor version. So the old
one is set aside, and one with a Python in the range is made in its place, with every package that
was there in the version that was there. Where one of them has no file for that Python, nothing is
done.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmdoctor import interpreters, pip_config
from llmdoctor.addresses import has_credentials
from llmdoctor.checks import allows
from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, in_a_venv, manual
from llmdoctor.install.plans import find_uv
from llmdoctor.installers import uv as uv_installer
from llmdoctor.interpreters import Interpreter
from llmdoctor.machine import MARK
from llmdoctor.plan import Run, SetAside, Write
from llmdoctor.probe.paths import join
from llmdoctor.redact import redact_text
from llmdoctor.rollback import inside

_PIN = re.compile(r"([\w.-]+)==(\S+)")
_SECONDS = 300.0


@in_a_venv
def rebuild(bench: Bench, found: Finding) -> Repair:
    """The environment anew, with the nearest Python that the project allows."""
    system, project, environment = bench.system, bench.machine.project, bench.machine.environment
    place, old = environment.path, environment.executable
    if project is None or project.requires_python is None or place is None or old is None:
        return manual(found)
    wanted = project.requires_python
    python = interpreters.in_range(
        system, environment.version or "", lambda version: bool(allows(wanted, version))
    )
    if python is None:
        return manual(found, f"no Python that torch has wheels for is in {wanted}")
    if isinstance(python, str):
        return _told(found, f"no Python in {wanted} is here", ("uv", "python", "install", python))
    if not inside(system, system.real_path(project.root), system.real_path(place)):
        why = f"{place} lies outside the project, and may be others' as well"
        if project.tool == "poetry":  # makes an environment beside it
            use = ("poetry", "env", "use", python.executable)
            return _told(found, why, use, ("poetry", "install"))
        return _told(found, why, ("uv", "venv", "--python", python.executable))
    if environment.system_site_packages:
        return manual(found, "it sees its base's packages, which another Python has not")
    listed = system.run((find_uv(system), "pip", "freeze", "--python", old), timeout=_SECONDS)
    if not listed.ok:
        return manual(found, f"what is in it cannot be listed: {listed.err.strip()[-300:]}")
    there = [line for line in listed.out.splitlines() if line and not line.startswith("#")]
    if any(map(has_credentials, there)):
        return manual(found, "a package came from an address with credentials")
    return _rebuilt(bench, found, python, there)


def _rebuilt(bench: Bench, found: Finding, python: Interpreter, there: Sequence[str]) -> Repair:
    system, environment = bench.system, bench.machine.environment
    place = environment.path
    assert place is not None
    uv, pip = find_uv(system), pip_config.read(system, (place,))
    env = uv_installer.environment(pip, system.environ)
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # the project's own build runs in the user's folder
    options = ("--only-binary", ":all:", *uv_installer.index_options(pip, system.environ))
    asked = f"{bench.scratch}/packages.in"
    system.write_bytes(asked, "\n".join([*there, ""]).encode())
    bench.say(f"resolving {len(there)} packages for Python {python.version}")
    done = system.run(
        (
            uv, "pip", "compile", asked, "--python", python.executable, "--no-header",
            "--no-annotate", "--quiet", *options,
        ),
        env=env, cwd=bench.scratch, timeout=_SECONDS,
    )  # fmt: skip
    if not done.ok:
        said = redact_text(done.err.strip() or done.problem or "", system.home())
        return manual(found, f"not every package is to be had for Python {python.version}: {said}")
    lines = [line for line in done.out.splitlines() if line and not line.startswith("#")]
    specs = [word for line in lines for word in _words(line)]
    new = [line for line in lines if _name(line) not in set(map(_name, there))]
    install = (
        uv, "pip", "install", "--python", join(system, place, "bin", "python"), "--no-deps",
        "--project", place, *options, *specs,
    )  # fmt: skip
    seed = ("--seed",) if environment.package("pip") else ()
    make = (uv, "venv", "--python", python.executable, "--no-project", *seed, place)
    steps = (
        SetAside(f"set {place} aside", place, f"{place}.llmdoctor-{bench.run}"),
        Run(f"make it with Python {python.version}", make, env, _SECONDS, place),
        Write("mark the environment as this run's", f"{place}/{MARK}", f"{bench.run}\n"),
        *((Run(f"install {len(lines)} packages", install, env),) if lines else ()),
    )
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


def _told(found: Finding, why: str, *commands: tuple[str, ...]) -> Repair:
    assert found.remedy is not None
    return Repair(
        found.key, found.code, "manual", found.remedy.summary, details=(why,), commands=commands
    )


def _words(line: str) -> tuple[str, ...]:
    """One line of a list of requirements as arguments."""
    return ("--editable", line[3:].strip()) if line.startswith("-e ") else (line,)


def _name(line: str) -> str:
    match = _PIN.match(line)
    return match[1].lower() if match else line
