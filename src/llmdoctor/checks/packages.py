"""PKG: what installed packages ask of each other, and what the wanted profile asks for."""

from __future__ import annotations

from llmdoctor.checks._facts import parts
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install
from llmdoctor.checks._requirements import CORE, JUDGED, Unmet, unmet
from llmdoctor.checks._versions import allows
from llmdoctor.finding import Finding, Severity

# The cause by (package, dependency); "*" is any package.
_CAUSES = {
    ("*", "huggingface-hub"): "hf-hub-version-conflict",
    ("*", "tokenizers"): "tokenizers-version-conflict",
    ("*", "accelerate"): "accelerate-too-old",
    ("peft", "transformers"): "peft-transformers-mismatch",
    ("torchvision", "torch"): "torchvision-torch-mismatch",
    ("torchaudio", "torch"): "torchvision-torch-mismatch",
    ("xformers", "torch"): "xformers-torch-mismatch",
    ("vllm", "torch"): "ext-abi-mismatch",
}


@check(
    "PKG002",
    cause=None,
    also=(
        "hf-hub-version-conflict",
        "tokenizers-version-conflict",
        "accelerate-too-old",
        "peft-transformers-mismatch",
        "torchvision-torch-mismatch",
        "xformers-torch-mismatch",
        "ext-abi-mismatch",
        "safetensors-missing",
        "numpy2-abi",
        "nvjitlink-ld-library-path",
    ),
    severity="warning",
    readers=("environment", "files"),
)
def unmet_requirements(case: Case) -> Answer:
    """Installed packages do not fit each other.

    What: Compares what the packages of an LLM stack ask for with the versions that are installed:
    Transformers, peft, accelerate, torch's own CUDA libraries, xformers, vLLM and the like.

    Why: Transformers checks some of its requirements on import and refuses to start; the others
    fail later, with an attribute that is missing or an undefined symbol.

    Remedy: Install the profile: it resolves these packages together.

    Known problems: Requirements of other packages are not judged; `pip check` lists them all.
    """
    environment = case.machine.environment
    if not any(package.name in JUDGED for package in environment.packages):
        return Skip("none of the judged packages is installed")
    return tuple(_finding(case, item) for item in unmet(case.machine))


def _finding(case: Case, item: Unmet) -> Finding:
    package, name, found = item.package, item.name, item.found
    cause = _cause(item)
    return finding(
        unmet_requirements,
        f"{package.name} {package.version} requires {name}{item.specifier}, and "
        + (f"{name} {found.version} is installed." if found else f"{name} is missing."),
        title=f"{package.name} does not fit the installed {name}"
        if found
        else f"{package.name} misses {name}",
        cause=cause,
        severity=_severity(item, cause),
        evidence=(f"{package.name} {package.version} requires {name}{item.specifier}",)
        + ((f"{name} {found.version}",) if found else ()),
        where=case.machine.environment.path,
        remedy=install(case, "Install versions that were resolved together."),
    )


def _cause(item: Unmet) -> str | None:
    name = item.name
    if item.found is None:
        return "safetensors-missing" if name == "safetensors" else None
    if name == "numpy" and _forbids_numpy_2(item):
        return "numpy2-abi"
    if name.startswith("nvidia-nvjitlink"):
        return "nvjitlink-ld-library-path"
    return _CAUSES.get((item.package.name, name)) or _CAUSES.get(("*", name))


def _severity(item: Unmet, cause: str | None) -> Severity:
    package, found = item.package.name, item.found
    if found is None:
        return "error" if package in CORE or package == "torch" else "warning"
    if package == "torch":  # a newer CUDA library is often put there on purpose, and works
        newer = parts(found.version) > parts(item.specifier)
        return "note" if newer else "error" if cause else "warning"
    return "warning" if cause in (None, "numpy2-abi") else "error"


def _forbids_numpy_2(item: Unmet) -> bool:
    two = item.found is not None and parts(item.found.version)[:1] >= (2,)
    return two and allows(item.specifier, "2.0.0") is False and "<2" in item.specifier


@check(
    "PKG007",
    cause=None,
    also=("flash-attn-requested-not-installed",),
    readers=("environment", "packages"),
)
def wanted_packages_missing(case: Case) -> Answer:
    """Packages of the wanted profile are not installed.

    What: Looks in the environment for the packages that the wanted profile is there for.

    Why: A program that asks for one of them stops, or takes a slower way without a word:
    Transformers' Mamba models run in plain PyTorch when their kernels are missing.

    Remedy: Install the profile.

    Known problems: Only what the profile proves by importing it is looked for, and of that only
    what is imported under the name that it is installed by (not Pillow, which is imported as PIL).
    """
    environment, choice = case.machine.environment, case.choice
    if choice is None or not choice.feasible:
        return Skip("no profile was asked for, or it does not fit")
    if environment.kind in ("missing", "broken") or environment.package("torch") is None:
        return Skip("follows from the missing torch (TORCH001)")
    # Windows' Triton is a package of another name
    provided = {package.name.removesuffix("-windows") for package in environment.packages}
    wanted = {item.name.removesuffix("-windows") for item in choice.requirements}
    proven = {name.replace("_", "-") for profile in case.profiles for name in profile.imports}
    missing = sorted((wanted & proven) - provided)
    if not missing:
        return None
    return finding(
        wanted_packages_missing,
        f"{' and '.join(choice.profiles)}: {', '.join(missing)} cannot be imported here.",
        cause="flash-attn-requested-not-installed" if "flash-attn" in missing else None,
        evidence=tuple(f"{name} is not installed" for name in missing),
        where=environment.path,
        remedy=install(case, "Install the profile."),
    )
