"""From what a report says to a `Machine`, with a note for each thing that it does not say.

The names of the notes are those of the probe's readers, and six finer ones that only a report can
leave out: `torch` (which build, or whether there is one), `packages` (only some are listed: absent
is unknown), `files` (the environment's files: base Python, leftovers, RECORD, requirements),
`pci` (the bus), `driver` (its version) and `library` (the driver's libraries and device files).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmdoctor.hardware import UNNAMED
from llmdoctor.ingest.facts import UNKNOWN_CUDA, Facts
from llmdoctor.machine import (
    Cpu,
    Cuda,
    Environment,
    Gpu,
    Host,
    Libc,
    Machine,
    Memory,
    Note,
    Nvidia,
    Package,
    Reading,
    Torch,
)
from llmdoctor.probe.host import wsl
from llmdoctor.redact import redact, redact_text
from llmdoctor.tables.read import numbers, read_table

UNSAID = "the report does not say"


def machine_of(facts: Facts) -> Machine:
    """Everything in its place; what names a person or a device is taken out."""
    facts = _with_build(facts)
    nvidia = _nvidia(facts)
    machine = Machine(
        host=_host(facts),
        cpu=facts.cpu or Cpu(),
        memory=Memory(total=facts.memory, shm=facts.shm),
        nvidia=nvidia,
        cuda=Cuda(
            home=facts.variables.get("CUDA_HOME"),
            nvcc="nvcc" if facts.nvcc else None,
            nvcc_version=facts.nvcc or None,
        ),
        compilers=facts.compilers,
        tools=facts.tools,
        environment=_environment(facts),
        variables=facts.variables,
    )
    notes = tuple(Note(reader, "unsaid", UNSAID) for reader in _unsaid(facts, machine))
    return redact(replace(machine, notes=notes), "")


def _unsaid(facts: Facts, machine: Machine) -> Iterator[str]:
    nvidia, environment = machine.nvidia, machine.environment
    looked = bool(
        nvidia.gpus
        or nvidia.driver
        or nvidia.pci
        or (facts.no_gpu and facts.available is not None)
        or any(item.source == "nvidia-smi" for item in nvidia.errors)
        or any("no nvidia driver" in item.value.lower() for item in nvidia.errors)
        or machine.host.system == "macos"
    )
    said = {
        "host": machine.host.system != "unknown",
        "cpu": facts.cpu is not None,
        "memory": facts.memory is not None,
        "disks": False,
        "nvidia": looked,
        "pci": bool(nvidia.pci),
        "driver": bool(nvidia.driver) or facts.no_gpu == "no CUDA",
        "library": False,
        "cuda": facts.nvcc is not None,
        "compilers": bool(facts.compilers) or facts.no_compiler is True,
        "tools": False,  # some may be named: that the others are absent is not said
        "environment": environment.kind != "missing",
        "torch": facts.torch is not None or facts.whole is True,
        "packages": facts.whole is True,
        "files": False,
        "project": False,
        "variables": facts.all_variables is True,
    }
    return (reader for reader, known in said.items() if not known)


def _host(facts: Facts) -> Host:
    system = facts.system or ("linux" if facts.libc else "unknown")
    kernel = facts.kernel if system == "linux" else None
    return Host(
        system=system,
        arch=facts.arch or "unknown",
        distribution=facts.distribution,
        distribution_version=facts.distribution_version,
        kernel=kernel,
        libc=_libc(facts) if system == "linux" else None,
        wsl=(wsl(kernel) if kernel else None) or facts.wsl,
        container=facts.container,
    )


def _libc(facts: Facts) -> Libc | None:
    """What Python and the report say of it; an old Python names one that is lower than it is."""
    rule = read_table("python")["libc"]
    version = _minor(facts.python)
    old = version is not None and version < numbers(rule["system"])
    told = None if old and facts.libc_of_python is not None else facts.libc
    if told is None and (version is None or version >= numbers(rule["platform"])):
        told = facts.libc_of_python
    elif told == rule["placeholder"] or (told and old):
        told = None
    name, _, number = (told or "").partition(" ")
    return Libc("musl" if name == "musl" else "glibc", number) if told else None


def _minor(python: str | None) -> tuple[int, int] | None:
    words = (python or "").rstrip("t").split(".")
    return (int(words[0]), int(words[1])) if len(words) > 1 and words[1].isdigit() else None


def _nvidia(facts: Facts) -> Nvidia:
    errors = tuple(Reading(item.source, redact_text(item.value, "")) for item in facts.errors)
    if facts.available is False and _is_cuda(facts.build) and not _by_torch(errors):
        errors += (Reading("torch", "torch.cuda.is_available() is False"),)
    cuda = facts.cuda
    if facts.available and _is_cuda(facts.build) and facts.build != UNKNOWN_CUDA:
        cuda += (Reading("torch.cuda.is_available", str(facts.build)),)
    return Nvidia(driver=facts.driver, cuda=cuda, gpus=_gpus(facts), pci=facts.pci, errors=errors)


def _by_torch(errors: tuple[Reading, ...]) -> bool:
    return any(item.source == "torch" for item in errors)


def _gpus(facts: Facts) -> tuple[Gpu, ...]:
    """The driver's own list before the names that torch gives; a count tells of the others."""
    listed = tuple(gpu for gpu in facts.gpus if gpu.source == "nvidia-smi")
    gpus = listed or tuple(gpu for gpu in facts.gpus if gpu.source != "nvidia-smi")
    seen = {gpu.index: gpu for gpu in reversed(gpus)}
    gpus = tuple(seen[index] for index in sorted(seen))
    if len(gpus) == 1 and facts.gpu_count:
        gpus = tuple(replace(gpus[0], index=index) for index in range(facts.gpu_count))
    if not gpus and facts.available and _is_cuda(facts.build):
        gpus = (Gpu(0, UNNAMED, source="torch"),)
    return tuple(_completed(gpu) for gpu in gpus)


def _completed(gpu: Gpu) -> Gpu:
    """A name that nvidia-smi shortened tells the capability when all that it may mean have one."""
    if not gpu.name.endswith("...") or gpu.compute_capability is not None:
        return gpu
    from llmdoctor.tables import gpu_names

    def plain(name: str) -> str:
        words = name.lower().removesuffix("...").replace("-", " ").split()
        return " ".join(word for word in words if word not in ("nvidia", "geforce", "tesla"))

    start = plain(gpu.name)
    likely = {
        cc
        for name, cc in gpu_names()
        if len(start) >= 3
        and (plain(name).startswith(start) or f"{start} ".startswith(f"{plain(name)} "))
    }
    return replace(gpu, compute_capability=likely.pop()) if len(likely) == 1 else gpu


def _is_cuda(build: str | None) -> bool:
    return bool(build) and build != "cpu" and not str(build).startswith("rocm")


def _with_build(facts: Facts) -> Facts:
    """Where no section names torch's build: what a plain `pip install torch` gives there.

    Builds from another index carry it in their version ("+cpu", "+cu126"). A GPU that torch itself
    names is proof of a CUDA build, whatever its number.
    """
    if facts.build is not None or not facts.torch:
        return facts
    from llmdoctor.tables import UnknownRelease, cuda_of_variant, pypi_default_variant

    system, arch = facts.system or "linux", facts.arch or "x86_64"
    arch = "arm64" if system == "macos" and facts.arch is None else arch
    try:
        default = pypi_default_variant(facts.torch.partition("+")[0], system, arch)
    except UnknownRelease:
        default = None
    if default is not None and default.startswith("cu"):
        return replace(facts, build=cuda_of_variant(default))
    shown = facts.available or any(gpu.source == "torch" for gpu in facts.gpus)
    if shown or (default is None and (system, arch) == ("linux", "x86_64")):
        return replace(facts, build=UNKNOWN_CUDA)
    return replace(facts, build="cpu")


def _torch(facts: Facts) -> Torch | None:
    listed = next((item for item in facts.packages if item.name == "torch"), None)
    if facts.torch is None:
        return None
    if not facts.torch:  # said not to be there by the Python that made the report
        if listed is None:
            return None
        return Torch(problem="the Python that made the report cannot import it")
    build = facts.build or ""
    return Torch(
        version=facts.torch,
        cuda=build if _is_cuda(build) else None,
        hip=build.removeprefix("rocm") if build.startswith("rocm") else None,
    )


def _environment(facts: Facts) -> Environment:
    """The patient, which no report names: conda where something says so, else taken for a venv.

    Its Python and its packages are what was reported on, so it is one of its own.
    """
    if facts.python is None and not facts.packages and facts.torch is None:
        return Environment()
    torch = _torch(facts)
    packages = facts.packages
    if torch and torch.version and not any(item.name == "torch" for item in packages):
        packages = (*packages, Package("torch", torch.version))
    return Environment(
        kind="conda" if facts.conda else "venv",
        version=facts.python,
        packages=packages,
        torch=torch,
    )
