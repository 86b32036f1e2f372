"""EXT: bitsandbytes, which holds a library for each CUDA and loads the one of torch's."""

from __future__ import annotations

import re

from llmdoctor.checks._facts import parts, usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import replace, unset
from llmdoctor.machine import Package

_LIBRARY = re.compile(r"libbitsandbytes_cuda(\d{3})(?:_nocublaslt)?\.(?:so|dll)")
_OVERRIDE = "BNB_CUDA_VERSION"


@check(
    "EXT005",
    cause="bnb-no-binary-for-cuda",
    also=("bnb-source-tree-not-built",),
    readers=("environment",),
)
def no_library_for_cuda(case: Case) -> Answer:
    """No library of bitsandbytes is for the CUDA of torch.

    What: Looks in the installed package for the library that is named after the CUDA of the
    installed torch.

    Why: It is loaded by that name. Without it every 4-bit and 8-bit layer and optimizer fails, and
    QLoRA with them.

    Remedy: Install the release that holds one for that CUDA.

    Known problems: A library that another CUDA's name was given to by hand is taken for that one.
    """
    package, cuda = _both(case)
    if package is None or cuda is None:
        return Skip("there is no bitsandbytes beside a CUDA build of torch")
    if _override(case):
        return Skip(f"{_OVERRIDE} chooses the library (EXT006)")
    held = _held(package)
    if held is None:
        return Skip(f"which libraries bitsandbytes {package.version} holds is not known")
    wanted = _digits(cuda)
    near = [held_one for held_one in held if held_one[:2] == wanted[:2]]
    if wanted in held or (near and parts(package.version) >= parts(_rule("nearest"))):
        return None
    listed = ", ".join(f"{one[:2]}.{one[2:]}" for one in held)
    return finding(
        no_library_for_cuda,
        f"torch is built for CUDA {cuda}, and bitsandbytes {package.version} holds libraries for "
        f"{listed or 'no CUDA at all'}.",
        title=None if held else "bitsandbytes was installed without its CUDA libraries",
        cause=None if held else "bnb-source-tree-not-built",
        evidence=(f"bitsandbytes {package.version}: {listed or 'no CUDA library'}", f"CUDA {cuda}"),
        where=case.machine.environment.path,
        remedy=replace(case, "bitsandbytes"),
    )


@check("EXT006", cause="bnb-cuda-version-override", readers=("environment",))
def cuda_version_override(case: Case) -> Answer:
    """BNB_CUDA_VERSION chooses another library of bitsandbytes.

    What: Compares the variable with the libraries that the package holds and with torch's CUDA.

    Why: It was meant for the time when the library could not be found by itself. Once torch or
    bitsandbytes is updated, it names a library that is not there, or one for another CUDA.

    Remedy: Unset the variable.

    Known problems: None: today's releases find the right library by themselves.
    """
    package, cuda = _both(case)
    override = _override(case)
    if package is None or cuda is None or override is None:
        return Skip(f"{_OVERRIDE} is not set, or there is no bitsandbytes for CUDA")
    held = _held(package)
    absent = held is not None and override not in held
    if override == _digits(cuda) and not absent:
        return None
    return finding(
        cuda_version_override,
        f"torch is built for CUDA {cuda}; the variable asks for the library of {override}, "
        + ("which is not there." if absent else "another CUDA."),
        severity="error" if absent else "warning",
        evidence=(f"{_OVERRIDE}={override}", f"bitsandbytes {package.version}", f"CUDA {cuda}"),
        where=case.machine.environment.path,
        remedy=unset(case, _OVERRIDE),
    )


@check("EXT007", cause="bnb-outdated-release", severity="warning", readers=("environment",))
def outdated_bitsandbytes(case: Case) -> Answer:
    """This bitsandbytes is too old to find its library.

    What: Compares the release with the first one that finds the CUDA libraries of today's wheels.

    Why: Older ones search the folders of LD_LIBRARY_PATH for a CUDA toolkit, take the CPU library
    where they find none, and have nothing for Windows.

    Remedy: Install a current release.

    Known problems: On a machine with a CUDA toolkit the old release may still work.
    """
    package, cuda = _both(case)
    if package is None or cuda is None:
        return Skip("there is no bitsandbytes beside a CUDA build of torch")
    first = _rule("found")
    if parts(package.version) >= parts(first):
        return None
    return finding(
        outdated_bitsandbytes,
        f"bitsandbytes {package.version} is from before {first}.",
        severity="error" if case.machine.host.system == "windows" else None,
        evidence=(f"bitsandbytes {package.version}",),
        where=case.machine.environment.path,
        remedy=replace(case, "bitsandbytes"),
    )


def _both(case: Case) -> tuple[Package | None, str | None]:
    """bitsandbytes, and the CUDA of the torch beside it, where its number is known."""
    torch = usable_torch(case)
    cuda = torch.cuda if torch and case.wants_gpu else None
    known = cuda if cuda and len(parts(cuda)) > 1 else None
    return case.machine.environment.package("bitsandbytes"), known


def _held(package: Package) -> tuple[str, ...] | None:
    """The CUDAs ("126") that it has a library for: by its files, or by the table in a report."""
    if package.libraries is not None:
        found = (match[1] for name in package.libraries if (match := _LIBRARY.fullmatch(name)))
        return tuple(sorted(set(found)))
    from llmdoctor.tables.read import read_table

    rows = read_table("bitsandbytes")["release"]
    row = next((row for row in rows if row["version"] == package.version), None)
    return tuple(_digits(cuda) for cuda in row["cuda"]) if row else None


def _override(case: Case) -> str | None:
    value = case.machine.variables.get(_OVERRIDE, "").strip().replace(".", "")
    return value if value.isdigit() else None


def _digits(cuda: str) -> str:
    return "".join(cuda.split(".")[:2])


def _rule(name: str) -> str:
    from llmdoctor.tables.read import read_table

    version: str = read_table("bitsandbytes")["finding"][name]
    return version
