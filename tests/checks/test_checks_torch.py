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
from llmdoctor.machine import (
    Environment,
    Gpu,
    Host,
    Machine,
    Note,
    Nvidia,
    Package,
    PciDevice,
    Torch,
)

GPU = driver("580.95.05", RTX_4090)


def on(environment: Environment, nvidia: Nvidia = GPU, host: Host = LINUX) -> Machine:
    return Machine(host=host, nvidia=nvidia, environment=environment)


def test_torch_that_is_there_passes() -> None:
    assert judge("TORCH001", on(venv(torch="2.9.1+cu126"))).outcome == "pass"


def test_a_missing_torch_is_an_error_where_something_needs_it() -> None:
    finding = only(judge("TORCH001", on(venv(Package("peft", "0.18.0")))))
    assert (finding.cause, finding.severity) == ("torch-missing", "error")
    assert only(judge("TORCH001", on(venv()), "mainline")).severity == "error"


def test_a_missing_torch_is_a_note_where_nobody_asked_for_it() -> None:
    assert only(judge("TORCH001", on(venv()))).severity == "note"


def test_where_no_environment_is_torch_is_not_missing_yet() -> None:
    assert judge("TORCH001", Machine(), "mainline").outcome == "skip"


def test_torch_without_its_files_cannot_be_imported() -> None:
    torch = Torch("2.9.1", problem="files are missing: the extension torch/_C")
    environment = replace(venv(Package("torch", "2.9.1")), torch=torch)
    finding = only(judge("TORCH002", on(environment)))
    assert (finding.cause, finding.severity) == ("torch-not-importable", "error")


def test_torch_with_its_files_passes_and_no_torch_is_not_broken() -> None:
    assert judge("TORCH002", on(venv(torch="2.9.1+cpu"))).outcome == "pass"
    assert judge("TORCH002", on(venv())).outcome == "skip"


def test_a_record_of_torch_alone_cannot_be_imported() -> None:
    assert judge("TORCH002", on(venv(Package("torch", "2.9.1")))).outcome == "fail"


def test_a_cpu_torch_leaves_the_gpu_idle() -> None:
    finding = only(judge("TORCH003", on(venv(torch="2.9.1+cpu"))))
    assert (finding.cause, finding.severity) == ("torch-cpu-wheel", "error")
    assert "GPU 0 NVIDIA GeForce RTX 4090" in finding.evidence


def test_on_arm_and_windows_the_index_itself_gave_the_cpu_build() -> None:
    arm = only(judge("TORCH003", on(venv(torch="2.10.0+cpu"), host=ARM)))
    assert arm.cause == "aarch64-default-cpu-wheel"
    windows = only(judge("TORCH003", on(venv(torch="2.10.0+cpu"), host=WINDOWS)))
    assert windows.cause == "torch-cpu-wheel"
    assert "by default" in arm.detail
    assert "by default" in windows.detail


def test_the_cpu_build_is_right_for_the_cpu_profile_and_without_a_gpu() -> None:
    assert judge("TORCH003", on(venv(torch="2.13.0+cpu")), "cpu").outcome == "skip"
    assert judge("TORCH003", on(venv(torch="2.13.0+cpu"), Nvidia())).outcome == "skip"
    assert judge("TORCH003", on(venv(torch="2.9.1+cu126"))).outcome == "pass"


def test_a_cpu_torch_is_not_blamed_while_the_driver_is_missing() -> None:
    bare = Nvidia(pci=(PciDevice("0000:01:00.0", "10de", "2684"),))
    verdict = judge("TORCH003", on(venv(torch="2.9.1+cpu"), bare))
    assert verdict.reason == "no GPU can be used: there is no NVIDIA driver"


def test_a_torch_for_another_makers_gpu_is_called_that() -> None:
    environment = replace(venv(), torch=Torch("2.9.1+rocm6.4", hip="6.4.43482"))
    assert "another maker" in only(judge("TORCH003", on(environment))).title


def test_a_jetson_is_sent_to_nvidia() -> None:
    jetson = replace(ARM, kernel="5.15.148-tegra")
    nvidia = driver("540.4.0", Gpu(0, "Orin", "8.7"))
    finding = only(judge("TORCH003", on(venv(torch="2.10.0+cpu"), nvidia, jetson)))
    assert finding.cause == "jetson-needs-nvidia-wheel"


def test_a_release_outside_the_table_is_a_note_and_no_guess() -> None:
    finding = only(judge("TORCH004", on(venv(torch="2.99.0+cu150"))))
    assert (finding.severity, finding.cause) == ("note", None)
    assert judge("TORCH004", on(venv(torch="2.9.1+cu126"))).outcome == "pass"
    assert judge("TORCH004", on(venv())).outcome == "skip"


def test_another_torch_than_the_profiles_is_a_warning() -> None:
    machine = on(venv(torch="2.6.0+cu124"))
    assert only(judge("TORCH005", machine, "mainline")).severity == "warning"
    assert judge("TORCH005", on(venv(torch="2.9.1+cu126")), "mainline").outcome == "pass"
    assert judge("TORCH005", machine).outcome == "skip"


def test_another_build_that_serves_as_well_is_a_note_that_says_so() -> None:
    finding = only(judge("TORCH005", on(venv(torch="2.9.1+cu128")), "mainline"))
    assert finding.severity == "note"
    assert "serves this GPU and driver as well" in finding.detail
    assert finding.remedy is None


@pytest.mark.parametrize(
    ("build", "nvidia"),
    [
        ("cu130", driver("550.54.14", RTX_4090)),  # the driver is too old for it
        ("cu126", driver("580.95.05", RTX_5090)),  # it has no kernels for the GPU
    ],
)
def test_another_build_that_does_not_serve_is_not_called_as_good(
    build: str, nvidia: Nvidia
) -> None:
    finding = only(judge("TORCH005", on(venv(torch=f"2.9.1+{build}"), nvidia), "mainline"))
    assert "as well" not in finding.detail
    assert finding.remedy is not None


def test_a_cpu_build_on_a_gpu_is_blamed_once() -> None:
    machine = on(venv(torch="2.9.1+cpu"))
    assert judge("TORCH005", machine, "mainline").reason == "follows from the CPU build of torch"


def test_a_release_is_not_taken_for_one_whose_number_it_begins() -> None:
    finding = only(
        judge("TORCH005", Machine(host=LINUX, environment=venv(torch="2.9.10+cpu")), "mainline")
    )
    assert finding.severity == "warning"
    same = Machine(host=LINUX, environment=venv(torch="2.9.1+cu126"))
    assert only(judge("TORCH005", same, "mainline")).severity == "note"


def alloc(torch: str, **variables: str) -> Machine:
    return replace(on(venv(torch=torch)), variables=variables)


SEGMENTS = "expandable_segments:True"


@pytest.mark.parametrize(
    ("torch", "words"),
    [
        ("2.8.0+cu126", "does not read PYTORCH_ALLOC_CONF"),
        ("2.9.1+cu126", "expandable_segments from the former name only"),
    ],
)
def test_allocator_settings_that_do_not_reach_this_torch(torch: str, words: str) -> None:
    finding = only(judge("TORCH006", alloc(torch, PYTORCH_ALLOC_CONF=SEGMENTS)))
    assert finding.severity == "warning"
    assert words in finding.detail
    assert "PYTORCH_CUDA_ALLOC_CONF" in remedy(finding).summary


def test_two_names_with_two_values_are_said_and_with_one_are_right() -> None:
    two = alloc("2.13.0+cu130", PYTORCH_ALLOC_CONF=SEGMENTS, PYTORCH_CUDA_ALLOC_CONF="x:1")
    assert "different values" in only(judge("TORCH006", two)).detail
    same = alloc("2.9.1+cu126", PYTORCH_ALLOC_CONF=SEGMENTS, PYTORCH_CUDA_ALLOC_CONF=SEGMENTS)
    assert judge("TORCH006", same).outcome == "pass"


def test_allocator_settings_that_are_read_pass() -> None:
    assert judge("TORCH006", alloc("2.13.0+cu130", PYTORCH_ALLOC_CONF=SEGMENTS)).outcome == "pass"
    other = alloc("2.9.1+cu126", PYTORCH_ALLOC_CONF="max_split_size_mb:128")
    assert judge("TORCH006", other).outcome == "pass"
    former = alloc("2.8.0+cu126", PYTORCH_CUDA_ALLOC_CONF=SEGMENTS)
    assert judge("TORCH006", former).outcome == "pass"


def test_allocator_settings_are_not_judged_unset_unsaid_or_without_cuda() -> None:
    assert judge("TORCH006", alloc("2.9.1+cu126")).reason == "PYTORCH_ALLOC_CONF is not set"
    report = replace(alloc("2.9.1+cu126"), notes=(Note("variables", "unsaid", "not said"),))
    assert judge("TORCH006", report).reason == "could not look: not said"
    assert judge("TORCH006", alloc("2.9.1+cpu", PYTORCH_ALLOC_CONF=SEGMENTS)).outcome == "skip"


def test_packages_for_a_gpu_beside_a_cpu_torch_are_a_warning() -> None:
    idle = venv(Package("flash-attn", "2.8.3"), torch="2.9.1+cpu")
    finding = only(judge("TORCH007", on(idle, Nvidia())))
    assert (finding.cause, finding.severity) == ("torch-cpu-wheel", "warning")
    assert finding.evidence == ("flash-attn 2.8.3",)
    assert "TORCH003" in (judge("TORCH007", on(idle)).reason or "")
    assert judge("TORCH007", on(idle, Nvidia()), "cpu").outcome == "skip"


def test_a_cpu_torch_without_such_packages_and_a_cuda_torch_pass() -> None:
    assert judge("TORCH007", on(venv(torch="2.9.1+cpu"), Nvidia())).outcome == "pass"
    cuda = venv(Package("flash-attn", "2.8.3"), torch="2.9.1+cu126")
    assert judge("TORCH007", on(cuda, Nvidia())).outcome == "skip"
    mac = on(venv(Package("bitsandbytes", "0.50.2"), torch="2.9.1+cpu"), Nvidia(), MACOS)
    assert judge("TORCH007", mac).outcome == "pass"
