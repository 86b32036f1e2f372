"""What installed packages ask of each other: the requirements in their metadata, judged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from llmdoctor.checks._versions import allows, split_requirement
from llmdoctor.machine import Environment, Machine, Package

# Without what these ask for, no model is loaded: they check it on import, or fail in it.
CORE = frozenset(
    ("transformers", "peft", "accelerate", "tokenizers", "torchvision", "torchaudio", "xformers")
)
# Others that bind the versions of the same stack.
JUDGED = CORE | {
    "autoawq", "bitsandbytes", "causal-conv1d", "datasets", "deepspeed", "diffusers", "flash-attn",
    "gptqmodel", "hqq", "huggingface-hub", "kernels", "mamba-ssm", "mistral-common", "optimum",
    "retention", "safetensors", "sentence-transformers", "timm", "torch", "trl", "unsloth", "vllm",
}  # fmt: skip
# On what they are judged: each other, and what Transformers checks when it is imported.
ON = frozenset(
    (
        "accelerate", "bitsandbytes", "datasets", "einops", "filelock", "fsspec", "huggingface-hub",
        "kernels", "mistral-common", "numpy", "packaging", "peft", "pyyaml", "regex", "requests",
        "safetensors", "tokenizers", "torch", "torchaudio", "torchvision", "tqdm", "transformers",
        "triton", "xformers",
    )
)  # fmt: skip


class Unmet(NamedTuple):
    """A requirement that what is installed does not meet; `found` is None where it is missing."""

    package: Package
    name: str
    specifier: str
    found: Package | None


def unmet(machine: Machine) -> Iterator[Unmet]:
    """Every judged requirement that is not met.

    torch's absence is left out, and so is that of all that torch itself asks for but CUDA's
    libraries: Triton is missing by design on some platforms.
    """
    environment = machine.environment
    variables = _markers(machine)
    for package in environment.packages:
        if package.name not in JUDGED:
            continue
        for name, specifier in requirements(package, variables):
            found = environment.package(name)
            if found is None and not _missed(package.name, name):
                continue
            if found is None or allows(specifier, found.version) is False:
                yield Unmet(package, name, specifier, found)


def requirements(package: Package, variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The judged requirements that apply in this environment: (normalised name, specifier)."""
    for text in package.requires:
        name = _name(text)
        if name not in ON and not _is_library(package.name, name):
            continue  # its marker may take a parser, which costs more than every check
        found = split_requirement(text, variables)
        if found:
            yield found


def pins_torch(machine: Machine, package: Package) -> bool:
    """Whether the package's own metadata names the torch that it was made for."""
    found = dict(requirements(package, _markers(machine)))
    return "==" in found.get("torch", "")


def of_environment(environment: Environment, *names: str) -> tuple[Package, ...]:
    """The installed ones of these packages."""
    return tuple(package for name in names if (package := environment.package(name)))


def _name(text: str) -> str:
    """The name at the start of a requirement, normalised; "" for a text that is none."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", text)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""


def _missed(package: str, name: str) -> bool:
    if package == "torch":
        return _is_library(package, name)
    return name != "torch" and (package in CORE or name == "numpy")


def _is_library(package: str, name: str) -> bool:
    """Whether it is one of the wheels with CUDA's libraries, of which torch pins each."""
    return package == "torch" and name.startswith("nvidia-")


def _markers(machine: Machine) -> dict[str, str]:
    """PEP 508 variables of the patient, not of the interpreter that runs the doctor."""
    system = machine.host.system
    version = (machine.environment.version or "3").removesuffix("t")
    names = {
        "linux": ("linux", "Linux", "posix"),
        "macos": ("darwin", "Darwin", "posix"),
        "windows": ("win32", "Windows", "nt"),
    }
    sys_platform, platform_system, os_name = names.get(system, names["linux"])
    arch = machine.host.arch
    return {
        "python_version": ".".join(version.split(".")[:2]),
        "python_full_version": version,
        "sys_platform": sys_platform,
        "platform_system": platform_system,
        "os_name": os_name,
        "platform_machine": "AMD64" if system == "windows" and arch == "x86_64" else arch,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
