"""Shared memory, certificates, offline flags, libstdc++, and what Windows leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import LINUX, RTX_4090, WINDOWS, driver, judge, only, remedy, venv
from llmdoctor.machine import Disk, Environment, Host, Libc, Library, Machine, Memory, Note, Torch

DOCKER = replace(LINUX, container="docker")


def test_64_mb_of_shared_memory_in_a_container() -> None:
    small = Machine(
        host=DOCKER, memory=Memory(shm=64 * 2**20), nvidia=driver("550.54.14", RTX_4090)
    )
    finding = only(judge("HOST008", small))
    assert (finding.cause, finding.severity) == ("shm-too-small", "note")
    two = replace(small, nvidia=driver("550.54.14", RTX_4090, replace(RTX_4090, index=1)))
    assert only(judge("HOST008", two)).severity == "warning"


@pytest.mark.parametrize(
    ("machine", "outcome"),
    [
        (Machine(host=DOCKER, memory=Memory(shm=8 * 2**30)), "pass"),
        (Machine(host=LINUX, memory=Memory(shm=64 * 2**20)), "skip"),
        (Machine(host=DOCKER), "skip"),
        (Machine(host=DOCKER, notes=(Note("memory", "failed", "no /proc"),)), "skip"),
    ],
)
def test_shared_memory_that_is_large_enough_or_not_known(machine: Machine, outcome: str) -> None:
    assert judge("HOST008", machine).outcome == outcome


def test_a_certificate_file_that_is_gone() -> None:
    lost = Machine(host=replace(LINUX, lost_certificates=("REQUESTS_CA_BUNDLE",)))
    finding = only(judge("HOST009", lost))
    assert (finding.cause, finding.severity) == ("ssl-interception", "warning")
    assert "unset REQUESTS_CA_BUNDLE" in remedy(finding).summary
    assert judge("HOST009", Machine(host=LINUX)).outcome == "pass"


@pytest.mark.parametrize(
    ("variables", "outcome"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "fail"),
        ({"TRANSFORMERS_OFFLINE": "yes"}, "fail"),
        ({"HF_HUB_OFFLINE": "0"}, "pass"),
        ({}, "pass"),
    ],
)
def test_the_hub_switched_off(variables: dict[str, str], outcome: str) -> None:
    verdict = judge("HOST010", Machine(variables=variables))
    assert verdict.outcome == outcome
    assert all(finding.severity == "note" for finding in verdict.findings)


def conda(own: str, system: str) -> Machine:
    found = (
        Library("libstdc++", "conda", "/opt/conda/lib/libstdc++.so.6", own),
        Library("libstdc++", "system", "/usr/lib64/libstdc++.so.6", system),
    )
    return Machine(host=LINUX, libraries=found, environment=Environment("conda", "/opt/conda"))


def test_libstdcxx_of_conda_against_the_systems() -> None:
    finding = only(judge("HOST011", conda("6.0.29", "6.0.33")))
    assert (finding.cause, finding.severity) == ("libstdcxx-too-old", "note")
    assert judge("HOST011", conda("6.0.34", "6.0.33")).outcome == "pass"
    assert judge("HOST011", conda("6.0.29", "")).outcome == "skip"
    assert judge("HOST011", Machine(host=LINUX, environment=venv())).outcome == "skip"


@pytest.mark.parametrize(
    ("host", "outcome"),
    [
        (replace(WINDOWS, long_paths=False), "fail"),
        (replace(WINDOWS, long_paths=True), "pass"),
        (WINDOWS, "skip"),
        (LINUX, "skip"),
    ],
)
def test_long_paths_of_windows(host: Host, outcome: str) -> None:
    assert judge("HOST012", Machine(host=host)).outcome == outcome


def windows(torch: str, *missing: str) -> Machine:
    host = replace(WINDOWS, runtime_missing=missing)
    return Machine(host=host, environment=venv(torch=torch))


def test_the_visual_cxx_runtime_that_torch_loads() -> None:
    finding = only(judge("HOST013", windows("2.9.1+cu126", "msvcp140.dll")))
    assert finding.cause == "windows-fbgemm-libomp"
    assert "vc_redist.x64.exe" in remedy(finding).summary
    assert judge("HOST013", windows("2.9.1+cu126")).outcome == "pass"


def test_the_one_release_that_needs_libomp() -> None:
    libomp = "libomp140.x86_64.dll"
    assert only(judge("HOST013", windows("2.4.0+cu121", libomp))).evidence[1] == f"needed: {libomp}"
    assert judge("HOST013", windows("2.4.1+cu121", libomp)).outcome == "pass"
    assert judge("HOST013", windows("2.4.0+cu121")).outcome == "pass"
    assert judge("HOST013", Machine(host=LINUX, environment=venv(torch="2.4.0"))).outcome == "skip"


def test_the_loaders_own_words_about_fbgemm_are_enough() -> None:
    words = 'OSError: [WinError 126] Error loading "torch\\lib\\fbgemm.dll"'
    environment = replace(venv(), torch=Torch(problem=words))
    finding = only(judge("HOST013", Machine(host=WINDOWS, environment=environment)))
    assert (finding.cause, finding.severity) == ("windows-fbgemm-libomp", "error")


def test_a_report_of_windows_tells_the_release_and_not_the_files() -> None:
    notes = (Note("files", "unsaid", "the report does not say"),)
    told = replace(windows("2.4.0+cpu"), notes=notes)
    assert only(judge("HOST013", told)).cause == "windows-fbgemm-libomp"
    assert judge("HOST013", replace(windows("2.9.1+cpu"), notes=notes)).outcome == "skip"


def test_the_models_cache_on_a_full_or_read_only_disk_has_its_own_way_out() -> None:
    full = Machine(disks=(Disk("models", "/models", 10**12, 10**8),))
    finding = only(judge("HOST006", full))
    assert finding.where == "/models"
    assert "HF_HOME" in remedy(finding).summary
    locked = Machine(disks=(Disk("models", "/models", 10**12, 10**11, writable=False),))
    assert only(judge("HOST007", locked)).severity == "warning"


def test_an_old_c_library_is_noted_without_a_wish_once_a_torch_is_there() -> None:
    old = replace(LINUX, libc=Libc("glibc", "2.17"))
    machine = Machine(host=old, environment=venv(torch="2.3.0+cu121"))
    finding = only(judge("HOST002", machine))
    assert (finding.cause, finding.severity) == ("glibc-too-old", "note")
    assert judge("HOST002", replace(machine, host=LINUX)).outcome == "pass"
    assert judge("HOST002", Machine(host=old, environment=venv())).outcome == "skip"
