"""CUDA_VISIBLE_DEVICES that names what is not there, and MIG."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import LINUX, RTX_4090, driver, judge, only, remedy
from llmdoctor.machine import Gpu, Machine, Note

A100 = Gpu(0, "NVIDIA A100-SXM4-80GB", "8.0", uuid="GPU-aaaa", mig=True, mig_devices=2)


def two(value: str | None) -> Machine:
    gpus = (replace(RTX_4090, uuid="GPU-aaaa"), replace(RTX_4090, index=1, uuid="GPU-bbbb"))
    variables = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    return Machine(host=LINUX, nvidia=driver("550.54.14", *gpus), variables=variables)


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (None, "skip"),
        ("0,1", "pass"),
        ("GPU-bb", "pass"),
        ("MIG-x", "pass"),
        ("0,7", "fail"),
        ("0,-1,1", "fail"),
        ("GPU-aaaa,GPU-cccc", "fail"),
        ("7,0", "skip"),  # leaves none: another check says so
    ],
)
def test_an_entry_that_names_no_gpu_hides_the_rest(value: str | None, outcome: str) -> None:
    assert judge("GPU006", two(value)).outcome == outcome


def test_the_entry_is_named_by_its_place_and_a_uuid_is_never_quoted() -> None:
    assert "The entry 2 (7)" in only(judge("GPU006", two("0,7"))).detail
    detail = only(judge("GPU006", two("GPU-aaaa,GPU-cccc"))).detail
    assert "The entry 2 names" in detail
    assert "cccc" not in detail


def test_uuids_that_a_report_took_out_are_not_judged() -> None:
    machine = Machine(
        nvidia=driver("550.54.14", RTX_4090), variables={"CUDA_VISIBLE_DEVICES": "GPU-<uuid>"}
    )
    assert judge("GPU006", machine).outcome == "pass"


def test_mig_without_an_instance_leaves_no_gpu() -> None:
    empty = Machine(host=LINUX, nvidia=driver("550.54.14", replace(A100, mig_devices=0)))
    finding = only(judge("GPU007", empty))
    assert finding.severity == "error"
    assert "mig -i 0 -cgi 0 -C" in remedy(finding).summary
    assert judge("GPU008", empty).outcome == "skip"


@pytest.mark.parametrize(
    ("gpu", "outcome"),
    [
        (A100, "pass"),
        (replace(A100, mig=False, mig_devices=None), "skip"),
        (replace(A100, mig_devices=None), "skip"),  # nvidia-smi's query does not count them
        (RTX_4090, "skip"),
    ],
)
def test_mig_with_instances_off_or_not_counted(gpu: Gpu, outcome: str) -> None:
    assert judge("GPU007", Machine(nvidia=driver("550.54.14", gpu))).outcome == outcome


def test_instances_are_noted() -> None:
    finding = only(judge("GPU008", Machine(nvidia=driver("550.54.14", A100))))
    assert (finding.severity, finding.evidence) == ("note", (f"GPU 0 {A100.name}: 2 instances",))


@pytest.mark.parametrize("code", ["GPU006", "GPU007", "GPU008"])
def test_without_a_look_or_a_wish_for_a_gpu_each_is_skipped(code: str) -> None:
    machine = Machine(nvidia=driver("550.54.14", A100), variables={"CUDA_VISIBLE_DEVICES": "0,9"})
    assert judge(code, machine, "cpu").outcome == "skip"
    noted = replace(machine, notes=(Note("nvidia", "timeout", "too slow"),))
    assert judge(code, noted).outcome == "skip"
