"""PROJ: the project's manifest, and what it asks of Python."""

from __future__ import annotations

from llmdoctor.checks._facts import sentence
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._versions import allows
from llmdoctor.finding import Remedy


@check("PROJ001", cause=None, readers=("project",))
def manifest_unreadable(case: Case) -> Answer:
    """The project's manifest cannot be read.

    What: Reads pyproject.toml (or what else describes the project) as TOML.

    Why: No tool can install a project whose manifest it cannot read, and each words it its own
    way.

    Remedy: Correct the line that is named.

    Known problems: A manifest that is valid TOML can still be one that Poetry or uv refuses.
    """
    project = case.machine.project
    if project is None:
        return Skip("there is no project here")
    if project.problem is None:
        return None
    return finding(
        manifest_unreadable,
        sentence(project.problem),
        evidence=(project.problem,),
        where=project.root,
        remedy=Remedy(f"Correct {project.manifest or 'the manifest'} at the place named."),
    )


@check("PROJ002", cause="poetry-python-unsupported", readers=("environment", "project"))
def python_outside_project(case: Case) -> Answer:
    """Python is outside the range that the project allows.

    What: Compares the environment's Python with the project's own constraint.

    Why: Poetry stops with "Current Python version is not allowed by the project"; uv looks for
    another Python.

    Remedy: Make the project's environment with a Python in the range.

    Known problems: Poetry uses the active environment even when the project has one of its own.
    """
    project, version = case.machine.project, case.machine.environment.version
    if project is None or project.requires_python is None:
        return Skip("there is no project that states its Pythons")
    if version is None or case.machine.environment.kind not in ("venv", "conda"):
        return Skip("there is no environment whose Python is fixed")
    allowed = allows(project.requires_python, version)
    if allowed is None:
        return Skip(f"the constraint {project.requires_python!r} cannot be read")
    if allowed:
        return None
    command = ("poetry", "env", "use", "python3") if project.tool == "poetry" else ("uv", "sync")
    return finding(
        python_outside_project,
        f"The project allows Python {project.requires_python}; the environment has {version}.",
        evidence=(f"Python {version}", f"requires-python {project.requires_python}"),
        where=case.machine.environment.path,
        remedy=Remedy(
            f"Make the environment with a Python that {project.requires_python} allows.",
            "ask",
            (command,),
        ),
    )
