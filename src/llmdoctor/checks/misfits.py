"""PKG: installed packages that were made for something else than what is here."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmdoctor.checks._facts import parts, usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install, install_profiles, pip
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Package
from llmdoctor.wheel_tags import Misfit, misfit

_WORDS = {
    "platform": "Wheels for another platform are installed",
    "python": "Wheels for another Python are installed",
    "glibc": "Wheels for a newer glibc are installed",
}
# Families of which the CUDA 12 and the CUDA 13 wheel write the same files: nvidia/cudnn/lib and the
# like, in which torch looks for both (`_preload_cuda_deps` in torch/__init__.py of 2.13.0).
_SAME_FILES = ("nvidia-cudnn", "nvidia-nccl", "nvidia-nvshmem", "nvidia-cusparselt")
_LIBRARY = re.compile(r"(nvidia-[a-z-]+?)(?:-cu(\d+))?")


@check(
    "PKG003",
    cause="wheel-tag-mismatch",
    also=("glibc-too-old",),
    readers=("host", "environment", "files"),
)
def foreign_wheels(case: Case) -> Iterator[Finding]:
    """Wheels for another Python or platform are installed.

    What: Compares the tags in each package's WHEEL file with the environment's Python and system.

    Why: Their compiled parts cannot be loaded. pip refuses such a wheel; Poetry installs one that
    is given as a path without looking, and a copied environment keeps those of its old machine.

    Remedy: Reinstall them from the index, which has the wheel for this machine.

    Known problems: Conda's packages carry tags of the machine that built them; they are left out.
    """
    machine = case.machine
    environment = machine.environment
    if environment.kind == "broken":
        return
    wrong: dict[str, list[tuple[Package, Misfit]]] = {}
    for package in environment.packages:
        if package.installer != "conda" and not package.editable:
            found = misfit(package.tags, environment.version, machine.host)
            if found:
                wrong.setdefault(found.kind, []).append((package, found))
    for kind, pairs in wrong.items():
        yield finding(
            foreign_wheels,
            f"This is Python {environment.version} on {machine.host.system} {machine.host.arch}: "
            "their compiled parts cannot be loaded.",
            title=_WORDS[kind],
            cause="glibc-too-old" if kind == "glibc" else None,
            evidence=tuple(
                f"{package.name} {package.version} is for {found.made_for}"
                for package, found in pairs
            ),
            where=environment.path,
            remedy=install(case, "Build the environment anew on this machine.", fresh=True),
        )


@check(
    "PKG004",
    cause=None,
    also=("cublaslt-library-conflict",),
    severity="warning",
    readers=("environment",),
)
def cuda_runtimes(case: Case) -> Answer:
    """CUDA libraries of several CUDA majors are installed.

    What: Looks for NVIDIA's library wheels of more than one CUDA major, and compares them with
    torch's.

    Why: torch loads those of its own major. The others take gigabytes, come from another torch or
    another package, and cuDNN's and NCCL's wheels of both majors write the same files: the one that
    was installed last is there, and removing one takes the other's files away.

    Remedy: Install the profile into a new environment, with the libraries of one CUDA.

    Known problems: A package that brings its own CUDA on purpose, such as CuPy's or JAX's plugins,
    works beside torch as long as no file is shared.
    """
    majors: dict[int, list[Package]] = {}
    families: dict[str, set[int]] = {}
    for package in case.machine.environment.packages:
        match = _LIBRARY.fullmatch(package.name)
        if match is None:
            continue
        family, suffix = match.groups()
        if suffix is None and family == "nvidia-cuda-runtime":
            suffix = str(parts(package.version)[:1][0]) if parts(package.version) else None
        if suffix is None:
            continue
        families.setdefault(family, set()).add(int(suffix))
        if family == "nvidia-cuda-runtime":
            majors.setdefault(int(suffix), []).append(package)
    shared = sorted(name for name in _SAME_FILES if len(families.get(name, ())) > 1)
    if len(majors) < 2 and not shared:
        return None
    torch = usable_torch(case)
    own = f" torch uses those of CUDA {torch.cuda}." if torch and torch.cuda else ""
    detail = f"The environment holds the libraries of several CUDA majors.{own}"
    if shared:
        detail += f" {' and '.join(shared)}: both majors' wheels write the same files."
    return finding(
        cuda_runtimes,
        detail,
        severity="error" if shared else None,
        cause="cublaslt-library-conflict" if shared else None,
        evidence=tuple(
            f"{package.name} {package.version}"
            for package in case.machine.environment.packages
            if _is_of(package, shared) or any(package in found for found in majors.values())
        ),
        where=case.machine.environment.path,
        remedy=install(case, "Build it anew with the libraries of one CUDA.", fresh=True),
    )


def _is_of(package: Package, families: list[str]) -> bool:
    match = _LIBRARY.fullmatch(package.name)
    return match is not None and match[1] in families and match[2] is not None


@check("PKG005", cause="numpy2-abi", readers=("environment",))
def numpy_2_abi(case: Case) -> Answer:
    """NumPy 2 is installed with packages compiled for NumPy 1.

    What: Compares the versions of torch, SciPy, pandas and others with the first release of each
    that was compiled for NumPy 2.

    Why: NumPy 2 changed its binary interface. torch before it prints a warning on import and cannot
    convert arrays ("Numpy is not available"); the others fail to import.

    Remedy: Install newer releases of them, or hold NumPy below 2.

    Known problems: Packages that are not in the table are not judged.
    """
    environment = case.machine.environment
    numpy = environment.package("numpy")
    if numpy is None:
        return Skip("NumPy is not installed")
    if parts(numpy.version)[:1] < (2,):
        return None
    from llmdoctor.tables.read import read_table

    since = {row["name"]: row["since"] for row in read_table("companions")["numpy_2"]}
    old = [
        package
        for package in environment.packages
        if package.name in since and parts(package.version) < parts(since[package.name])
    ]
    if not old:
        return None
    return finding(
        numpy_2_abi,
        f"NumPy {numpy.version} refuses their compiled parts.",
        evidence=(
            *(f"{p.name} {p.version}: compiled for NumPy 2 from {since[p.name]} on" for p in old),
            f"numpy {numpy.version}",
        ),
        where=environment.path,
        remedy=Remedy(
            "Hold NumPy below 2 for them, or install current releases.",
            "ask",
            (
                pip(environment, "install", "numpy<2"),
                *install(case, "").commands,
            ),
        ),
    )


@check(
    "PKG006",
    cause=None,
    also=("bnb-unofficial-windows-fork",),
    severity="warning",
    readers=("environment",),
)
def wrong_namesake(case: Case) -> Iterator[Finding]:
    """A package is not what its name promises.

    What: Compares what is installed with a table of distributions that are another thing than the
    one people want under that name.

    Why: A plain `pip install retention` gets a trading library wherever the wanted release cannot
    be installed, without an error; `bitsandbytes-windows` is somebody's build of 2023.

    Remedy: Uninstall it and install what was meant, through its profile.

    Known problems: Whoever really wants that other package can ignore this check.
    """
    environment = case.machine.environment
    from llmdoctor.tables.read import read_table

    known = {package.name: package for package in environment.packages}
    if not known:
        return
    wanted = {profile.name for profile in case.profiles}
    for row in read_table("companions")["namesake"]:
        package = known.get(row["name"])
        if package is None or ("below" in row and parts(package.version) >= parts(row["below"])):
            continue
        asked = row["profile"] in wanted
        yield finding(
            wrong_namesake,
            f"{package.name} {package.version} is {row['is']}. What is meant is {row['instead']}.",
            title=f"{package.name} is not what its name promises",
            cause=row.get("cause"),
            severity="error" if asked or "cause" in row else None,
            evidence=(f"{package.name} {package.version}",),
            where=environment.path,
            remedy=Remedy(
                "Take it out, and install what was meant.",
                "ask",
                (
                    pip(environment, "uninstall", package.name),
                    install_profiles(case, [row["profile"]]),
                ),
            ),
        )
