"""A driver that is loaded, and what stands in its way: fabric, compat, uvm, rights, torch's words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from checks.judging import LINUX, RTX_4090, driver, judge, only, remedy, venv
from llmdoctor import ingest
from llmdoctor.checks import Case, run_checks
from llmdoctor.machine import Cuda, Gpu, Library, Machine, Note, Nvidia, Reading

DOCKER = replace(LINUX, container="docker")
H200 = Gpu(0, "NVIDIA H200", "9.0")
TORCH = venv(torch="2.9.1+cu126")
HEALTHY = Machine(
    host=LINUX,
    nvidia=replace(
        driver("550.54.14", RTX_4090),
        device_nodes=("/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl"),
        modules=("nvidia", "nvidia_uvm"),
        modprobe=False,
    ),
    environment=TORCH,
)
CODES = ("DRV011", "DRV012", "DRV013", "DRV014", "DRV015")
UNSAID = (Note("nvidia", "unsaid", "the report does not say"),)


def said(*words: str, source: str = "torch", machine: Machine = HEALTHY) -> Machine:
    errors = tuple(Reading(source, text) for text in words)
    return replace(machine, nvidia=replace(machine.nvidia, errors=errors))


def failing(machine: Machine) -> list[str]:
    every = (*CODES, "DRV004", "DRV005", "DRV006", "DRV008", "DRV016")
    return [code for code in every if judge(code, machine).outcome == "fail"]


def test_a_healthy_machine_passes_each() -> None:
    assert {judge(code, HEALTHY).outcome for code in CODES} == {"pass"}
    assert judge("DRV016", HEALTHY).outcome == "skip"  # nobody quotes torch


@pytest.mark.parametrize("code", [*CODES, "DRV016"])
def test_without_a_look_each_is_skipped_with_the_reason(code: str) -> None:
    denied = replace(HEALTHY, nvidia=Nvidia(), notes=(Note("nvidia", "denied", "no permission"),))
    assert judge(code, denied).outcome == "skip"
    assert judge(code, HEALTHY, "cpu").outcome == "skip"


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        ("Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",
         "DRV012", "fabricmanager-802"),
        ("Error 803: system has unsupported display driver / cuda driver combination",
         "DRV004", "driver-userlib-mismatch-803"),
        ("Error 804: forward compatibility was attempted on non supported HW",
         "DRV013", "cuda-compat-804"),
        ("CUDA unknown error - this may be due to an incorrectly set up environment",
         "DRV014", "cuda-unknown-error-999"),
        ("Unexpected error from cudaGetDeviceCount(). Error 2: out of memory",
         "DRV016", "cuda-init-error"),
        ("CUDA driver initialization failed, you might not have a CUDA gpu.",
         "DRV016", "cuda-init-error"),
        ("torch.cuda.is_available() is False", "DRV016", "cuda-init-error"),
    ],
)  # fmt: skip
def test_torchs_own_words_have_one_cause(words: str, code: str, cause: str) -> None:
    machine = said(words)
    assert failing(machine) == [code]
    finding = only(judge(code, machine))
    assert (finding.cause, finding.severity) == (cause, "error")
    assert any(words in line for line in finding.evidence)


@pytest.mark.parametrize(
    "words",
    ["Error 802: system not yet initialized", "Error 804: forward compatibility was attempted",
     "CUDA unknown error"],
)  # fmt: skip
def test_torchs_words_are_enough_where_a_report_leaves_the_hardware_out(words: str) -> None:
    machine = said(words, machine=Machine(host=LINUX, environment=TORCH, notes=UNSAID))
    assert len(failing(machine)) == 1


def test_a_report_that_only_says_false_of_cuda_names_no_cause() -> None:
    false = "torch.cuda.is_available() is False"
    assert failing(said(false, machine=Machine(environment=TORCH, notes=UNSAID))) == []


def test_torchs_complaint_follows_from_a_driver_that_is_too_old_or_hidden_gpus() -> None:
    false = said("torch.cuda.is_available() is False")
    old = replace(false, nvidia=replace(false.nvidia, driver=(Reading("report", "470.57.02"),)))
    assert failing(old) == ["DRV008"]
    assert "too old" in str(judge("DRV016", old).reason)
    hidden = replace(false, variables={"CUDA_VISIBLE_DEVICES": ""})
    assert "CUDA_VISIBLE_DEVICES" in str(judge("DRV016", hidden).reason)
    cpu = replace(false, environment=venv(torch="2.9.1+cpu"))
    assert judge("DRV016", cpu).outcome == "skip"


def test_torch_that_calls_the_driver_too_old_is_believed_without_a_driver_version() -> None:
    words = "The NVIDIA driver on your system is too old (found version 9010)."
    machine = said(words, machine=Machine(host=LINUX, environment=TORCH, notes=UNSAID))
    assert failing(machine) == ["DRV008"]
    assert only(judge("DRV008", machine)).cause == "driver-too-old"


def test_a_report_in_which_torch_has_the_gpu_on_an_old_driver_speaks_of_compat() -> None:
    runs = (Reading("torch.cuda.is_available", "12.6"),)
    old = replace(HEALTHY.nvidia, driver=(Reading("report", "470.57.02"),), cuda=runs)
    finding = only(judge("DRV008", replace(HEALTHY, nvidia=old)))
    assert (finding.cause, finding.severity) == ("driver-old-needs-compat", "warning")


def test_cuda_before_11_needs_the_driver_of_its_own_toolkit() -> None:
    torch = replace(TORCH, torch=replace(TORCH.torch, version="1.6.0", cuda="10.2"))  # type: ignore[type-var]
    old = replace(HEALTHY.nvidia, driver=(Reading("report", "418.67"),))
    machine = replace(HEALTHY, nvidia=old, environment=torch)
    assert "440.33" in only(judge("DRV008", machine)).detail


def hgx(**changes: object) -> Machine:
    nvidia = replace(driver("570.86.15", H200), nvswitches=4)
    return Machine(host=LINUX, nvidia=replace(nvidia, **changes), environment=TORCH)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("machine", "outcome"),
    [
        (hgx(fabric_manager="running"), "pass"),
        (hgx(fabric_manager="running", fabric="completed"), "pass"),
        (hgx(fabric_manager="absent"), "fail"),
        (hgx(fabric_manager="stopped", fabric="not started"), "fail"),
        (replace(hgx(fabric_manager="absent"), host=DOCKER), "pass"),  # the host's may run
        (replace(hgx(fabric="not started"), host=DOCKER), "fail"),
    ],
)
def test_nvswitch_needs_its_manager(machine: Machine, outcome: str) -> None:
    assert judge("DRV012", machine).outcome == outcome


def test_the_fabric_manager_to_install_is_the_drivers_own() -> None:
    summary = remedy(only(judge("DRV012", hgx(fabric_manager="absent")))).summary
    assert "nvidia-fabricmanager-570" in summary
    assert "570.86.15" in summary


def with_libcuda(version: str, *gpus: Gpu, found: str = "LD_LIBRARY_PATH") -> Machine:
    library = Library("libcuda", found, "/usr/local/cuda/compat/libcuda.so.1", version)
    return replace(HEALTHY, nvidia=driver("550.54.14", *gpus), libraries=(library,))


@pytest.mark.parametrize(
    ("machine", "seen"),
    [
        (with_libcuda("560.35.05", RTX_4090), ("error", "cuda-compat-804")),
        (with_libcuda("560.35.05", RTX_4090, found="compat"), ("error", "cuda-compat-804")),
        (with_libcuda("560.35.05", Gpu(0, "NVIDIA RTX A6000")), ("warning", "cuda-compat-804")),
        (with_libcuda("535.104.05", H200), ("error", "driver-userlib-mismatch-803")),
    ],
)
def test_a_foreign_libcuda_is_judged_by_its_version_and_the_gpu(
    machine: Machine, seen: tuple[str, str]
) -> None:
    finding = only(judge("DRV013", machine))
    assert (finding.severity, finding.cause) == seen
    assert finding.where == "/usr/local/cuda/compat/libcuda.so.1"


def test_error_803_beside_an_older_libcuda_wants_no_restart() -> None:
    machine = said("Error 803: unsupported display driver", machine=with_libcuda("535.1.1", H200))
    assert failing(machine) == ["DRV013"]
    assert "LD_LIBRARY_PATH" in remedy(only(judge("DRV013", machine))).summary


def test_what_follows_from_a_blocked_driver_is_not_repeated() -> None:
    machine = replace(hgx(fabric="not started"), environment=venv(torch="2.9.1+cpu"))
    assert judge("DRV012", machine).outcome == "fail"
    assert "CUDA does not reach it" in str(judge("TORCH003", machine).reason)


@pytest.mark.parametrize(
    "machine",
    [
        with_libcuda("560.35.05", H200),  # what cuda-compat is for
        with_libcuda("550.54.14", RTX_4090),  # the driver's own, in an odd folder
        with_libcuda("560.35.05", RTX_4090, found="system"),
    ],
)
def test_a_libcuda_that_does_no_harm_passes(machine: Machine) -> None:
    assert judge("DRV013", machine).outcome == "pass"


def test_a_report_that_names_no_libraries_skips_compat() -> None:
    noted = replace(HEALTHY, notes=(Note("libraries", "unsaid", "the report does not say"),))
    assert judge("DRV013", noted).outcome == "skip"


def without_uvm(**changes: object) -> Machine:
    nvidia = replace(HEALTHY.nvidia, device_nodes=("/dev/nvidia0", "/dev/nvidiactl"))
    return replace(HEALTHY, nvidia=replace(nvidia, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("machine", "severity"),
    [
        (without_uvm(), "warning"),
        (without_uvm(modprobe=True), None),  # CUDA makes the file itself
        (replace(without_uvm(modprobe=True), host=DOCKER), "error"),
        (replace(without_uvm(), host=replace(LINUX, wsl=2)), None),
        (without_uvm(modprobe=None), None),
    ],
)
def test_a_missing_uvm_matters_where_nothing_makes_it(
    machine: Machine, severity: str | None
) -> None:
    findings = judge("DRV014", machine).findings
    assert [finding.severity for finding in findings] == ([severity] if severity else [])


def test_device_files_of_another_group_are_named_with_the_way_in() -> None:
    machine = replace(HEALTHY, nvidia=replace(HEALTHY.nvidia, denied=("/dev/nvidia0",)))
    assert failing(machine) == ["DRV011"]
    finding = only(judge("DRV011", machine))
    assert "usermod -aG video" in remedy(finding).summary
    assert finding.where == "/dev/nvidia0"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("nvmlInit: NVMLError_NoPermission(4): Insufficient Permissions", "DRV011"),
        ("exit code 4: Failed to initialize NVML: Insufficient Permissions", "DRV011"),
        ("GPU 1: NVMLError_GpuIsLost(15): GPU is lost", "DRV015"),
        ("nvmlInit: NVMLError_Unknown(999): Unknown Error", "DRV006"),
    ],
)
def test_the_drivers_own_errors_go_to_the_check_that_knows_them(words: str, code: str) -> None:
    listed = said(words, source="nvml")
    machine = listed if code == "DRV015" else replace(
        listed, nvidia=replace(listed.nvidia, gpus=(), driver=(Reading("nvml", "550.54.14"),))
    )  # fmt: skip
    assert failing(machine) == [code]


def test_a_batch_job_that_is_denied_other_peoples_gpus_is_healthy() -> None:
    assert failing(said("GPU 1: NVMLError_NoPermission(4): x", source="nvml")) == []


def test_what_a_report_cannot_say_is_neither_passed_nor_failed() -> None:
    reports = Path(__file__).parents[1] / "cases" / "reports" / "shared.json"
    (text,) = (
        case["input"] for case in json.loads(reports.read_text("utf-8"))
        if case["id"] == "rep-healthy-06"
    )  # fmt: skip
    outcomes = {verdict.code: verdict.outcome for verdict in run_checks(Case(ingest.read(text)))}
    unsaid = [*("DRV011", "DRV012", "DRV013", "DRV014", "DRV016"), "GPU006", "GPU007"]
    unsaid += ["HOST008", "HOST009", "HOST010", "HOST011", "CUDA006", "CUDA009", "CUDA010"]
    unsaid += ["POETRY004", "POETRY005", "POETRY006", "PROJ003", "PROJ004"]
    assert {code: outcomes[code] for code in unsaid} == dict.fromkeys(unsaid, "skip")


def test_cuda_installed_for_a_gpu_that_nothing_answers_for_is_a_missing_driver() -> None:
    """A report cannot show the bus: with CUDA's compiler there, a GPU is likelier than none."""
    notes = (Note("pci", "unsaid", "the report does not say"),)
    bare = Machine(host=LINUX, environment=TORCH, notes=notes)
    assert judge("DRV003", bare).outcome == "pass"
    equipped = replace(bare, cuda=Cuda(nvcc="nvcc", nvcc_version="12.6"))
    assert only(judge("DRV003", equipped)).cause == "driver-missing"
