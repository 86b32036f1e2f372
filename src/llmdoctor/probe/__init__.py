"""One look at one machine. Nothing is changed, nothing is fetched, and no sick patient ends it.

Each reader runs behind a `Guard`: what it could not look at becomes a `Note` under the name of its
field of `Machine`, and the facts that it did find stay.
"""

from __future__ import annotations

from dataclasses import replace

from llmdoctor.machine import Cpu, Cuda, Environment, Host, Machine, Memory, Note, Nvidia
from llmdoctor.probe.compilers import read_compilers
from llmdoctor.probe.cpu import read_cpu
from llmdoctor.probe.cuda import read_cuda
from llmdoctor.probe.disks import read_disks
from llmdoctor.probe.environment import read_environment
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.headers import has_headers
from llmdoctor.probe.host import read_host
from llmdoctor.probe.libraries import read_libraries
from llmdoctor.probe.locate import Place, Subject, locate
from llmdoctor.probe.memory import read_memory
from llmdoctor.probe.nvidia import read_nvidia
from llmdoctor.probe.paths import absolute, join
from llmdoctor.probe.project import read_project
from llmdoctor.probe.tools import read_tools
from llmdoctor.probe.variables import read_variables
from llmdoctor.system import System

__all__ = ["Subject", "look", "look_at_environment"]


def look(system: System, subject: Subject) -> Machine:
    """Observe the machine behind `system`, with the environment `subject` names as the patient.

    Args:
        system: the door; a read-only one is enough, and a replayed one gives the same machine.
        subject: which environment and which project.

    Returns:
        The machine. What could not be looked at is in its `notes`.
    """
    notes: list[Note] = []

    def guard(reader: str) -> Guard:
        return Guard(reader, notes)

    folder = guard("project")(subject.project, absolute, system, subject.project)
    project = guard("project")(None, read_project, system, folder)
    dot_venv = Place(join(system, folder, ".venv"))
    place = guard("environment")(dot_venv, locate, system, subject, project)
    unread = Environment("broken", place.path, place.executable, problem="it could not be read")
    environment = guard("environment")(
        unread, read_environment, system, place, guard("environment")
    )
    host = guard("host")(Host(), read_host, system, guard("host"))
    if project is not None and project.lock is not None and project.lock.problem is None:
        from llmdoctor.probe.lock_fit import read_packages

        lock = guard("lock")(project.lock, read_packages, system, project, environment, host)
        project = replace(project, lock=lock)
    headers = guard("environment")(None, has_headers, system, environment)
    return Machine(
        taken=system.now(),
        host=host,
        cpu=guard("cpu")(Cpu(), read_cpu, system),
        memory=guard("memory")(Memory(), read_memory, system, guard("memory")),
        disks=guard("disks")((), read_disks, system, guard("disks"), place.path),
        nvidia=guard("nvidia")(Nvidia(), read_nvidia, system),
        cuda=guard("cuda")(Cuda(), read_cuda, system, guard("cuda")),
        libraries=guard("libraries")((), read_libraries, system, environment, guard("libraries")),
        compilers=guard("compilers")((), read_compilers, system, guard("compilers")),
        tools=guard("tools")((), read_tools, system, guard("tools")),
        environment=replace(environment, headers=headers),
        project=project,
        variables=guard("variables")({}, read_variables, system),
        notes=tuple(notes),
    )


def look_at_environment(system: System, path: str) -> Environment:
    """The environment in that folder, and nothing else of the machine.

    Where it could not be looked at, `problem` says why.
    """
    notes: list[Note] = []
    place = Place(absolute(system, path))
    environment = read_environment(system, place, Guard("environment", notes))
    if notes and environment.kind == "broken":
        return replace(environment, problem=notes[0].detail)
    return environment
