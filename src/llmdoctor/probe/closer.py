"""What `fix` and `check --deep` look at beyond a plain check: it takes time, or asks programs."""

from __future__ import annotations

from dataclasses import replace

from llmdoctor.machine import Machine, Note
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.keyring import keyring_answer
from llmdoctor.probe.record import with_lost_files
from llmdoctor.system import System


def look_closer(system: System, machine: Machine) -> Machine:
    """The machine with every installed file looked for, and Poetry's keyring asked."""
    notes: list[Note] = []
    environment = machine.environment
    found = Guard("records", notes)(environment, with_lost_files, system, environment)
    answer = Guard("keyring", notes)(None, keyring_answer, system, machine)
    project = machine.project and replace(machine.project, keyring_answer=answer)
    return replace(machine, environment=found, project=project, notes=(*machine.notes, *notes))
