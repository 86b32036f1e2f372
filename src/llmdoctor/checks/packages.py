"""PKG: installed packages against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install
from llmdoctor.finding import Finding, Severity
from llmdoctor.machine import Machine, Package

# Whose requirements are judged, and on what: the packages that decide whether models load.
JUDGED = (
    "transformers",
    "peft",
    "accelerate",
    "tokenizers",
    "torchvision",
    "torchaudio",
    "xformers",
)
ON = (
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "tokenizers",
    "huggingface-hub",
    "numpy",
    "safetensors",
)

# The cause by (package, dependency); "*" is any package.
_CAUSES = {
    ("*", "huggingface-hub"): "hf-hub-version-conflict",
    ("*", "tokenizers"): "tokenizers-version-conflict",
    ("peft", "transformers"): "peft-transformers-mismatch",
    ("torchvision", "torch"): "torchvision-torch-mismatch",
    ("torchaudio", "torch"): "torchvision-torch-mismatch",
    ("xformers", "torch"): "xformers-torch-mismatch",
    ("transformers", "safetensors"): "safetensors-missing",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@check("PKG001", cause=None, severity="warning", readers=("environment",))
def unmet_requirements(case: Case) -> Answer:
    """Installed packages do not fit each other.

    What: Compares what Transformers, peft, accelerate, tokenizers, torchvision, torchaudio and
    xformers ask for with the versions that are installed.

    Why: Transformers checks some of its requirements on import and refuses to start; the others
    fail later, with an attribute that is missing or an undefined symbol.

    Remedy: Install the profile: it resolves these packages together.

    Known problems: Requirements of other packages are not judged; `pip check` lists them all.
    """
    environment = case.machine.environment
    if not any(environment.package(name) for name in JUDGED):
        return Skip("none of the judged packages is installed")
    return tuple(_unmet(case))


def _unmet(case: Case) -> Iterator[Finding]:
    environment = case.machine.environment
    for package in environment.packages:
        if package.name not in JUDGED:
            continue
        for name, specifier in _requirements(case.machine, package):
            found = environment.package(name)
            if found is None and (environment.system_site_packages or name == "torch"):
                continue  # may lie in the base; a missing torch has a check of its own
            if found and _meets(found.version, specifier):
                continue
            cause = _CAUSES.get((package.name, name)) or _CAUSES.get(("*", name))
            severity: Severity = "warning" if found and cause is None else "error"
            yield finding(
                unmet_requirements,
                f"{package.name} {package.version} requires {name}{specifier}, and "
                + (f"{name} {found.version} is installed." if found else f"{name} is missing."),
                title=f"{package.name} does not fit the installed {name}"
                if found
                else f"{package.name} misses {name}",
                cause=cause,
                severity=severity,
                evidence=(f"{package.name} {package.version} requires {name}{specifier}",)
                + ((f"{name} {found.version}",) if found else ()),
                where=environment.path,
                remedy=install(case, "Install versions that were resolved together."),
            )


def _requirements(machine: Machine, package: Package) -> Iterator[tuple[str, str]]:
    """The judged requirements that apply in this environment: (normalised name, specifier)."""
    for text in package.requires:
        match = _NAME.match(text)
        name = re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""
        if name not in ON:
            continue
        # Reading requirements costs an import, so it is done for the few that matter.
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # the package's own mistake: nothing can be judged by it
        if requirement.marker is None or requirement.marker.evaluate(_markers(machine)):
            yield name, str(requirement.specifier)


def _meets(version: str, specifier: str) -> bool:
    from llmdoctor.checks._versions import allows

    return allows(specifier, version) is not False


def _markers(machine: Machine) -> dict[str, str]:
    """PEP 508 variables of the patient, not of the interpreter that runs the doctor."""
    system = machine.host.system
    version = machine.environment.version or "3"
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
