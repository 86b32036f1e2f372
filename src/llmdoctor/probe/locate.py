"""Which environment is the patient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from llmdoctor.machine import Project
from llmdoctor.probe.paths import absolute, is_windows, join, parent
from llmdoctor.system import System


@dataclass(frozen=True)
class Subject:
    """What the user asked about: `--env`, `--python`, and the project's folder."""

    environment: str | None = None
    python: str | None = None
    project: str = "."


class Place(NamedTuple):
    """An environment's folder, or (`executable`) the interpreter that was named instead."""

    path: str
    executable: str | None = None


def locate(system: System, subject: Subject, project: Project | None) -> Place:
    """Follow `--env`, `--python`, the project's own environment, the activated one.

    Nothing of these: the place where the project's environment would be made. An activated
    environment comes last, as the project's tools would not use it either; it is in `variables`.
    """
    if subject.environment:
        return Place(absolute(system, subject.environment))
    if subject.python:
        return _of_python(system, subject.python)
    folder = absolute(system, subject.project)
    dot_venv = join(system, folder, ".venv")
    if project and project.tool == "poetry":
        from llmdoctor.probe.poetry_env import poetry_environment

        own = poetry_environment(system, folder)
        if own:
            return Place(own)
    if system.exists(dot_venv):
        return Place(dot_venv)
    activated = system.environ.get("VIRTUAL_ENV") or system.environ.get("CONDA_PREFIX")
    return Place(activated or dot_venv)


def environment_of(system: System, executable: str) -> str | None:
    """The venv or conda environment whose interpreter this is, told by files alone, else None.

    A venv's python is a link to its base: the link must not be followed.
    """
    folder = parent(system, executable)
    for candidate in (parent(system, folder), folder):
        for mark in ("pyvenv.cfg", "conda-meta"):
            if system.exists(join(system, candidate, mark)):
                return candidate
    return None


def _of_python(system: System, python: str) -> Place:
    named = "/" in python or (is_windows(system) and "\\" in python)
    here = absolute(system, python)
    found = here if named else system.which(python)
    if found is None:  # a file of this folder is told as what it is
        found = here if system.kind(here) == "file" else None
    if found is None:
        return Place(python, python)
    return Place(environment_of(system, found) or found, found)
