"""See that an environment holds what was meant: an installer's exit code proves nothing.

After a failed install phase uv leaves a complete-looking dist-info of the package that failed, so
every file of every RECORD is looked for, and modules are imported in the environment itself.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from llmdoctor.closure import same_version
from llmdoctor.installers import CLEARED
from llmdoctor.machine import Environment
from llmdoctor.plan import Verify
from llmdoctor.probe import Subject, look
from llmdoctor.system import System

IMPORTER = Path(__file__).parent / "inside" / "imports.py"
_SECONDS = 300.0


def problems(system: System, step: Verify) -> tuple[str, ...]:
    """What is not as it should be, in words; empty when all is well."""
    subject = Subject(environment=step.path, python=None, project=system.cwd())
    environment = look(system, subject).environment
    if environment.problem or environment.executable is None:
        return (f"  {step.path}: {environment.problem or 'has no interpreter'}",)
    found = [*_versions(environment, step), *_files(system, environment, sorted(step.expect))]
    if not found:
        found += imports(system, environment.executable, step.imports)
    return tuple(f"  {problem}" for problem in found)


def _versions(environment: Environment, step: Verify) -> list[str]:
    found = []
    for name, version in step.expect.items():
        package = environment.package(name)
        if package is None:
            found.append(f"{name} {version} is not there")
        elif not same_version(package.version, version):
            found.append(f"{name} is {package.version}, {version} was meant")
    torch = environment.torch
    if "torch" in step.expect or step.variant:
        if torch is None or torch.problem:
            found.append(f"torch is broken: {torch.problem if torch else 'it is not there'}")
        elif step.variant and torch.variant != step.variant:
            found.append(f"torch is the {torch.variant} build, {step.variant} was meant")
    return found


def _files(system: System, environment: Environment, names: Sequence[str]) -> list[str]:
    """Packages whose RECORD lists files that are missing or have another length."""
    found = []
    wanted = set(names)
    for site in environment.site_packages:
        for folder in system.names(site) or ():
            name = folder.split("-")[0].lower().replace("_", "-").replace(".", "-")
            if folder.endswith(".dist-info") and name in wanted:
                record = system.read_text(f"{site}/{folder}/RECORD")
                if record is None:
                    found.append(f"{name} has no RECORD")
                elif bad := _bad_files(system, site, record):
                    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
                    found.append(f"{name}: {bad[0]}{more} of its files are missing or cut short")
    return found


def _bad_files(system: System, site: str, record: str) -> list[str]:
    bad = []
    for row in csv.reader(record.splitlines()):
        if len(row) < 3 or row[0].endswith(".pyc"):
            continue
        size = system.size(row[0] if row[0].startswith("/") else f"{site}/{row[0]}")
        if size is None or (row[2] and str(size) != row[2]):
            bad.append(row[0])
    return bad


def imports(system: System, python: str, modules: Sequence[str]) -> list[str]:
    """Modules that cannot be imported by that interpreter, and why."""
    found = []
    for module in modules:  # one child each: a library that crashes must not hide the others
        done = system.run(
            (python, "-I", "-B", str(IMPORTER), module), env=CLEARED, timeout=_SECONDS
        )
        answer = _answer(done.out)
        if answer is None:
            why = done.problem or f"exit code {done.code}"
            found.append(f"import {module}: {why}: {done.err.strip()[-300:]}")
        elif answer["outcome"] != "ok":
            found.append(f"import {module}: {answer['error']}: {answer['message']}")
    return found


def _answer(out: str) -> dict[str, object] | None:
    """The importer's own line: what is imported may print too, before it and after it."""
    for line in reversed(out.splitlines()):
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(answer, dict) and answer.keys() == {"outcome", "error", "message"}:
            return answer
    return None
