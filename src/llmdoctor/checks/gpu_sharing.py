"""GPU: what of the hardware a program is allowed to see: CUDA_VISIBLE_DEVICES and MIG."""

from __future__ import annotations

from llmdoctor.checks._facts import requires_gpu
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import unset
from llmdoctor.finding import Remedy
from llmdoctor.visible import unknown_entry, visible


@check(
    "GPU006",
    cause="cuda-visible-devices-hides-gpus",
    severity="warning",
    readers=("nvidia", "variables"),
)
def gpu_misnamed(case: Case) -> Answer:
    """CUDA_VISIBLE_DEVICES names a GPU that is not there.

    What: Compares each entry with the numbers and UUIDs of the GPUs.

    Why: CUDA reads the entries up to the first that names no GPU, and drops the rest without a
    word. So "0,9,1" leaves one GPU, and torch counts fewer than nvidia-smi.

    Remedy: Correct the entry: `nvidia-smi -L` lists numbers and UUIDs.

    Known problems: In a container or a batch job the numbers count the GPUs that it was given.
    """
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    if "CUDA_VISIBLE_DEVICES" not in case.machine.variables or not case.machine.nvidia.gpus:
        return Skip("CUDA_VISIBLE_DEVICES is not set, or there is no GPU")
    entry = unknown_entry(case.machine)
    if entry is None:
        return None
    left = visible(case.machine).gpus
    if not left:
        return Skip("follows from CUDA_VISIBLE_DEVICES, which hides every GPU")
    return finding(
        gpu_misnamed,
        f"The entry {entry} names no GPU here: it and what stands after it are ignored, and "
        f"{len(left)} of {len(case.machine.nvidia.gpus)} GPUs are seen.",
        evidence=tuple(f"seen: GPU {gpu.index} {gpu.name}" for gpu in left),
        remedy=unset(case, "CUDA_VISIBLE_DEVICES"),
    )


@check("GPU007", cause="mig-without-instances", readers=("nvidia",))
def mig_without_instances(case: Case) -> Answer:
    """MIG is on, and the GPU is not divided.

    What: Asks NVML whether MIG is on and how many instances there are.

    Why: A GPU with MIG on is used through its instances alone. Without one CUDA finds no device,
    although nvidia-smi lists the GPU.

    Remedy: Make an instance (`sudo nvidia-smi mig -cgi 0 -C`), or switch MIG off.

    Known problems: Instances are gone after a restart, unless a service makes them again.
    """
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    gpus = visible(case.machine).gpus
    divided = [gpu for gpu in gpus if gpu.mig]
    if not divided:
        return Skip("no GPU has MIG on")
    if all(gpu.mig_devices is None for gpu in divided):
        return Skip("the number of MIG instances is not known")
    empty = [gpu for gpu in divided if gpu.mig_devices == 0]
    if not empty:
        return None
    every = len(empty) == len(gpus)
    numbers = ",".join(str(gpu.index) for gpu in empty)
    return finding(
        mig_without_instances,
        "No program sees "
        + ("a GPU" if every else f"{len(empty)} of the {len(gpus)} GPUs")
        + ": MIG divides it into instances, and there is none.",
        severity="error" if every or requires_gpu(case) else "warning",
        evidence=tuple(f"GPU {gpu.index} {gpu.name}: MIG on, no instance" for gpu in empty),
        remedy=Remedy(
            f"Make an instance: `sudo nvidia-smi mig -i {numbers} -cgi 0 -C` (0 is the whole "
            f"GPU); or switch MIG off: `sudo nvidia-smi -i {numbers} -mig 0`."
        ),
        url="https://docs.nvidia.com/datacenter/tesla/mig-user-guide/",
    )


@check("GPU008", cause=None, severity="note", readers=("nvidia",))
def mig_instances(case: Case) -> Answer:
    """A program sees one MIG instance, not the whole GPU.

    What: Tells how many instances the GPUs are divided into.

    Why: CUDA gives a process one instance, with its share of the memory. Several cannot be used
    together, and NCCL does not work between them.

    Remedy: None is needed while it is meant; CUDA_VISIBLE_DEVICES with a MIG UUID chooses one.

    Known problems: The memory that is listed for the GPU is that of the whole.
    """
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    divided = [gpu for gpu in visible(case.machine).gpus if gpu.mig and gpu.mig_devices]
    if not divided:
        return Skip("no GPU is divided by MIG")
    return finding(
        mig_instances,
        "Each process gets one instance with its share of the memory.",
        evidence=tuple(f"GPU {g.index} {g.name}: {g.mig_devices} instances" for g in divided),
        remedy=Remedy("`nvidia-smi -L` lists the instances' UUIDs, for CUDA_VISIBLE_DEVICES."),
    )
