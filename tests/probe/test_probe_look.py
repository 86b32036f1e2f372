"""The whole look: complete, repeatable, harmless, and alive on a sick machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import llmdoctor
from llmdoctor import wire
from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Machine
from llmdoctor.probe import Subject, look
from llmdoctor.system.local import Local
from llmdoctor.system.readonly import ReadOnly
from llmdoctor.system.transcript import Recording, Replayed
from probe.described import Described, door
from probe.machines import KEPT, TRANSCRIPTS
from support import venvs
from support.audit import run_audited
from support.poetry_projects import poetry_project
from support.tree import assert_same_tree, snapshot


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """A Poetry project with an environment and some packages in it."""
    project = poetry_project(tmp_path / "project")
    env = venvs.make_venv(project / ".venv")
    venvs.install_fake_torch(env, "2.9.1", "12.6")
    venvs.install_fake_dist(env, "transformers", "4.57.1", requires=["tokenizers>=0.22"])
    venvs.leave_dangling(env, "peft", "0.17.1")
    return project


def test_look_through_the_read_only_door_finds_the_patient(patient: Path) -> None:
    machine = look(ReadOnly(Local()), Subject(project=str(patient)))
    assert machine.notes == ()
    assert machine.host.system != "unknown"
    assert machine.environment.path == str(patient / ".venv")
    assert {p.name for p in machine.environment.packages} == {"torch", "transformers"}
    assert machine.environment.leftovers == (
        str(venvs.site_packages(patient / ".venv") / "~eft-0.17.1.dist-info"),
    )
    assert machine.environment.torch is not None
    assert machine.project is not None
    assert machine.project.lock is not None
    assert machine.disk("environment") is not None


def test_machine_round_trips_through_json(patient: Path) -> None:
    machine = look(ReadOnly(Local()), Subject(project=str(patient)))
    assert wire.load(Machine, json.loads(json.dumps(wire.dump(machine)))) == machine


def test_recorded_look_replays_to_the_same_machine(patient: Path) -> None:
    system = Recording(ReadOnly(Local()))
    subject = Subject(project=str(patient))
    machine = look(system, subject)
    transcript = system.transcript(dict(os.environ))
    assert look(Replayed(transcript), subject) == machine


@pytest.mark.parametrize("name", KEPT)
def test_kept_transcript_answers_everything_that_the_probe_asks(name: str) -> None:
    """Where this fails because the probe asks something new: `python -m probe.machines` in tests/."""
    text = (TRANSCRIPTS / f"{name}.json").read_text(encoding="utf-8")
    replayed = look(Replayed(text), Subject())
    assert replayed == look(door(KEPT[name]()), Subject())
    assert replayed.notes == ()


def test_windows_transcript_is_read_on_any_system() -> None:
    text = (TRANSCRIPTS / "windows-11.json").read_text(encoding="utf-8")
    machine = look(Replayed(text), Subject())
    torch = machine.environment.torch
    assert (machine.host.system, machine.environment.kind) == ("windows", "venv")
    assert torch is not None
    assert (torch.variant, torch.problem) == ("cu126", None)
    assert machine.nvidia.gpus[0].compute_capability == "8.9"
    assert machine.cuda.toolkits[0].version == "12.6.2"
    assert machine.memory.total == 64 * 2**30


def test_wsl_transcript_tells_wsl_and_its_driver_without_a_kernel_module() -> None:
    text = (TRANSCRIPTS / "wsl2.json").read_text(encoding="utf-8")
    machine = look(Replayed(text), Subject())
    assert machine.host.wsl == 2
    assert machine.nvidia.driver_version == "560.94"
    assert machine.nvidia.library == "/usr/lib/wsl/lib/libnvidia-ml.so.1"


def test_container_without_a_pci_bus_still_has_its_gpus() -> None:
    text = (TRANSCRIPTS / "slim-container.json").read_text(encoding="utf-8")
    machine = look(Replayed(text), Subject())
    assert machine.host.container == "docker"
    assert (machine.nvidia.pci, len(machine.nvidia.gpus)) == ((), 2)
    assert machine.memory.limit == 8 * 2**30
    assert machine.environment.kind == "missing"


class Denying:
    """This machine, with everything below some folders denied."""

    def __init__(self, *prefixes: str) -> None:
        self._local = Local()
        self._prefixes = prefixes

    def __getattr__(self, name: str) -> Any:
        look_at = getattr(self._local, name)
        if name not in ("kind", "exists", "names", "read_text", "read_bytes", "space"):
            return look_at

        def guarded(path: str, *args: Any) -> Any:
            if path.startswith(self._prefixes):
                raise UnreadableError(path, "permission denied")
            return look_at(path, *args)

        return guarded


def test_denied_proc_sys_and_dev_give_notes_and_the_rest_survives(patient: Path) -> None:
    system: Any = Denying("/proc", "/sys", "/dev")
    machine = look(system, Subject(project=str(patient)))
    assert {note.reader for note in machine.notes} <= {"host", "cpu", "memory"}
    assert {note.status for note in machine.notes} == {"denied"}
    assert machine.note("cpu") is not None
    assert {error.source for error in machine.nvidia.errors} == {"/proc", "/sys", "/dev"}
    assert machine.host.arch != "unknown"
    assert machine.environment.package("torch") is not None
    assert wire.load(Machine, json.loads(json.dumps(wire.dump(machine)))) == machine


class Exploding(Described):
    """A machine on which one question raises what nobody foresaw."""

    question = ""

    def __getattribute__(self, name: str) -> Any:
        if name != "question" and name == object.__getattribute__(self, "question"):
            raise ZeroDivisionError("surprise")
        return object.__getattribute__(self, name)


@pytest.mark.parametrize(
    "question",
    ["uname", "confstr", "cpu_count", "home", "kind", "exists", "real_path", "names", "read_text",
     "read_bytes", "which", "space", "has_library", "run", "cwd", "environ"],
)  # fmt: skip
def test_no_question_that_explodes_ends_the_look(question: str) -> None:
    files = {"/proc/cpuinfo": "x : y\n", "/proc/meminfo": "MemTotal: 1 kB\n", "/bin/pip": ""}
    machine = Exploding(files=files, programs={"gcc": "/usr/bin/gcc", "pip": "/bin/pip"})
    machine.question = question
    found = look(door(machine), Subject(project="."))
    assert found.notes or found.nvidia.errors
    assert {note.status for note in found.notes} <= {"failed"}
    assert all("ZeroDivisionError: surprise" in note.detail for note in found.notes)


def test_look_writes_nothing_reaches_no_network_and_imports_little(
    patient: Path, tmp_path: Path
) -> None:
    script = tmp_path / "look.py"
    script.write_text(
        "import sys\nfrom llmdoctor.probe import Subject, look\n"
        "from llmdoctor.system.local import Local\nfrom llmdoctor.system.readonly import ReadOnly\n"
        "assert not look(ReadOnly(Local()), Subject(project=sys.argv[1])).notes\n"
    )
    before = snapshot(patient)
    source = str(Path(llmdoctor.__file__).parent.parent)
    env = {**os.environ, "PYTHONPATH": source}
    run = run_audited([script, patient], env=env, cwd=patient)
    assert run.returncode == 0, run.stderr
    assert run.writes == []
    assert run.connections == []
    assert_same_tree(before, snapshot(patient))
    slow = (
        "packaging",
        "rich",
        "typer",
        "asyncio",
        "importlib.metadata",
        "pynvml",
        "tomlkit",
        "torch",
    )
    assert [name for name in slow if run.imported(name)] == []
    assert not any(event.args[0].endswith(("/poetry", "/python")) for event in run.processes)
