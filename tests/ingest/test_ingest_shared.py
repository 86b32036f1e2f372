"""Reports that people pasted: the machine is the one that they state."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.reports import shared
from llmdoctor import ingest
from llmdoctor.checks import Case, run_checks
from llmdoctor.machine import Machine

CASES = shared()


def stated(machine: Machine) -> dict[str, Any]:
    """The facts of a machine in the words of the stored cases."""
    host, nvidia, environment = machine.host, machine.nvidia, machine.environment
    torch = environment.torch
    memory = [gpu.memory for gpu in nvidia.gpus]
    return {
        "system": host.system,
        "arch": host.arch,
        "distribution": host.distribution,
        "glibc": host.libc.version if host.libc else None,
        "wsl": host.wsl,
        "python": environment.version,
        "torch": torch.version if torch else None,
        "cuda": torch.cuda if torch else None,
        "importable": torch.problem is None if torch else None,
        "driver": nvidia.driver_version,
        "gpus": [gpu.name for gpu in nvidia.gpus],
        "memory": memory if any(memory) else None,
        "torch_says": [error.value for error in nvidia.errors],
        "runs_cuda": next(
            (item.value for item in nvidia.cuda if item.source == "torch.cuda.is_available"), None
        ),
        "nvcc": machine.cuda.nvcc_version,
        "gcc": next((tool.version for tool in machine.compilers if tool.name == "gcc"), None),
        "threads": machine.cpu.threads,
        "packages": len(environment.packages),
        "unsaid": [note.reader for note in machine.notes],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_pasted_report_is_read_as_what_it_states(case: dict[str, Any]) -> None:
    assert stated(ingest.read(case["input"])) == case["facts"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_no_check_crashes_on_a_report_and_those_that_need_the_unsaid_are_skipped(
    case: dict[str, Any],
) -> None:
    machine = ingest.read(case["input"])
    unsaid = {note.reader for note in machine.notes}
    for verdict in run_checks(Case(machine)):
        assert verdict.outcome != "crash", verdict
    assert {"disks", "project", "tools"} <= unsaid
    skipped = {v.code for v in run_checks(Case(machine)) if v.outcome == "skip"}
    assert {"HOST005", "HOST006", "HOST007", "POETRY001", "PROJ001"} <= skipped


@pytest.mark.parametrize(
    ("identity", "cause"),
    [
        ("rep-driver-missing-02", "driver-missing"),
        ("rep-no-nvidia-gpu-03", "no-nvidia-gpu"),
        ("rep-python-too-old-01", "python-too-old"),
        ("rep-torch-cpu-wheel-03", "torch-cpu-wheel"),
        ("rep-torch-not-importable-01", "torch-not-importable"),
    ],
)
def test_the_root_cause_is_among_the_findings(identity: str, cause: str) -> None:
    (case,) = (case for case in CASES if case["id"] == identity)
    verdicts = run_checks(Case(ingest.read(case["input"])))
    assert cause in {finding.cause for verdict in verdicts for finding in verdict.findings}
