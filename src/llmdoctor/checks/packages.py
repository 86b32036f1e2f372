"""PKG: installed packages, each on its own and against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install
from llmdoctor.checks._versions import allows, split_requirement
from llmdoctor.finding import Finding, Remedy, Severity
from llmdoctor.machine import Environment, Machine, Package

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
}


@check("PKG001", cause=None, severity="warning", readers=("environment",))
def damaged_packages(case: Case) -> Iterator[Finding]:
    """Some installed packages are damaged.

    What: Looks for half-removed distributions (folders that start with ~ or -), distributions
    that are recorded twice, and such without a RECORD.

    Why: pip and uv then disagree about what is installed, and neither can uninstall or upgrade
    it cleanly. uv does not even list an environment with a "-" leftover.

    Remedy: Move leftovers out of site-packages; reinstall what is named.

    Known problems: Conda and distribution packages have no RECORD by design; they are left out.
    """
    environment = case.machine.environment
    if environment.leftovers:
        yield finding(
            damaged_packages,
            "An interrupted uninstall left them; Python may still take them for packages.",
            title="Half-removed packages lie in the environment",
            evidence=environment.leftovers,
            remedy=Remedy(
                "Move them out of site-packages; nothing imports them.",
                "ask",
                _move_out(case.machine, environment.leftovers),
            ),
        )
    versions = {(package.name, package.version) for package in environment.packages}
    counts = Counter(name for name, _ in versions)
    twice = tuple(sorted(name for name, count in counts.items() if count > 1))
    if twice:
        yield finding(
            damaged_packages,
            "Which version is imported depends on the file order; pip and uv disagree about it.",
            title="Packages are recorded twice",
            evidence=tuple(_versions(environment, name) for name in twice),
            remedy=Remedy(
                "Move the dist-info folder of the version that is not really there out of "
                "site-packages, then reinstall the other."
            ),
        )
    if environment.kind != "venv" or environment.system_site_packages:
        return
    bare = [p for p in environment.packages if not p.record and p.installer != "conda"]
    if bare:
        yield finding(
            damaged_packages,
            "Without a RECORD no tool can uninstall or upgrade them.",
            title="Packages have lost their list of files",
            evidence=tuple(f"{package.name} {package.version}" for package in bare),
            remedy=Remedy(
                "Reinstall the same versions.",
                "ask",
                (_reinstall(environment, [f"{p.name}=={p.version}" for p in bare]),),
            ),
        )


def _move_out(machine: Machine, paths: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Commands that move folders from their site-packages to the environment's own folder."""
    environment = machine.environment
    if environment.path is None:
        return ()
    # On Windows `move` is a word of the shell, not a program.
    move = ("cmd", "/c", "move") if machine.host.system == "windows" else ("mv",)
    return tuple((*move, path, environment.path) for path in paths)


@check("PKG002", cause=None, severity="warning", readers=("environment",))
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
            if found is None and name == "torch":
                continue  # has a check of its own
            if found and allows(specifier, found.version) is not False:
                continue
            cause = _cause(package.name, name, missing=found is None)
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


def _cause(package: str, name: str, *, missing: bool) -> str | None:
    if missing:
        return "safetensors-missing" if name == "safetensors" else None
    return _CAUSES.get((package, name)) or _CAUSES.get(("*", name))


def _requirements(machine: Machine, package: Package) -> Iterator[tuple[str, str]]:
    """The judged requirements that apply in this environment: (normalised name, specifier)."""
    variables = _markers(machine)
    for text in package.requires:
        found = split_requirement(text, variables)
        if found and found[0] in ON:
            yield found


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


def _versions(environment: Environment, name: str) -> str:
    return f"{name} " + " and ".join(p.version for p in environment.packages if p.name == name)


def _reinstall(environment: Environment, requirements: list[str]) -> tuple[str, ...]:
    python = environment.executable or "python"
    options = ("--ignore-installed", "--no-deps")
    return (python, "-m", "pip", "install", *options, *requirements)
