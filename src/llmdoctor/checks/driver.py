"""DRV: the NVIDIA driver, from the kernel module to the CUDA that it speaks."""

from __future__ import annotations

from llmdoctor.checks._access import access_or_skip, gpu_access, trouble, unseen
from llmdoctor.checks._facts import (
    driver_os,
    driver_readings,
    errors_said,
    hardware_seen,
    requires_gpu,
    wants_cuda,
)
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import get_driver
from llmdoctor.checks.compat import foreign_libcuda
from llmdoctor.finding import Remedy

WSL_LIBRARIES = "/usr/lib/wsl/lib"


@check("DRV001", cause="wsl1-no-gpu", readers=("host",))
def wsl1(case: Case) -> Answer:
    """WSL version 1 cannot reach a GPU.

    What: Tells WSL 1 from WSL 2 by the kernel.

    Why: WSL 1 translates system calls and has no driver model, so no program in it sees the GPU.

    Remedy: Convert the distribution to WSL 2 from Windows: `wsl --set-version NAME 2`.

    Known problems: A distribution with a kernel of its own making may not be recognised.
    """
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    if case.machine.host.wsl != 1:
        reason = unseen(case.machine)
        return Skip(reason) if reason else None
    return finding(
        wsl1,
        "Only WSL 2 passes the GPU through; here torch can use the CPU alone.",
        severity="error" if requires_gpu(case) or wants_cuda(case) else "warning",
        evidence=("WSL version 1",),
        remedy=Remedy(
            "In Windows: `wsl --list --verbose`, then `wsl --set-version NAME 2` for this one.",
        ),
        url="https://learn.microsoft.com/windows/wsl/basic-commands",
    )


@check("DRV002", cause="container-without-gpu", readers=("host",))
def container_without_gpu(case: Case) -> Answer:
    """No GPU reaches this container.

    What: Looks for GPU device files in a container whose host shows NVIDIA hardware or a driver,
    or in which a GPU profile is wanted.

    Why: A container sees only the devices that it is given, and the driver's libraries come from
    the host at start. No package that is installed inside can change that.

    Remedy: Start it with `--gpus all` (Docker, with the NVIDIA Container Toolkit on the host),
    `--device nvidia.com/gpu=all` (Podman) or a GPU resource request (Kubernetes).

    Known problems: In a container on a host without any GPU the same is reported when a GPU
    profile is wanted: from inside the two look alike.
    """
    access = access_or_skip(case)
    if access != "container":
        return access if isinstance(access, Skip) else None
    host = case.machine.host
    seen = case.machine.nvidia.present or bool(case.machine.nvidia.driver)
    return finding(
        container_without_gpu,
        "The host has NVIDIA hardware or a driver, and no GPU device reached this container."
        if seen
        else "No GPU device and no NVIDIA library are inside this container. Whether its host "
        "has a GPU cannot be seen from here.",
        evidence=(
            f"container: {host.container}",
            *hardware_seen(case.machine),
            *driver_readings(case.machine),
        ),
        remedy=Remedy(
            "Start the container with the GPU: add `--gpus all` to docker run (with the NVIDIA "
            "Container Toolkit on the host), or `--device nvidia.com/gpu=all` to podman run.",
        ),
        url="https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/",
    )


@check("DRV003", cause="driver-missing", readers=("host",))
def driver_missing(case: Case) -> Answer:
    """There is no working NVIDIA driver.

    What: Looks for a driver on a machine whose bus shows NVIDIA hardware, or which may have it
    and on which a GPU profile is wanted.

    Why: torch brings its own CUDA libraries and never the driver. Without one,
    `torch.cuda.is_available()` is False and everything runs on the CPU or not at all.

    Remedy: Install the driver from the distribution (Linux) or from NVIDIA (Windows). The CUDA
    toolkit is not needed.

    Known problems: Secure Boot refuses an unsigned kernel module; the driver is then installed
    and still not loaded. The open nouveau driver does not run CUDA.
    """
    access = access_or_skip(case)
    if access != "missing":
        return access if isinstance(access, Skip) else None
    nvidia = case.machine.nvidia
    nouveau = any(device.driver == "nouveau" for device in nvidia.pci)
    if nvidia.driver:
        detail = "The kernel module is loaded, but the driver's libraries are not installed."
    elif nouveau:
        detail = "The GPU is held by nouveau, which does not run CUDA."
    elif nvidia.present:
        detail = "The machine has NVIDIA hardware, and nothing drives it."
    elif case.machine.cuda.nvcc_version and not requires_gpu(case):
        detail = "CUDA was installed here for a GPU, and neither a driver nor a GPU answers."
    else:
        detail = "A GPU profile is wanted, and neither a driver nor a GPU answers."
    return finding(
        driver_missing,
        f"{detail} torch cannot use the GPU.",
        evidence=(
            *hardware_seen(case.machine),
            *driver_readings(case.machine),
            *errors_said(case.machine),
        ),
        remedy=get_driver(case),
    )


@check("DRV004", cause="driver-userlib-mismatch-803")
def driver_mismatch(case: Case) -> Answer:
    """The NVIDIA kernel module and the driver's libraries do not match.

    What: Recognises the words of NVML, nvidia-smi and CUDA (error 803) for a version mismatch.

    Why: After an update of the driver's packages the old kernel module goes on running until the
    machine restarts. Every CUDA program fails meanwhile, whatever is installed in Python.

    Remedy: Restart. Nothing has to be installed again. In a container, restart the container
    once the host has been restarted, and do not install driver libraries inside.

    Known problems: Two drivers installed in different ways (.run file and packages) come back
    with the mismatch after the restart; remove one of them.
    """
    access = access_or_skip(case)
    if access != "mismatch":
        return access if isinstance(access, Skip) else None
    if foreign_libcuda(case.machine):
        return Skip("follows from a libcuda that is found before the driver's own")
    inside = case.machine.host.container is not None
    return finding(
        driver_mismatch,
        "The driver was updated while the old kernel module stayed loaded: no CUDA program "
        "can start until the machine restarts.",
        evidence=(*driver_readings(case.machine), *errors_said(case.machine)),
        remedy=Remedy(
            ("Restart the host, then this container." if inside else "Restart the machine.")
            + " Do not reinstall anything first."
        ),
    )


@check("DRV005", cause="driver-missing")
def driver_not_loaded(case: Case) -> Answer:
    """The NVIDIA driver is installed but not loaded.

    What: Recognises a driver library or nvidia-smi that finds no kernel module.

    Why: The module was not built for the running kernel (a kernel update without headers), was
    refused by Secure Boot, or the machine was not restarted after the installation.

    Remedy: Restart first. If it stays: install the kernel's headers, rebuild the module
    (`sudo dkms autoinstall`), and enrol the signing key if Secure Boot is on.

    Known problems: On a laptop that powers its GPU down the first call may fail and the second
    work.
    """
    access = access_or_skip(case)
    if access != "unloaded":
        return access if isinstance(access, Skip) else None
    windows = driver_os(case.machine) == "windows"
    return finding(
        driver_not_loaded,
        "The driver's programs are there and cannot talk to the kernel module, so torch sees "
        "no GPU.",
        evidence=(*hardware_seen(case.machine), *errors_said(case.machine)),
        remedy=Remedy(
            "Restart Windows, then install the driver again if the GPU stays away."
            if windows
            else "Restart the machine. If that does not help: install the headers of the running "
            "kernel, run `sudo dkms autoinstall`, and look at `sudo dmesg` for Secure Boot."
        ),
    )


@check("DRV006", cause="cuda-init-error")
def driver_failing(case: Case) -> Answer:
    """The NVIDIA driver answers with an error.

    What: Passes on what the driver's own tools say when they fail in a way that has no check of
    its own.

    Why: While the driver's tools fail, CUDA programs fail too.

    Remedy: Restart the machine; look at the kernel's log for lines with "NVRM" or "Xid".

    Known problems: A GPU that has fallen off the bus needs a full power cycle.
    """
    access = access_or_skip(case)
    if access != "failing":
        return access if isinstance(access, Skip) else None
    if trouble(case.machine):
        return Skip("what the driver says has a check of its own")
    return finding(
        driver_failing,
        "The GPU is there, and the driver does not give access to it.",
        evidence=(
            *hardware_seen(case.machine),
            *driver_readings(case.machine),
            *errors_said(case.machine),
        ),
        remedy=Remedy(
            "Restart the machine. On Linux, `sudo dmesg` shows the reason on lines with NVRM."
        ),
    )


@check("DRV007", cause="driver-userlib-mismatch-803", severity="warning", readers=("nvidia",))
def driver_sources_disagree(case: Case) -> Answer:
    """Two sources give different NVIDIA driver versions.

    What: Compares the versions that the kernel module, NVML and nvidia-smi give.

    Why: They belong to one driver. A difference is left by an update without a restart, by a
    second driver, or by libraries inside a container that shadow those of the host.

    Remedy: Restart. In a container, remove NVIDIA driver packages from the image.

    Known problems: The package cuda-compat brings newer CUDA libraries on purpose; it does not
    change the versions compared here.
    """
    readings = case.machine.nvidia.driver
    if len(readings) < 2:
        return Skip("fewer than two sources give the driver's version")
    if gpu_access(case) == "mismatch":
        return Skip("follows from the mismatch of kernel module and libraries")
    if len({reading.value for reading in readings}) == 1:
        return None
    return finding(
        driver_sources_disagree,
        "One driver has one version: an update waits for a restart, or two drivers are mixed.",
        evidence=driver_readings(case.machine),
        remedy=Remedy("Restart the machine, then run the check again."),
    )


@check("DRV010", cause="wsl-libcuda-not-on-path", readers=("host", "nvidia"))
def wsl_library_off_path(case: Case) -> Answer:
    """WSL's NVIDIA libraries are not on the loader's path.

    What: Tells whether the loader finds the driver's libraries by itself, or only where WSL
    mounts them.

    Why: torch loads libcuda by name. If the loader does not look into WSL's folder, torch sees no
    GPU, although nvidia-smi works.

    Remedy: Add the folder to the loader's configuration, and run ldconfig.

    Known problems: Never install an NVIDIA driver inside WSL: its libraries hide the right ones.
    """
    library = case.machine.nvidia.library or ""
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    if case.machine.host.wsl is None:
        return Skip("this is not WSL")
    if not library.startswith(WSL_LIBRARIES):
        return None
    return finding(
        wsl_library_off_path,
        f"Windows passes the driver in, and the loader does not look into {WSL_LIBRARIES}.",
        evidence=(f"NVML library {library}",),
        remedy=Remedy(
            f"`echo {WSL_LIBRARIES} | sudo tee /etc/ld.so.conf.d/ld.wsl.conf && sudo ldconfig`"
        ),
    )
