"""DRV: a driver that is loaded and listed, and in whose way something stands all the same."""

from __future__ import annotations

from llmdoctor.checks._access import (
    access_or_skip,
    says,
    too_old,
    trouble,
    unseen,
    why_no_gpu,
)
from llmdoctor.checks._facts import (
    driver_floor_unmet,
    driver_os,
    driver_readings,
    errors_said,
    hardware_seen,
    usable_torch,
)
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Machine, Torch
from llmdoctor.visible import visible

FABRIC_GUIDE = "https://docs.nvidia.com/datacenter/tesla/fabric-manager-user-guide/"
_REFUSED = ("is_available() is false", "no cuda gpus are available", "cudagetdevicecount",
            "cuda driver initialization failed", "can't initialize nvml",
            "operation not supported on this os")  # fmt: skip


@check("DRV011", cause="device-files-denied")
def device_files_denied(case: Case) -> Answer:
    """This user may not open the NVIDIA device files.

    What: Looks whether the files /dev/nvidia* that every CUDA program opens may be written, and
    recognises the words of NVML for missing permission.

    Why: A program that may not open them sees no GPU, while root sees all of them. Usually a
    group owns them (video, render), or a container was given the files and not the right.

    Remedy: Join the group that owns the files, and log in again. Do not run models as root.

    Known problems: The rights of a file say nothing of a container's device rules, which refuse an
    open all the same.
    """
    access = access_or_skip(case)
    if isinstance(access, Skip):
        return access
    denied = case.machine.nvidia.denied
    if not denied and trouble(case.machine) != "denied":
        unread = case.machine.note("library")
        return Skip("the device files were not looked at") if unread else None
    inside = case.machine.host.container
    return finding(
        device_files_denied,
        "The driver is loaded, and its device files belong to somebody else: torch sees no GPU.",
        evidence=(*(f"not writable: {node}" for node in denied), *errors_said(case.machine)),
        where=denied[0] if denied else None,
        remedy=Remedy(
            "Start the container so that it gets the right to the devices: `--gpus all` rather "
            "than `--device`, or `--group-add` with the group that owns them."
            if inside
            else "`ls -l /dev/nvidia*` shows the group that owns them; join it "
            "(`sudo usermod -aG video $USER`, or render), and log in again."
        ),
    )


@check("DRV012", cause="fabricmanager-802")
def fabric_not_ready(case: Case) -> Answer:
    """The GPUs wait for NVIDIA's fabric manager.

    What: Looks for NVSwitches on the bus, for the fabric manager, and at what NVML says of the
    fabric; recognises error 802.

    Why: On servers whose GPUs are joined by NVSwitch (HGX and DGX with A100, H100, H200, B200) no
    CUDA program starts before that service has set the switches up: "system not yet initialized".
    nvidia-smi works all the same.

    Remedy: Install the nvidia-fabricmanager package of exactly the driver's version, and start it.

    Known problems: In a container the host's service cannot be seen, and the switches of B200 are
    not on the PCI bus: there only NVML tells. A fabric that is being set up takes some minutes.
    """
    access = access_or_skip(case)
    if isinstance(access, Skip):
        return access
    machine, nvidia = case.machine, case.machine.nvidia
    said = trouble(machine) == "fabric"
    unready = nvidia.fabric is None and not machine.host.container and nvidia.nvswitches > 0
    waits = nvidia.fabric in ("not started", "in progress")
    if not said and not waits and not (unready and nvidia.fabric_manager in ("stopped", "absent")):
        unread = nvidia.fabric is None and machine.note("pci")
        return Skip("the PCI bus was not looked at") if unread else None
    driver = nvidia.driver_version
    branch = (driver or "").partition(".")[0]
    state = {
        "absent": "is not installed",
        "stopped": "is installed and does not run",
        "running": "runs, and has not finished",
    }.get(nvidia.fabric_manager or "", "is not ready, or not there")
    way = "on the host of this container: " if machine.host.container else ""
    way += (
        "wait some minutes; then `sudo systemctl restart nvidia-fabricmanager`, and look at "
        "`journalctl -u nvidia-fabricmanager`."
        if nvidia.fabric_manager == "running"
        else f"install nvidia-fabricmanager{f'-{branch}' if branch else ''} of the driver's own "
        f"version{f' ({driver})' if driver else ''}, then "
        "`sudo systemctl enable --now nvidia-fabricmanager`."
    )
    return finding(
        fabric_not_ready,
        f"The GPUs are joined by NVSwitch, and the fabric manager {state}: CUDA fails with error "
        "802, system not yet initialized.",
        severity="warning" if nvidia.fabric_manager == "running" and not said else "error",
        evidence=(
            *((f"{nvidia.nvswitches} NVSwitches on the PCI bus",) if nvidia.nvswitches else ()),
            *((f"fabric: {nvidia.fabric} (NVML)",) if nvidia.fabric else ()),
            *driver_readings(machine),
            *errors_said(machine),
        ),
        remedy=Remedy(way[:1].upper() + way[1:]),
        url=FABRIC_GUIDE,
    )


@check("DRV014", cause="cuda-unknown-error-999")
def uvm_missing(case: Case) -> Answer:
    """CUDA cannot reach nvidia-uvm.

    What: Looks for /dev/nvidia-uvm on a machine whose driver is loaded; recognises error 999.

    Why: NVML and nvidia-smi do without it, CUDA does not: every program ends in "unknown error"
    (999). The module is missing after a start without a display, is left in a bad state by a
    suspended laptop or an update of the driver, and a container lacks the file that it was not
    given.

    Remedy: `sudo nvidia-modprobe -u`; after a suspend unload the module and load it again. If that
    does not help, restart.

    Known problems: CUDA itself makes the file where nvidia-modprobe is installed: there a missing
    one is no fault. A module in a bad state looks healthy from outside.
    """
    access = access_or_skip(case)
    if isinstance(access, Skip):
        return access
    machine, nvidia = case.machine, case.machine.nvidia
    said = trouble(machine) == "unknown"
    if not said:
        if access != "works":
            return Skip(f"no GPU can be used: {why_no_gpu(case)}")
        if nvidia.modprobe is None or machine.host.system != "linux":
            return Skip("the device files were not looked at")
        if machine.host.wsl or any(gpu.source == "device-tree" for gpu in nvidia.gpus):
            return Skip("this system's driver has no such file")
        made = nvidia.modprobe and not machine.host.container
        if "/dev/nvidia-uvm" in nvidia.device_nodes or made:
            return None
    inside = machine.host.container is not None
    if inside and not said:
        detail = (
            "The container got a GPU, and not /dev/nvidia-uvm: no CUDA program can start in it."
        )
        way = (
            "Start it with `--gpus all` (NVIDIA Container Toolkit), or add "
            "`--device /dev/nvidia-uvm` to the other devices. On the host, `sudo nvidia-modprobe "
            "-u` makes the file."
        )
    elif said:
        detail = (
            "CUDA answers with an unknown error, although the driver is loaded: its module "
            "nvidia_uvm is missing, or in a bad state since a suspend or an update."
        )
        way = (
            "End the programs that use the GPU, then `sudo rmmod nvidia_uvm && sudo modprobe "
            "nvidia_uvm`; if that does not help, restart the machine."
        )
    else:
        detail = "The driver is loaded without nvidia_uvm, which every CUDA program opens."
        way = "`sudo modprobe nvidia_uvm && sudo nvidia-modprobe -u`, or restart the machine."
    return finding(
        uvm_missing,
        detail,
        severity="error" if said or inside else "warning",
        evidence=(
            f"device files: {', '.join(nvidia.device_nodes) or 'none'}",
            f"modules: {', '.join(nvidia.modules) or 'none seen'}",
            *errors_said(machine),
        ),
        remedy=Remedy(way),
    )


@check("DRV015", cause="gpu-lost")
def gpu_lost(case: Case) -> Answer:
    """A GPU has fallen off the bus.

    What: Recognises the words of NVML and nvidia-smi for a GPU that no longer answers.

    Why: Heat, power or a loose card made it stop. Programs on it end, and often none starts until
    it is back, on other GPUs either.

    Remedy: Restart; if it comes back, look at power and cooling. The kernel's log names the reason
    (Xid 79).

    Known problems: CUDA_VISIBLE_DEVICES with the UUIDs of the others may do until the restart.
    """
    access = access_or_skip(case)
    if isinstance(access, Skip):
        return access
    if trouble(case.machine) != "lost":
        return None
    return finding(
        gpu_lost,
        "The driver lists a GPU that no longer answers.",
        evidence=(*hardware_seen(case.machine), *errors_said(case.machine)),
        remedy=Remedy(
            "Power the machine down and start it again, then look at `sudo dmesg` for Xid 79."
        ),
    )


@check("DRV016", cause="cuda-init-error", readers=("environment",))
def cuda_refused(case: Case) -> Answer:
    """CUDA does not start, although driver and GPU are there.

    What: Takes what torch said of CUDA, where a report quotes it, after every reason that has a
    check of its own.

    Why: The driver's tools list the GPU, and CUDA's first call fails: another process holds the
    GPU alone, its memory is full, the driver is half updated, or a library hides the right one.

    Remedy: End the other programs on the GPU (`nvidia-smi` lists them), then restart.

    Known problems: A live machine is not asked here: `llmdoctor check --deep` starts CUDA. Where
    the report leaves the driver's version out, a missing or old driver is likelier than all that.
    """
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    torch, machine = usable_torch(case), case.machine
    told = tuple(item for item in machine.nvidia.errors if item.source == "torch")
    if not told:
        return Skip("nothing says how torch fared with CUDA")
    if reason := unseen(machine):
        return Skip(reason)
    if not machine.note("nvidia") and (why := why_no_gpu(case)):
        return Skip(f"follows from this: {why}")
    if trouble(machine) or machine.host.wsl == 1:
        return Skip("what torch says has a check of its own")
    if torch is None or torch.cuda is None:
        return Skip("no CUDA build of torch is installed")
    if machine.nvidia.gpus and not visible(machine).gpus:
        return Skip("follows from CUDA_VISIBLE_DEVICES, which hides every GPU")
    if driver_floor_unmet(case) or too_old(machine):
        return Skip("follows from the driver, which is too old for this torch")
    if not says(machine, _REFUSED):
        return None
    if machine.nvidia.driver_version is None:
        return _refused_without_driver(torch, machine)
    return finding(
        cuda_refused,
        "torch could not start CUDA on a machine whose driver and torch fit each other.",
        evidence=(*errors_said(machine), *driver_readings(machine)),
        remedy=Remedy(
            "See with `nvidia-smi` whether other programs fill the GPU, and end them; otherwise "
            + ("run `wsl --shutdown` in Windows." if machine.host.wsl else "restart the machine.")
        ),
    )


def _refused_without_driver(torch: Torch, machine: Machine) -> Finding:
    """A report that names no driver cannot show that one is there, or that it is new enough."""
    from llmdoctor.tables import driver_floor

    floor = driver_floor(str(torch.cuda), driver_os(machine))
    return finding(
        cuda_refused,
        "torch does not start CUDA, and the driver's version is not in the report. A driver that "
        "is missing or too old is the likeliest reason.",
        title="CUDA does not start",
        evidence=(f"torch {torch.version} (CUDA {torch.cuda})", *errors_said(machine)),
        remedy=Remedy(
            "Run `nvidia-smi`: it has to list the GPU"
            + (f", with driver {floor.version} or newer. " if floor else ". ")
            + "If it does not, install or update the driver; if it does, end the other programs "
            "on the GPU, and check again with what it prints added to the report.",
            "manual",
            (("nvidia-smi",),),
        ),
    )
