"""TORCH: the installed torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmdoctor.checks._access import gpu_access, why_no_gpu
from llmdoctor.checks._facts import release_of, requires_gpu, usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install
from llmdoctor.checks._versions import allows
from llmdoctor.finding import Remedy
from llmdoctor.visible import visible

if TYPE_CHECKING:
    from llmdoctor.plan import Choice

# What does nothing without torch: with one of these installed, a missing torch is a defect.
NEED_TORCH = ("accelerate", "bitsandbytes", "flash-attn", "peft", "torchvision", "xformers")

# What was installed for a GPU's sake: beside a CPU build of torch it is of no use.
NEED_GPU = ("bitsandbytes", "causal-conv1d", "flash-attn", "mamba-ssm", "xformers")


@check("TORCH001", cause="torch-missing", readers=("environment", "torch"))
def torch_missing(case: Case) -> Answer:
    """PyTorch is not installed.

    What: Looks for torch in the environment.

    Why: Everything in a local LLM stack stands on it. Often it is installed, but in another
    environment than the one that is active.

    Remedy: `llmdoctor install` with a profile; or point to the right environment with `--env`.

    Known problems: A torch that is only on PYTHONPATH is not seen.
    """
    environment = case.machine.environment
    if environment.kind in ("missing", "broken"):
        return Skip(f"the environment is {environment.kind}")
    if environment.torch or environment.package("torch"):
        return None
    waiting = [name for name in NEED_TORCH if environment.package(name)]
    own = environment.kind in ("venv", "conda")
    return finding(
        torch_missing,
        f"{', '.join(waiting)} cannot work without it."
        if waiting
        else "This Python has no torch, so it can run no model.",
        severity="error" if waiting or (own and case.profiles) else "note",
        evidence=(f"{len(environment.packages)} packages installed",),
        where=environment.path,
        remedy=install(case, "Install the stack that fits this machine."),
    )


@check("TORCH002", cause="torch-not-importable", readers=("environment",))
def torch_broken(case: Case) -> Answer:
    """PyTorch is installed but cannot be imported.

    What: Looks at torch's files: the version file has to be readable and the compiled part there.

    Why: An interrupted install, a full disk or an antivirus program leaves a torch that package
    tools list and Python cannot import.

    Remedy: Install it again.

    Known problems: Only the files are looked at. A library that is missing elsewhere shows up in
    `llmdoctor smoke`.
    """
    environment = case.machine.environment
    if environment.torch is None:
        if environment.package("torch") is None:
            return Skip("torch is not installed")
        problem = "the package is recorded, and its files are not there"
    elif environment.torch.problem is None:
        return None
    else:
        problem = environment.torch.problem
    return finding(
        torch_broken,
        f"Python cannot import it: {problem.rstrip('.')}.",
        evidence=(problem,),
        where=environment.path,
        remedy=install(case, "Install torch again."),
    )


@check(
    "TORCH003",
    cause="torch-cpu-wheel",
    also=("jetson-needs-nvidia-wheel", "aarch64-default-cpu-wheel"),
    readers=("nvidia", "environment"),
)
def torch_without_cuda(case: Case) -> Answer:
    """PyTorch is a CPU build on a machine with an NVIDIA GPU.

    What: Reads from torch's own version file for what it was built.

    Why: A CPU build never uses the GPU. On Windows, and on ARM Linux before torch 2.11, the
    package index gives the CPU build to a plain `pip install torch`; another package that asks
    for torch can replace a CUDA build in the same way.

    Remedy: Install a CUDA build from the PyTorch index. `--profile cpu` makes the CPU build right.

    Known problems: Builds for other makers' GPUs are reported as what they are, not as CPU.
    """
    torch = usable_torch(case)
    if torch is None or torch.version is None:
        return Skip("there is no torch that can be imported")
    if not case.wants_gpu:
        return Skip("the CPU profile wants the CPU build")
    if torch.cuda:
        return None
    if why := why_no_gpu(case):
        return Skip(f"no GPU can be used: {why}")
    if not visible(case.machine).gpus:
        return Skip("CUDA_VISIBLE_DEVICES hides every GPU")
    from llmdoctor.tables import pypi_default_variant

    host = case.machine.host
    known = release_of(torch.version)
    default = pypi_default_variant(torch.version, host.system, host.arch) if known else None
    if "tegra" in (host.kernel or ""):
        cause = "jetson-needs-nvidia-wheel"
        remedy = Remedy("Install the torch wheel that NVIDIA publishes for this JetPack release.")
    else:
        arm = host.arch == "aarch64" and default == "cpu"
        cause = "aarch64-default-cpu-wheel" if arm else "torch-cpu-wheel"
        remedy = install(case, "Replace it by the CUDA build that fits the driver and the GPU.")
    return finding(
        torch_without_cuda,
        f"torch {torch.version} is built for {torch.variant}, so the NVIDIA GPU stays idle."
        + (" It is what the package index gives here by default." if default == "cpu" else ""),
        title=None if torch.variant == "cpu" else "PyTorch is built for another maker's GPU",
        cause=cause,
        evidence=(
            f"torch {torch.version} ({torch.variant})",
            *(f"GPU {gpu.index} {gpu.name}" for gpu in case.machine.nvidia.gpus),
        ),
        where=case.machine.environment.path,
        remedy=remedy,
    )


@check("TORCH008", cause="torch-cpu-wheel", severity="note", readers=("environment",))
def cpu_build_gpu_unsaid(case: Case) -> Answer:
    """PyTorch is a CPU build, and the report speaks of no GPU.

    What: Reads from a pasted report that torch was built without CUDA, where nothing in it speaks
    of graphics hardware.

    Why: Where a GPU is meant to be used, this build is the reason that it is not; where there is
    none, the build is right. The report alone cannot tell.

    Remedy: Add `nvidia-smi` to the report, or look at the machine itself with `llmdoctor check`.

    Known problems: A report that was cut off may have lost the lines about its GPU.
    """
    torch, note = usable_torch(case), case.machine.note("nvidia")
    if torch is None or torch.variant != "cpu" or not case.wants_gpu:
        return Skip("there is no CPU build of torch, or it is wanted")
    if note is None or note.status != "unsaid" or case.machine.host.system == "macos":
        return Skip("whether there is a GPU is known")
    return finding(
        cpu_build_gpu_unsaid,
        f"torch {torch.version} never uses a GPU.",
        evidence=(f"torch {torch.version} ({torch.variant})",),
        remedy=Remedy("See whether there is an NVIDIA GPU.", "safe", (("nvidia-smi",),)),
    )


@check("TORCH004", cause=None, severity="note", readers=("environment",))
def torch_unknown(case: Case) -> Answer:
    """This torch release is not in the table.

    What: Looks the installed torch up in llmdoctor's table of releases.

    Why: Without a row it is not known which GPUs, Pythons and drivers the build supports. The
    checks that need it are skipped instead of guessed.

    Remedy: None is needed if it works: `llmdoctor smoke` proves it by running.

    Known problems: Nightly, vendor and self-made builds are never in the table.
    """
    torch = usable_torch(case)
    if torch is None or torch.version is None:
        return Skip("there is no torch that can be imported")
    if release_of(torch.version):
        return None
    from llmdoctor.tables import table_date

    return finding(
        torch_unknown,
        f"torch {torch.version} is not in the table of {table_date('torch')}: whether it fits "
        "the GPU and the driver is unknown.",
        evidence=(f"torch {torch.version}",),
        remedy=Remedy("Prove it by running.", "safe", (("llmdoctor", "smoke"),)),
    )


@check("TORCH005", cause=None, severity="warning", readers=("environment",))
def torch_not_wanted(case: Case) -> Answer:
    """The installed torch is not the one of the wanted profile.

    What: Compares version and build of the installed torch with what the profile chose here.

    Why: The other packages of the profile were chosen for its torch; compiled extensions fit one
    torch release and one CUDA only.

    Remedy: Install the profile.

    Known problems: A newer torch often works. The profile is what was proven together.
    """
    torch, choice = usable_torch(case), case.choice
    if torch is None or torch.version is None:
        return Skip("there is no torch that can be imported")
    if choice is None or choice.torch is None or choice.variant is None:
        return Skip("no profile was asked for, or none fits")
    same_release = torch.version.partition("+")[0] == choice.torch
    if same_release and torch.variant == choice.variant:
        return None
    if same_release and torch.variant and _serves_as_well(torch.variant, choice):
        return finding(
            torch_not_wanted,
            f"The profile's first choice is torch {choice.torch} ({choice.variant}); the "
            f"{torch.variant} build of it is installed, and it serves this GPU and driver as well.",
            severity="note",
            evidence=(f"torch {torch.version} ({torch.variant})",),
        )
    if choice.variant != torch.variant == "cpu" and gpu_access(case) == "works":
        return Skip("follows from the CPU build of torch")
    return finding(
        torch_not_wanted,
        f"The profile uses torch {choice.torch} ({choice.variant}); torch {torch.version} "
        f"({torch.variant}) is installed.",
        severity="warning" if requires_gpu(case) or not same_release else "note",
        evidence=(f"torch {torch.version} ({torch.variant})",),
        remedy=install(case, "Install the profile."),
    )


def _serves_as_well(variant: str, choice: Choice) -> bool:
    """Whether another CUDA build of the chosen torch goes with the GPUs and the driver.

    An install takes such a build where the place of the first choice cannot be reached. What is
    compiled for one build is judged by itself (EXT).
    """
    target = choice.target
    if not variant.startswith("cu") or not target.gpus:
        return False
    from llmdoctor.resolve.builds import serves
    from llmdoctor.resolve.drivers import against_driver
    from llmdoctor.tables import torch_release

    release = torch_release(str(choice.torch))
    return against_driver(variant, variant, target) is None and all(
        gpu.compute_capability
        and serves(release, variant, target.os, target.arch, gpu.compute_capability)
        for gpu in target.gpus
    )


@check("TORCH006", cause=None, severity="warning", readers=("environment",))
def allocator_settings(case: Case) -> Answer:
    """The allocator's settings do not reach this torch.

    What: Looks which of PYTORCH_ALLOC_CONF and PYTORCH_CUDA_ALLOC_CONF is set, and whether the
    installed torch reads it.

    Why: torch 2.9 renamed the variable. Older releases know the former name only, and the first
    that know the new one do not apply expandable_segments from it on CUDA: the setting that was to
    prevent "out of memory" is then ignored without a word.

    Remedy: Set the name that this torch reads. Both names with one value are right everywhere.

    Known problems: Some releases from 2.9 on warn that the former name is deprecated; it works.
    """
    torch, variables = usable_torch(case), case.machine.variables
    new, old = variables.get("PYTORCH_ALLOC_CONF"), variables.get("PYTORCH_CUDA_ALLOC_CONF")
    if torch is None or torch.version is None or torch.cuda is None:
        return Skip("no CUDA build of torch is installed")
    if new is None:
        return None if old is not None else _without(case, "PYTORCH_ALLOC_CONF is not set")
    from llmdoctor.tables.read import read_table

    rule = read_table("torch")["allocator"]
    unread = allows(f"<{rule['since']}", torch.version)
    partly = allows(rule["partly"], torch.version) and "expandable_segments" in new
    if old == new or not (unread or partly or old is not None):
        return None
    if old is not None:
        detail = "Both names are set, to different values: which one counts depends on the torch."
    elif unread:
        detail = (
            f"torch {torch.version} does not read PYTORCH_ALLOC_CONF (from {rule['since']} on)."
        )
    else:
        detail = f"torch {torch.version} takes expandable_segments from the former name only."
    return finding(
        allocator_settings,
        detail,
        evidence=(
            f"PYTORCH_ALLOC_CONF={new}",
            *((f"PYTORCH_CUDA_ALLOC_CONF={old}",) if old is not None else ()),
            f"torch {torch.version}",
        ),
        remedy=Remedy(
            f"Set PYTORCH_CUDA_ALLOC_CONF to {new!r} as well." if old is None else "Keep one value."
        ),
    )


@check("TORCH007", cause="torch-cpu-wheel", severity="warning", readers=("environment",))
def gpu_packages_on_cpu_torch(case: Case) -> Answer:
    """Packages for the GPU are installed beside a CPU build of PyTorch.

    What: Looks for flash-attn, xFormers, bitsandbytes and Mamba's kernels beside a CPU build.

    Why: They were installed for a GPU, and with this torch they are of no use: they do not import,
    or they say that they were "compiled without GPU support".

    Remedy: Install a CUDA build of torch, or ask for the CPU profile.

    Known problems: bitsandbytes can do some of its work on the CPU.
    """
    torch, environment = usable_torch(case), case.machine.environment
    if torch is None or torch.variant != "cpu" or not case.wants_gpu:
        return Skip("there is no CPU build of torch, or it is wanted")
    found = [package for name in NEED_GPU if (package := environment.package(name))]
    if not found or case.machine.host.system == "macos":
        return None
    if gpu_access(case) == "works":
        return Skip("follows from the CPU build of torch (TORCH003)")
    return finding(
        gpu_packages_on_cpu_torch,
        f"torch {torch.version} never uses a GPU, and these need one.",
        evidence=tuple(f"{package.name} {package.version}" for package in found),
        where=environment.path,
        remedy=install(case, "Install the build of torch that fits this machine."),
    )


def _without(case: Case, reason: str) -> Skip | None:
    """A variable that is not there: no fault, unless nobody could look."""
    note = case.machine.note("variables")
    return Skip(f"could not look: {note.detail}") if note else Skip(reason)
