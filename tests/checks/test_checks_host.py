from __future__ import annotations

from dataclasses import replace

import pytest

from checks.judging import LINUX, MACOS, RTX_4090, case, driver, judge, only, remedy, venv
from llmdoctor import profiles
from llmdoctor.checks import Case, gates, host
from llmdoctor.machine import (
    Disk,
    Gpu,
    Host,
    Libc,
    Machine,
    Memory,
    Nvidia,
    PciDevice,
    Reading,
)
from llmdoctor.plan import Choice
from llmdoctor.profile import Profile
from llmdoctor.target import of_machine

GB = 10**9


def disk(role: str, free: int, *, writable: bool = True) -> Disk:
    return Disk(role, f"/{role}", 100 * GB, free, writable)


def test_torch_is_published_for_linux_on_glibc() -> None:
    assert judge("HOST001", Machine(host=LINUX), "cpu").outcome == "pass"


def test_musl_has_no_torch_wheel() -> None:
    alpine = replace(LINUX, libc=Libc("musl", "1.2.5"))
    finding = only(judge("HOST001", Machine(host=alpine), "cpu"))
    assert finding.cause == "no-wheel-for-platform"
    assert finding.evidence == ("musl 1.2.5",)


def test_an_intel_mac_has_no_torch_wheel() -> None:
    finding = only(judge("HOST001", Machine(host=replace(MACOS, arch="x86_64")), "mainline"))
    assert finding.cause == "no-wheel-for-platform"


def test_a_platform_is_not_judged_without_a_wish_or_without_a_look() -> None:
    assert judge("HOST001", Machine(host=LINUX)).outcome == "skip"
    assert judge("HOST001", Machine(host=Host()), "cpu").outcome == "skip"


def test_glibc_of_centos_7_is_too_old_for_torch_2_9() -> None:
    centos = Host("linux", "x86_64", "centos", "7", libc=Libc("glibc", "2.17"))
    finding = only(judge("HOST002", Machine(host=centos), "cpu"))
    assert finding.cause == "glibc-too-old"
    assert "glibc 2.17" in finding.evidence


def test_glibc_is_compared_by_number_not_by_letters() -> None:
    host_2_9 = replace(LINUX, libc=Libc("glibc", "2.9"))
    assert judge("HOST002", Machine(host=host_2_9), "cpu").outcome == "fail"
    assert judge("HOST002", Machine(host=LINUX), "cpu").outcome == "pass"


def test_glibc_is_not_judged_on_macos() -> None:
    assert judge("HOST002", Machine(host=MACOS), "cpu").outcome == "skip"


def wanting(memory: Memory, needed: int = 8 * GB) -> Case:
    profile = Profile("big", "addon", "Big", "", memory=needed)
    return Case(Machine(memory=memory), (profile,))


def test_enough_memory_passes_and_too_little_fails() -> None:
    assert host.memory_too_small.run(wanting(Memory(16 * GB))).outcome == "pass"
    assert only(host.memory_too_small.run(wanting(Memory(4 * GB)))).severity == "error"


def test_swap_turns_too_little_memory_into_a_warning() -> None:
    verdict = host.memory_too_small.run(wanting(Memory(6 * GB, swap=4 * GB)))
    assert only(verdict).severity == "warning"


def test_a_control_group_limit_counts_as_the_memory_and_swap_does_not_help_it() -> None:
    memory = Memory(64 * GB, swap=64 * GB, limit=2 * GB)
    finding = only(host.memory_too_small.run(wanting(memory)))
    assert finding.severity == "error"
    assert "control group limit 2.0 GB" in finding.evidence


def test_memory_is_not_judged_without_a_need_or_a_size() -> None:
    assert judge("HOST003", Machine(memory=Memory(4 * GB))).outcome == "skip"
    assert host.memory_too_small.run(wanting(Memory())).outcome == "skip"


def test_a_limit_below_the_memory_is_worth_a_note() -> None:
    assert only(judge("HOST004", Machine(memory=Memory(64 * GB, limit=8 * GB)))).severity == "note"
    assert judge("HOST004", Machine(memory=Memory(64 * GB, limit=64 * GB))).outcome == "pass"


def test_a_disk_smaller_than_the_profile_is_an_error_and_a_gate() -> None:
    machine = Machine(host=LINUX, disks=(disk("environment", 100_000_000),))
    finding = only(judge("HOST005", machine, "cpu"))
    assert (finding.severity, finding.where) == ("error", "/environment")
    assert gates(case(machine, "cpu")) == (finding,)


def test_a_disk_larger_than_the_profile_passes() -> None:
    machine = Machine(host=LINUX, disks=(disk("environment", 90 * GB),))
    assert judge("HOST005", machine, "cpu").outcome == "pass"
    assert judge("HOST005", machine).outcome == "skip"
    assert gates(case(machine, "cpu")) == ()


def test_a_full_temporary_folder_names_the_variable_of_the_system() -> None:
    machine = Machine(host=LINUX, disks=(disk("temp", 100_000_000), disk("home", 50 * GB)))
    finding = only(judge("HOST006", machine))
    assert finding.cause == "disk-full-tmp"
    assert "TMPDIR" in remedy(finding).summary
    assert judge("HOST006", Machine(disks=(disk("temp", 50 * GB),))).outcome == "pass"


def test_a_read_only_place_for_the_environment_is_an_error_and_a_cache_a_warning() -> None:
    disks = (disk("environment", 9 * GB, writable=False), disk("cache", 9 * GB, writable=False))
    verdict = judge("HOST007", Machine(disks=disks))
    assert [finding.severity for finding in verdict.findings] == ["error", "warning"]
    assert judge("HOST007", Machine(disks=(disk("home", 9 * GB),))).outcome == "pass"


def test_another_build_of_the_same_torch_needs_its_room_too() -> None:
    disks, gpu = (disk("environment", GB),), driver("560.35.03", RTX_4090)
    machine = Machine(host=LINUX, disks=disks, nvidia=gpu, environment=venv(torch="2.9.1+cpu"))
    assert only(judge("HOST005", machine, "mainline")).code == "HOST005"
    assert "HOST005" in [finding.code for finding in gates(case(machine, "mainline"))]
    there = replace(machine, environment=venv(torch="2.9.1+cu126"))
    assert judge("HOST005", there, "mainline").outcome == "skip"


CARD = PciDevice("0000:01:00.0", "10de", "2684", "nvidia")
MODULE = Nvidia(
    driver=(Reading("/proc", "550.54.14"),),
    gpus=(Gpu(0, "NVIDIA A10", "8.6", source="/proc"),),
    pci=(CARD,),
)


@pytest.mark.parametrize(
    ("host", "code"),
    [
        (LINUX, "DRV003"),
        (replace(LINUX, container="docker"), "DRV002"),
        (replace(LINUX, wsl=1), "DRV001"),
    ],
)
def test_a_gpu_that_no_program_reaches_is_a_gate_for_a_cuda_build_alone(
    host: Host, code: str
) -> None:
    machine = Machine(host=host, nvidia=MODULE)
    wanted = (profiles.find("mainline"),)
    target = of_machine(machine, "3.12")
    cuda, cpu = (
        Choice(("mainline",), target, feasible=True, torch="2.9.1", variant=variant)
        for variant in ("cu126", "cpu")
    )
    assert [finding.code for finding in gates(Case(machine, wanted, cuda))] == [code]
    assert gates(Case(machine, wanted, cpu)) == ()


@pytest.mark.parametrize("container", [None, "docker"])
def test_a_machine_without_a_gpu_may_install_mainline(container: str | None) -> None:
    machine = Machine(host=replace(LINUX, container=container))
    judged = case(machine, "mainline")
    assert judged.choice is not None
    assert (judged.choice.feasible, judged.choice.variant) == (True, "cpu")
    assert gates(judged) == ()
