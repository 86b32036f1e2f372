"""See that an environment holds what was meant: an installer's exit code proves nothing.

After a failed install phase uv leaves a complete-looking dist-info of the package that failed, so
every file of every RECORD is looked for, and modules are imported in the environment itself.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmdoctor.closure import is_there
from llmdoctor.installers import CLEARED
from llmdoctor.machine import Environment
from llmdoctor.plan import Verify
from llmdoctor.probe import look_at_environment
from llmdoctor.probe.record import parse_record
from llmdoctor.system import System

IMPORTER = Path(__file__).parent / "inside" / "imports.py"
_SECONDS = 300.0


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be; `module` is what cannot be imported."""

    text: str
    module: str | None = None


def problems(system: System, step: Verify, *, bytecode: bool = False) -> tuple[Problem, ...]:
    """What is not as it should be; empty when all is well.

    `bytecode`: what Python compiles of the modules stays in the environment. It is most of the cost
    of a first import, and uv leaves it to that.
    """
    environment = look_at_environment(system, step.path)
    if environment.problem or environment.executable is None:
        return (Problem(f"{step.path}: {environment.problem or 'has no interpreter'}"),)
    files = (text for _, text in _bad_packages(system, environment, step.expect))
    found = tuple(Problem(text) for text in (*_versions(environment, step), *files))
    return found or imports(system, environment.executable, step.imports, bytecode=bytecode)


def damaged(
    system: System, environment: Environment, names: Collection[str], variant: str | None = None
) -> frozenset[str]:
    """Those of the packages `names` that have to be installed anew although they are there.

    Files of their RECORD are missing or cut short, or torch is broken, or it is another build than
    `variant`. Nothing is imported. What `problems` would refuse, this names beforehand.
    """
    found = {name for name, _ in _bad_packages(system, environment, names)}
    if "torch" in names and environment.package("torch") and _torch_problem(environment, variant):
        found.add("torch")
    return frozenset(found)


def _versions(environment: Environment, step: Verify) -> list[str]:
    found = []
    for name, version in step.expect.items():
        package = environment.package(name)
        if package is None:
            found.append(f"{name} {version} is not there")
        elif not is_there(package, version, step.wheels.get(name)):
            whence = f" from {package.origin}" if package.origin else ""
            found.append(f"{name} is {package.version}{whence}, {version} was meant")
    problem = _torch_problem(environment, step.variant)
    if problem and ("torch" in step.expect or step.variant):
        found.append(problem)
    return found


def _torch_problem(environment: Environment, variant: str | None) -> str | None:
    torch = environment.torch
    if torch is None or torch.problem:
        return f"torch is broken: {torch.problem if torch else 'it is not there'}"
    if variant and torch.variant != variant:
        return f"torch is the {torch.variant} build, {variant} was meant"
    return None


def _bad_packages(
    system: System, environment: Environment, names: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Packages whose RECORD lists files that are missing or have another length: name and text."""
    for site in environment.site_packages:
        for folder in system.names(site) or ():
            name = folder.split("-")[0].lower().replace("_", "-").replace(".", "-")
            if folder.endswith(".dist-info") and name in names:
                record = system.read_text(f"{site}/{folder}/RECORD")
                if record is None:
                    yield name, f"{name} has no RECORD"
                elif bad := _bad_files(system, site, record):
                    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
                    yield name, f"{name}: {bad[0]}{more} of its files are missing or cut short"


def _bad_files(system: System, site: str, record: str) -> list[str]:
    bad = []
    try:
        rows = parse_record(record)
    except csv.Error:  # what a power cut leaves: zeros, or a quote that nothing ends
        return ["RECORD"]
    for row in rows:
        size = system.size(row.path if row.path.startswith("/") else f"{site}/{row.path}")
        if size is None or row.size not in ("", str(size)):
            bad.append(row.path)
    return bad


def imports(
    system: System, python: str, modules: Sequence[str], *, bytecode: bool = False
) -> tuple[Problem, ...]:
    """Modules that cannot be imported by that interpreter, and why.

    One child imports them all, since each would import torch anew; one that ends the child, as a
    library can that crashes, hides none of those behind it.
    """
    found = []
    left = list(modules)
    while left:
        seconds = _SECONDS * len(left)
        isolated = ("-I",) if bytecode else ("-I", "-B")
        argv = (python, *isolated, str(IMPORTER), *left)
        done = system.run(argv, env=CLEARED, timeout=seconds)
        answers = _answers(done.out)
        for module in left:
            answer = answers.get(module)
            if answer is not None and answer["outcome"] != "ok":
                said = f"import {module}: {answer['error']}: {answer['message']}"
                found.append(Problem(said, module))
        silent = [module for module in left if module not in answers]
        if silent:
            why = done.problem or f"exit code {done.code}"
            said = f"import {silent[0]}: {why}: {done.err.strip()[-300:]}"
            found.append(Problem(said, silent[0]))
        left = silent[1:]
    return tuple(found)


def _answers(out: str) -> dict[str, dict[str, object]]:
    """The importer's own lines by module: what is imported may print too, before and after them."""
    found = {}
    for line in out.splitlines():
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(answer, dict) and answer.keys() == {"module", "outcome", "error", "message"}:
            found[str(answer["module"])] = answer
    return found
