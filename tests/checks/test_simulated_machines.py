"""Fake drivers and trees through the real probe, and what the doctor finds on each machine.

The NVML library is a real one, compiled from C, loaded by the real child; nvidia-smi is a program
that really runs; /proc, /sys, /dev and the environment are files in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest

from llmdoctor.checks import Case, run_checks
from llmdoctor.system import Space
from probe.described import dist_info
from probe.simulated import DRIVER, ENV, SITE, Simulated, Workshop, look_at
from support.nvml import A100, GB10, RTX_4090, TESLA_T4, Gpu

Build: TypeAlias = Callable[[Workshop], Simulated]

H100 = Gpu("NVIDIA H100 80GB HBM3", 81559, "9.0", mig=False)
H200 = Gpu("NVIDIA H200", 143771, "9.0", mig=False)
B200 = Gpu("NVIDIA B200", 183359, "10.0", mig=False)
RTX_5090 = Gpu("NVIDIA GeForce RTX 5090", 32607, "12.0")
V100 = Gpu("Tesla V100-SXM2-32GB", 32510, "7.0")
GTX_1080_TI = Gpu("NVIDIA GeForce GTX 1080 Ti", 11264, "6.1")
RTX_3090 = Gpu("NVIDIA GeForce RTX 3090", 24576, "8.6")
SWITCHES = (("0x068000", "nvidia-nvswitch"),) * 4
MACHINES: dict[str, tuple[list[str], Build]] = {}


def machine(*expected: str) -> Callable[[Build], Build]:
    """Put a machine into the table: its name is the function's, `expected` all its findings."""

    def add(build: Build) -> Build:
        MACHINES[build.__name__] = (list(expected), build)
        return build

    return add


def gone(machine: Simulated, *starts: str) -> Simulated:
    """The same without the files and links below these places."""
    machine.files = {k: v for k, v in machine.files.items() if not k.startswith(starts)}
    machine.links = {k: v for k, v in machine.links.items() if not k.startswith(starts)}
    return machine


# Healthy ones, of several generations.


@machine()
def turing_t4(shop: Workshop) -> Simulated:
    return shop.linux(TESLA_T4, driver="535.183.01")


@machine()
def volta_v100_with_the_older_build(shop: Workshop) -> Simulated:
    return shop.linux(V100)


@machine()
def pascal_1080_ti_with_the_older_build(shop: Workshop) -> Simulated:
    return shop.linux(GTX_1080_TI)


@machine()
def ampere_3090_pair(shop: Workshop) -> Simulated:
    return shop.linux(RTX_3090, RTX_3090)


@machine()
def ada_4090(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090)


@machine()
def hopper_h100(shop: Workshop) -> Simulated:
    return shop.linux(H100)


@machine()
def blackwell_5090(shop: Workshop) -> Simulated:
    return shop.linux(RTX_5090, driver="570.86.15", torch="2.9.1+cu128")


@machine()
def hgx_h200_with_its_fabric_manager(shop: Workshop) -> Simulated:
    bus = (*(("0x030200", "nvidia"),) * 8, *SWITCHES)
    built = shop.linux(*(H200,) * 8, bus=bus, fabric=3)
    built.files |= {"/run/nvidia-fabricmanager/nv-fabricmanager.pid": "812\n", "/proc/812/comm": ""}
    return built


@machine()
def a100_with_mig_switched_off(shop: Workshop) -> Simulated:
    return shop.linux(A100)


@machine("GPU008 note")
def a100_divided_in_seven(shop: Workshop) -> Simulated:
    return shop.linux(replace(A100, mig=7))


@machine()
def driver_told_by_nvidia_smi_alone(shop: Workshop) -> Simulated:
    built = shop.smi(shop.linux(RTX_4090), RTX_4090)
    built.nvml = None
    return built


# A driver that does not fit, or does not work.


@machine("DRV008 error")
def driver_too_old(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, driver="520.61.05")


@machine("DRV008 error")
def driver_too_old_for_cuda_13(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, torch="2.9.1+cu130")


@machine("DRV004 error")
def module_of_another_version(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, driver="550.90.07", kernel=DRIVER, init=18)


@machine("DRV004 error")
def module_of_another_version_by_nvidia_smi(shop: Workshop) -> Simulated:
    built = shop.smi(shop.linux(RTX_4090), RTX_4090, fail="mismatch")
    built.nvml = None
    return built


@machine("DRV007 warning")
def nvml_says_another_version_than_the_module(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, driver="550.90.07", kernel=DRIVER)


@machine("DRV005 error")
def driver_not_loaded(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, kernel="", bus=[("0x030000", "")], init=9)


@machine("DRV005 error")
def nvidia_smi_without_a_module(shop: Workshop) -> Simulated:
    built = shop.smi(shop.linux(RTX_4090, kernel="", bus=[("0x030000", "")]), fail="no-driver")
    built.nvml = None
    return built


@machine("DRV006 error")
def nvml_uninitialised(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, init=1)


@machine("DRV006 error")
def nvml_unknown_error(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, init=999)


@machine("DRV006 error")
def nvml_crashes(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, crash=True)


@machine("DRV006 error")
def nvml_hangs(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, hang=True)


@machine()
def nvml_crashes_and_nvidia_smi_answers(shop: Workshop) -> Simulated:
    return shop.smi(shop.linux(RTX_4090, crash=True), RTX_4090)


@machine("DRV003 error")
def nvml_missing_beside_a_loaded_module(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090)
    built.nvml = None
    return built


@machine("DRV003 error")
def nouveau_holds_the_gpu(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090, kernel="", module="nouveau")
    built.nvml = None
    return built


@machine("DRV003 error")
def gpu_without_any_driver(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090, kernel="", module="")
    built.nvml = None
    return built


@machine("GPU001 warning")
def no_gpu_at_all(shop: Workshop) -> Simulated:
    built = shop.linux(kernel="")
    built.nvml = None
    return built


@machine("DRV011 error")
def nvml_denies_permission(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, init=4)


@machine("DRV011 error")
def device_files_of_another_group(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090)
    built.unwritable = {"/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"}
    return built


@machine()
def a_job_that_got_one_of_two_gpus(shop: Workshop) -> Simulated:
    """NVML lists both and denies the other one: what a batch system does is no fault."""
    return shop.linux(A100, replace(A100, code=4))


@machine("DRV015 error")
def one_gpu_is_lost(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, replace(RTX_4090, code=15))


@machine("DRV015 error")
def the_only_gpu_is_lost(shop: Workshop) -> Simulated:
    return shop.linux(replace(RTX_4090, code=15))


@machine("DRV014 warning")
def no_uvm_and_nothing_that_makes_it(shop: Workshop) -> Simulated:
    return gone(shop.linux(RTX_4090, nodes=("nvidiactl",)), "/usr/bin/nvidia-modprobe")


@machine()
def no_uvm_before_the_first_cuda_program(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, nodes=("nvidiactl",))


# Servers joined by NVSwitch.


@machine("DRV012 error")
def hgx_h200_without_a_fabric_manager(shop: Workshop) -> Simulated:
    bus = (*(("0x030200", "nvidia"),) * 8, *SWITCHES)
    return shop.linux(*(H200,) * 8, bus=bus)


@machine("DRV012 error")
def hgx_h200_with_a_stopped_fabric_manager(shop: Workshop) -> Simulated:
    bus = (*(("0x030200", "nvidia"),) * 8, *SWITCHES)
    built = shop.linux(*(H200,) * 8, bus=bus, fabric=1)
    built.files["/usr/bin/nv-fabricmanager"] = ""
    return built


@machine("DRV012 error")
def b200_whose_fabric_only_nvml_tells(shop: Workshop) -> Simulated:
    return shop.linux(*(B200,) * 8, driver="570.133.20", torch="2.9.1+cu128", fabric=1)


@machine("DRV012 warning")
def hgx_h200_whose_fabric_is_being_set_up(shop: Workshop) -> Simulated:
    bus = (*(("0x030200", "nvidia"),) * 8, *SWITCHES)
    built = shop.linux(*(H200,) * 8, bus=bus, fabric=2)
    built.files |= {"/run/nvidia-fabricmanager/nv-fabricmanager.pid": "812\n", "/proc/812/comm": ""}
    return built


# What a program is allowed to see.


@machine("GPU007 error")
def a100_with_mig_and_no_instance(shop: Workshop) -> Simulated:
    return shop.linux(replace(A100, mig=0))


@machine("GPU007 warning", "GPU008 note")
def one_of_two_a100_without_an_instance(shop: Workshop) -> Simulated:
    return shop.linux(replace(A100, mig=0), replace(A100, mig=2))


@machine("GPU002 warning")
def cuda_visible_devices_empty(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090)
    built.environ["CUDA_VISIBLE_DEVICES"] = ""
    return built


@machine("GPU002 warning")
def cuda_visible_devices_minus_one(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090)
    built.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    return built


@machine("GPU006 warning")
def cuda_visible_devices_out_of_range(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090, RTX_4090)
    built.environ["CUDA_VISIBLE_DEVICES"] = "0,7,1"
    return built


@machine("GPU002 warning")
def cuda_visible_devices_with_the_uuid_of_none(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090)
    built.environ["CUDA_VISIBLE_DEVICES"] = "GPU-ffffffff"
    return built


@machine()
def cuda_visible_devices_with_the_start_of_a_uuid(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090)
    built.environ["CUDA_VISIBLE_DEVICES"] = "GPU-0000"
    return built


@machine("GPU004 error")
def mixed_gpus_of_which_one_is_too_old(shop: Workshop) -> Simulated:
    return shop.linux(RTX_4090, GTX_1080_TI, driver="580.65.06", torch="2.9.1+cu130")


@machine("GPU003 error")
def gpu_newer_than_torch(shop: Workshop) -> Simulated:
    return shop.linux(RTX_5090, driver="570.86.15")


# Containers, WSL, boards.


def in_docker(built: Simulated) -> Simulated:
    built.files["/.dockerenv"] = ""
    return gone(built, "/usr/bin/nvidia-modprobe")


@machine()
def container_with_gpu(shop: Workshop) -> Simulated:
    return in_docker(shop.linux(RTX_4090))


@machine("DRV002 error")
def container_without_devices(shop: Workshop) -> Simulated:
    built = gone(in_docker(shop.linux(RTX_4090)), "/dev/nvidia")
    built.nvml = None
    return built


@machine("DRV014 error")
def container_with_hand_picked_devices(shop: Workshop) -> Simulated:
    return in_docker(shop.linux(RTX_4090, nodes=("nvidiactl",)))


@machine("HOST008 warning")
def container_with_two_gpus_and_64_mb_of_shared_memory(shop: Workshop) -> Simulated:
    built = in_docker(shop.linux(RTX_4090, RTX_4090))
    built.spaces["/dev/shm"] = Space(64 * 2**20, 64 * 2**20, writable=True)
    return built


@machine("DRV013 error")
def container_image_with_cuda_compat_on_a_geforce(shop: Workshop) -> Simulated:
    built = in_docker(shop.linux(RTX_4090))
    built.files["/usr/local/cuda/compat/libcuda.so.560.35.05"] = ""
    built.links["/usr/local/cuda/compat/libcuda.so.1"] = "libcuda.so.560.35.05"
    built.environ["LD_LIBRARY_PATH"] = "/usr/local/cuda/compat"
    return built


@machine("DRV013 error")
def cuda_compat_older_than_the_driver(shop: Workshop) -> Simulated:
    built = in_docker(shop.linux(H100))
    built.files["/usr/local/cuda/compat/libcuda.so.535.104.05"] = ""
    built.links["/usr/local/cuda/compat/libcuda.so.1"] = "libcuda.so.535.104.05"
    built.files["/etc/ld.so.conf.d/00-cuda-compat.conf"] = "/usr/local/cuda/compat\n"
    return built


@machine("DRV008 warning")
def cuda_compat_on_a_data_centre_gpu(shop: Workshop) -> Simulated:
    built = in_docker(shop.linux(H100, driver="535.183.01", torch="2.9.1+cu130"))
    built.files["/usr/local/cuda/compat/libcuda.so.580.65.06"] = ""
    built.links["/usr/local/cuda/compat/libcuda.so.1"] = "libcuda.so.580.65.06"
    built.environ["LD_LIBRARY_PATH"] = "/usr/local/cuda/compat"
    return built


def in_wsl(built: Simulated, release: str = "5.15.167.4-microsoft-standard-WSL2") -> Simulated:
    built.release = release
    built = gone(built, "/sys/bus/pci", "/proc/driver", "/sys/module", "/dev/nvidia")
    built.files["/dev/dxg"] = ""
    return built


@machine()
def wsl_2(shop: Workshop) -> Simulated:
    return in_wsl(shop.linux(RTX_4090, driver="560.94"))


@machine("DRV010 error")
def wsl_2_with_its_library_off_the_path(shop: Workshop) -> Simulated:
    built = in_wsl(shop.linux(RTX_4090, driver="560.94"))
    built.files["/usr/lib/wsl/lib/libnvidia-ml.so.1"] = ""
    built.has_library = lambda name: False  # type: ignore[method-assign]
    return built


@machine("DRV001 warning")
def wsl_1(shop: Workshop) -> Simulated:
    built = in_wsl(shop.linux(kernel=""), "4.4.0-19041-Microsoft")
    built.nvml = None
    return built


@machine("GPU003 warning")
def gb10_just_above_the_list(shop: Workshop) -> Simulated:
    return shop.linux(GB10, driver="580.65.06", torch="2.9.1+cu130")


def jetson(shop: Workshop, torch: str) -> Simulated:
    built = shop.linux(kernel="", torch=torch, arch="aarch64")
    built.nvml = None
    built.release = "5.15.148-tegra"
    built.files |= {
        "/dev/nvmap": "",
        "/etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n",
        "/proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
    }
    return built


@machine("TORCH003 error")
def jetson_with_the_generic_cpu_wheel(shop: Workshop) -> Simulated:
    return jetson(shop, "2.9.1+cpu")


@machine("GPU003 error")
def jetson_with_a_generic_cuda_wheel(shop: Workshop) -> Simulated:
    return jetson(shop, "2.9.1+cu126")


# Toolkits, compilers and libraries.


def with_toolkit(built: Simulated, version: str, gcc: int | None = None) -> Simulated:
    place = f"/usr/local/cuda-{version}"
    built.files |= {
        f"{place}/version.json": f'{{"cuda": {{"version": "{version}.0"}}}}',
        f"{place}/bin/nvcc": "",
    }
    if gcc:
        header = f"#if defined(__GNUC__)\n#if __GNUC__ > {gcc}\n#error\n#endif\n#endif\n"
        built.files[f"{place}/include/crt/host_config.h"] = header
    built.links["/usr/local/cuda"] = f"cuda-{version}"
    return built


@machine()
def toolkit_of_the_same_cuda(shop: Workshop) -> Simulated:
    return with_toolkit(shop.linux(RTX_4090), "12.4", gcc=13)


@machine("CUDA002 warning", "CUDA003 warning")
def toolkit_that_knows_neither_torch_nor_gpu(shop: Workshop) -> Simulated:
    return with_toolkit(shop.linux(RTX_4090), "11.5")


@machine("CUDA004 warning")
def gcc_newer_than_the_toolkits_own_header(shop: Workshop) -> Simulated:
    built = with_toolkit(shop.linux(RTX_4090), "12.4", gcc=13)
    built.answers["/usr/bin/gcc -dumpfullversion -dumpversion"] = "14.2.0\n"
    return built


@machine("CUDA001 warning")
def cuda_home_that_points_to_nothing(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090)
    built.environ["CUDA_HOME"] = "/usr/local/cuda-11.8"
    return built


@machine("CUDA005 warning", "CUDA006 warning")
def slim_image_without_compiler_and_headers(shop: Workshop) -> Simulated:
    built = gone(in_docker(shop.linux(RTX_4090)), "/usr/include")
    built.programs = {}
    return built


@machine("CUDA009 warning")
def ld_library_path_with_an_older_nvjitlink(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090)
    place = "/opt/cuda-12.1/lib64"
    for name, version in (("nvJitLink", "12.1.105"), ("cublasLt", "12.1.3.1")):
        built.files[f"{place}/lib{name}.so.{version}"] = ""
        built.links[f"{place}/lib{name}.so.12"] = f"lib{name}.so.{version}"
    built.environ["LD_LIBRARY_PATH"] = f"{place}:/nowhere"
    built.files |= dist_info(
        SITE, "nvidia_nvjitlink_cu12", "12.6.85", tag="py3-none-manylinux2014_x86_64"
    )
    return built


@machine("CUDA010 note")
def libcuda_without_its_plain_name(shop: Workshop) -> Simulated:
    built = shop.linux(RTX_4090)
    del built.files["/usr/lib/x86_64-linux-gnu/libcuda.so"]
    return built


def test_there_are_at_least_thirty_machines() -> None:
    assert len(MACHINES) >= 30


@pytest.mark.parametrize("name", MACHINES)
def test_the_doctor_finds_what_is_wrong_with_the_machine(
    name: str, fake_nvml: Path, tmp_path: Path
) -> None:
    expected, build = MACHINES[name]
    machine = look_at(build(Workshop(fake_nvml, tmp_path)))
    assert machine.notes == ()
    assert machine.environment.path == ENV
    verdicts = run_checks(Case(machine))
    findings = [finding for verdict in verdicts for finding in verdict.findings]
    assert [f"{finding.code} {finding.severity}" for finding in findings] == expected
    assert [verdict for verdict in verdicts if verdict.outcome == "crash"] == []
    assert all(finding.remedy or finding.severity == "note" for finding in findings)
