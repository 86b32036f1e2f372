from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import (
    ARM,
    LINUX,
    MACOS,
    RTX_4090,
    RTX_5090,
    WINDOWS,
    driver,
    judge,
    only,
    remedy,
    venv,
)
from llmdoctor.machine import Gpu, Host, Machine, Note, Nvidia, PciDevice, Reading

NVIDIA_CARD = PciDevice("0000:01:00.0", "10de", "2684", "nvidia")
WSL2 = replace(LINUX, wsl=2)
DOCKER = replace(LINUX, container="docker")
HEALTHY = Machine(host=LINUX, nvidia=driver("550.54.14", RTX_4090))

PRESENCE = ("DRV001", "DRV002", "DRV003", "DRV004", "DRV005", "DRV006")


def failing(machine: Machine, *profiles: str) -> list[str]:
    """Which of the checks for the driver's presence fail: at most one may."""
    return [code for code in PRESENCE if judge(code, machine, *profiles).outcome == "fail"]


@pytest.mark.parametrize("code", PRESENCE)
def test_a_driver_that_answers_passes(code: str) -> None:
    assert judge(code, HEALTHY).outcome == "pass"


@pytest.mark.parametrize("code", PRESENCE)
def test_the_cpu_profile_wants_no_driver(code: str) -> None:
    machine = Machine(host=LINUX, nvidia=Nvidia(pci=(NVIDIA_CARD,)))
    assert judge(code, machine, "cpu").outcome == "skip"


@pytest.mark.parametrize("code", [*PRESENCE, "GPU001", "TORCH003"])
def test_a_denied_reader_is_skipped_with_its_reason_and_never_passed(code: str) -> None:
    machine = Machine(notes=(Note("nvidia", "denied", "/proc/driver: permission denied"),))
    verdict = judge(code, machine)
    assert (verdict.outcome, verdict.reason) == (
        "skip",
        "could not look: /proc/driver: permission denied",
    )


def test_a_bus_that_could_not_be_read_is_not_taken_for_no_gpu() -> None:
    machine = Machine(host=LINUX, nvidia=Nvidia(errors=(Reading("/sys", "permission denied"),)))
    assert failing(machine) == []
    assert judge("GPU001", machine).outcome == "skip"


def test_hardware_without_a_driver_is_a_missing_driver() -> None:
    card = replace(NVIDIA_CARD, driver="nouveau")
    finding = only(judge("DRV003", Machine(host=LINUX, nvidia=Nvidia(pci=(card,)))))
    assert (finding.cause, finding.severity) == ("driver-missing", "error")
    assert "nouveau" in finding.detail
    assert remedy(finding).commands == ()


def test_a_kernel_module_without_its_libraries_is_a_missing_driver() -> None:
    nvidia = Nvidia(
        driver=(Reading("/proc", "550.54.14"),), gpus=(Gpu(0, "NVIDIA A10", source="/proc"),)
    )
    assert failing(Machine(host=LINUX, nvidia=nvidia)) == ["DRV003"]


def test_wsl_2_without_a_gpu_is_told_to_install_the_driver_in_windows() -> None:
    finding = only(judge("DRV003", Machine(host=WSL2), "flashattn"))
    assert "in Windows, not inside WSL" in remedy(finding).summary


def test_nothing_at_all_is_no_missing_driver() -> None:
    assert failing(Machine(host=LINUX)) == []
    assert failing(Machine(host=MACOS), "flashattn") == []


def test_windows_does_not_show_its_bus_so_a_gpu_profile_wants_a_driver() -> None:
    assert failing(Machine(host=WINDOWS), "flashattn") == ["DRV003"]
    assert failing(Machine(host=WINDOWS)) == []


def test_wsl_1_has_no_gpu_and_that_comes_first() -> None:
    machine = Machine(host=replace(LINUX, wsl=1))
    assert failing(machine, "flashattn") == ["DRV001"]
    assert only(judge("DRV001", machine)).severity == "warning"
    assert only(judge("DRV001", machine, "flashattn")).severity == "error"


@pytest.mark.parametrize(
    "nvidia",
    [
        Nvidia(pci=(NVIDIA_CARD,)),
        Nvidia(driver=(Reading("/proc", "550.54.14"),)),
        Nvidia(driver=(Reading("/sys", "550.54.14"),), device_nodes=("/dev/nvidia0",)),
    ],
    ids=["bus", "kernel module", "device files without libraries"],
)
def test_a_container_that_sees_hardware_and_got_no_gpu(nvidia: Nvidia) -> None:
    machine = Machine(host=DOCKER, nvidia=nvidia)
    assert failing(machine) == ["DRV002"]
    assert only(judge("DRV002", machine)).cause == "container-without-gpu"


def test_an_empty_container_is_blamed_only_when_a_gpu_is_wanted() -> None:
    assert failing(Machine(host=DOCKER), "flashattn") == ["DRV002"]
    assert failing(Machine(host=DOCKER)) == []


@pytest.mark.parametrize(
    "words",
    [
        "nvmlInit: NVMLError_LibRmVersionMismatch(18): Driver/library version mismatch",
        (
            "exit code 18: Failed to initialize NVML: Driver/library version mismatch NVML library "
            "version: 550.90"
        ),
    ],
)
def test_a_version_mismatch_wants_a_restart_and_no_reinstall(words: str) -> None:
    nvidia = Nvidia(
        driver=(Reading("/proc", "550.54.14"),),
        pci=(NVIDIA_CARD,),
        library="libnvidia-ml.so.1",
        errors=(Reading("nvml", words),),
    )
    machine = Machine(host=LINUX, nvidia=nvidia)
    assert failing(machine) == ["DRV004"]
    finding = only(judge("DRV004", machine))
    assert finding.cause == "driver-userlib-mismatch-803"
    assert remedy(finding).summary.startswith("Restart the machine.")


def test_a_module_that_is_not_loaded_is_told_from_a_missing_driver() -> None:
    said = (
        "exit code 9: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    )
    nvidia = Nvidia(pci=(NVIDIA_CARD,), errors=(Reading("nvidia-smi", said),))
    assert failing(Machine(host=LINUX, nvidia=nvidia)) == ["DRV005"]


def test_a_driver_package_on_a_machine_without_a_gpu_is_no_fault() -> None:
    errors = (Reading("nvml", "nvmlInit: NVMLError_DriverNotLoaded(9): Driver Not Loaded"),)
    nvidia = Nvidia(library="libnvidia-ml.so.1", errors=errors)
    assert failing(Machine(host=LINUX, nvidia=nvidia)) == []


def test_an_error_without_a_check_of_its_own_is_passed_on() -> None:
    nvidia = Nvidia(pci=(NVIDIA_CARD,), errors=(Reading("nvml", "timed out after 10 s"),))
    machine = Machine(host=LINUX, nvidia=nvidia)
    assert failing(machine) == ["DRV006"]
    assert "nvml: timed out after 10 s" in only(judge("DRV006", machine)).evidence


def test_a_report_that_says_no_driver_is_believed() -> None:
    nvidia = Nvidia(errors=(Reading("report", "Found no NVIDIA driver on your system."),))
    assert failing(Machine(host=LINUX, nvidia=nvidia)) == ["DRV003"]


def test_sources_that_disagree_about_the_driver() -> None:
    readings = (Reading("nvml", "550.90.07"), Reading("/proc", "550.54.14"))
    nvidia = replace(driver("550.90.07", RTX_4090), driver=readings)
    finding = only(judge("DRV007", Machine(nvidia=nvidia)))
    assert finding.severity == "warning"
    assert finding.evidence == ("driver 550.90.07 (nvml)", "driver 550.54.14 (/proc)")


def test_sources_that_agree_pass_and_one_source_is_no_comparison() -> None:
    both = (Reading("nvml", "550.54.14"), Reading("/proc", "550.54.14"))
    agreeing = replace(driver("550.54.14", RTX_4090), driver=both)
    assert judge("DRV007", Machine(nvidia=agreeing)).outcome == "pass"
    assert judge("DRV007", HEALTHY).outcome == "skip"


def test_wsl_libraries_off_the_loaders_path() -> None:
    nvidia = replace(driver("566.03", RTX_4090), library="/usr/lib/wsl/lib/libnvidia-ml.so.1")
    finding = only(judge("DRV010", Machine(host=WSL2, nvidia=nvidia)))
    assert finding.cause == "wsl-libcuda-not-on-path"
    found = Machine(host=WSL2, nvidia=driver("566.03", RTX_4090))
    assert judge("DRV010", found).outcome == "pass"
    assert judge("DRV010", HEALTHY).outcome == "skip"


def with_torch(version: str, torch: str) -> Machine:
    return Machine(host=LINUX, nvidia=driver(version, RTX_4090), environment=venv(torch=torch))


def test_a_cuda_12_torch_on_a_driver_of_cuda_11() -> None:
    finding = only(judge("DRV008", with_torch("520.61.05", "2.9.1+cu126")))
    assert (finding.cause, finding.severity) == ("driver-too-old", "error")
    assert "driver 520.61.05 (nvml)" in finding.evidence
    assert "525.60.13" in finding.detail


def test_the_floor_is_that_of_the_major_not_that_of_the_toolkit() -> None:
    assert judge("DRV008", with_torch("525.60.13", "2.9.1+cu128")).outcome == "pass"


def test_cuda_compat_makes_an_old_driver_a_warning() -> None:
    machine = replace(
        with_torch("470.129.06", "2.4.0+cu121"),
        variables={"LD_LIBRARY_PATH": "/usr/local/cuda/compat"},
    )
    finding = only(judge("DRV008", machine))
    assert (finding.cause, finding.severity) == ("driver-old-needs-compat", "warning")


def test_under_wsl_the_windows_floor_counts() -> None:
    machine = replace(with_torch("526.00", "2.9.1+cu126"), host=WSL2)
    assert "527.41" in only(judge("DRV008", machine)).detail


def test_the_age_of_a_driver_is_not_judged_without_torch_or_without_a_driver() -> None:
    assert judge("DRV008", HEALTHY).outcome == "skip"
    no_driver = Machine(host=LINUX, environment=venv(torch="2.9.1+cu126"))
    assert judge("DRV008", no_driver).reason == "no GPU can be used: no NVIDIA GPU is visible"
    assert judge("DRV008", with_torch("550.54.14", "2.9.1+cpu")).outcome == "skip"


def test_a_driver_below_every_build_of_the_wanted_profile() -> None:
    old = Machine(host=LINUX, nvidia=driver("450.80.02", RTX_4090), environment=venv())
    finding = only(judge("DRV009", old, "mainline"))
    assert finding.cause == "driver-too-old"
    assert "525.60.13" in finding.detail


def test_a_driver_that_does_not_know_the_gpu_is_too_old() -> None:
    machine = Machine(host=LINUX, nvidia=driver("535.183.01", RTX_5090), environment=venv())
    finding = only(judge("DRV008", machine, "mainline"))
    assert "driver 570 or newer, whatever torch" in finding.detail
    assert "from before NVIDIA GeForce RTX 5090" in (
        judge("DRV009", machine, "mainline").reason or ""
    )
    enough = replace(machine, nvidia=driver("570.86.16", RTX_5090))
    assert judge("DRV009", enough, "mainline").outcome == "pass"


@pytest.mark.parametrize(
    ("torch", "version", "needed"),
    [
        (None, "550.54.14", "570"),
        ("2.9.1+cu128", "550.54.14", "570"),
        ("2.9.1+cu130", "550.54.14", "580.65.06"),
        ("2.7.1+cu128", "520.61.05", "570"),
    ],
)
def test_a_driver_from_before_a_gpu_is_too_old_whatever_torch_is_there(
    torch: str | None, version: str, needed: str
) -> None:
    """The resolver refuses that driver by the same row; what is to be installed does for both."""
    gpus = (RTX_4090, replace(RTX_5090, index=1))
    machine = Machine(host=LINUX, nvidia=driver(version, *gpus), environment=venv(torch=torch))
    found = only(judge("DRV008", machine))
    assert (found.cause, found.severity) == ("driver-too-old", "error")
    assert f"driver {needed} or newer" in remedy(found).summary
    assert remedy(found).commands == ()  # no torch runs on that driver
    hidden = {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    left = judge("DRV008", replace(machine, variables=hidden))
    assert not any("5090" in item.detail for item in left.findings)


def test_of_jetpacks_drivers_the_branch_counts() -> None:
    thor = Machine(host=ARM, nvidia=driver("580.00", Gpu(0, "NVIDIA Thor", "11.0")))
    stack = replace(thor, environment=venv(torch="2.9.1+cu130"))
    assert judge("DRV008", stack).outcome == "pass"
    assert judge("DRV009", replace(thor, environment=venv()), "edge").outcome == "pass"


def test_a_gpu_that_newer_drivers_have_forgotten_is_told_no_newer_one() -> None:
    old = Gpu(0, "Tesla K80", "3.7")
    machine = Machine(host=LINUX, nvidia=driver("470.82.01", old), environment=venv())
    way = remedy(only(judge("DRV009", machine, "mainline")))
    assert "470 branch is the last driver for Tesla K80" in way.summary


def test_a_driver_that_runs_one_build_of_the_profile_is_enough() -> None:
    machine = replace(HEALTHY, environment=venv())
    assert judge("DRV009", machine, "mainline").outcome == "pass"
    assert judge("DRV009", machine).outcome == "skip"


def test_an_unknown_driver_or_cuda_is_skipped_not_guessed() -> None:
    silent = replace(HEALTHY.nvidia, driver=())
    for torch, nvidia in (("2.9.1+cu126", silent), ("9.9.9+cu990", HEALTHY.nvidia)):
        machine = Machine(host=LINUX, nvidia=nvidia, environment=venv(torch=torch))
        assert judge("DRV008", machine).outcome == "skip"
    unknown = Machine(host=LINUX, nvidia=silent, environment=venv())
    assert judge("DRV009", unknown, "mainline").outcome == "skip"


def test_a_report_with_a_driver_and_no_list_of_gpus_is_not_blamed() -> None:
    machine = Machine(host=LINUX, nvidia=Nvidia(driver=(Reading("report", "535.183.01"),)))
    assert failing(machine) == []
    assert judge("GPU001", machine).outcome == "skip"


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (LINUX, "sudo ubuntu-drivers install"),
        (replace(LINUX, distribution="fedora"), "distribution's packages"),
        (WINDOWS, "nvidia.com/drivers and restart Windows"),
        (DOCKER, "on the host"),
    ],
)
def test_the_driver_comes_from_where_this_system_has_it(host: Host, words: str) -> None:
    machine = Machine(host=host, nvidia=driver("450.80.02", RTX_4090))
    assert words in remedy(only(judge("DRV009", machine, "mainline"))).summary
