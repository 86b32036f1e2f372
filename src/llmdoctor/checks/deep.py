"""DEEP: what surrounds the packages when they are loaded (`check --deep`).

What their imports and CUDA showed is in `deep_imports` and `deep_gpu`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install, unset
from llmdoctor.finding import Remedy

if TYPE_CHECKING:  # only a look from inside needs them
    from llmdoctor.deep import Deep
    from llmdoctor.explain import Named

# What a shadowed library does is named for these; elsewhere the place alone tells.
_CONFLICTS = {
    "libnvJitLink": "nvjitlink-ld-library-path",
    "libcublas": "cublaslt-library-conflict",
    "libcublasLt": "cublaslt-library-conflict",
}


def asked(case: Case) -> Deep | Skip:
    """The look from inside, or why there is none."""
    deep = case.machine.deep
    if deep is None:
        return Skip("not asked for: --deep")
    if deep.problem is not None and not deep.imports:
        return Skip(f"there was no look from inside: {deep.problem}")
    return deep


def distribution_of(module: str) -> str:
    """The distribution that brings a module of the stack."""
    from llmdoctor.deep import MODULES

    return next(known.distribution for known in MODULES if known.name == module)


def named(*texts: str | None) -> Named | None:
    """The root cause that `explain` reads in what a library said; None where it knows none."""
    text = "\n".join(text for text in texts if text)
    if not text.strip():
        return None
    from llmdoctor.explain import explain

    causes = explain([text.encode("utf-8", "replace")]).causes
    return causes[0] if causes else None


@check("DEEP001", cause=None, readers=("environment",))
def python_does_not_run(case: Case) -> Answer:
    """The environment's Python did not do its work.

    What: Runs a small program of llmdoctor's in the environment's Python (`--deep`).

    Why: An interpreter that cannot start runs nothing else either: its standard library is gone,
    or a file of the environment that every start reads is broken.

    Remedy: Build the environment anew.

    Known problems: A program that an administrator runs at every start of Python may be at fault.
    """
    deep, environment = case.machine.deep, case.machine.environment
    if deep is None:
        return Skip("not asked for: --deep")
    if environment.executable is None or environment.kind in ("missing", "broken"):
        return Skip(f"the environment is {environment.kind}")
    if deep.problem is None:
        return None
    return finding(
        python_does_not_run,
        f"{'The look from inside' if deep.imports else 'No package could be imported'}: "
        f"{deep.problem}.",
        evidence=(deep.problem,),
        where=environment.path,
        remedy=install(case, "Build the environment anew.", fresh=True),
    )


@check("DEEP002", cause=None, also=("torch-not-importable",), readers=("environment",))
def file_hides_package(case: Case) -> Answer:
    """A file of the project hides a package.

    What: Looks in the project's folder for files and folders that are named like an installed
    package: torch.py, transformers/ (`--deep`).

    Why: Python looks beside the program that is started first. It then imports that file instead
    of the package, and says that the module has no attribute of the usual name.

    Remedy: Rename the file, and remove the `__pycache__` beside it.

    Known problems: Programs that are started from another folder do not see it.
    """
    deep = asked(case)
    if isinstance(deep, Skip):
        return deep
    if not deep.beside:
        return None
    names = sorted({name for path in deep.beside if (name := _named_like(path))})
    return finding(
        file_hides_package,
        f"A Python program that is started there imports this instead of {' and '.join(names)}.",
        cause="torch-not-importable" if "torch" in names else None,
        evidence=deep.beside,
        remedy=Remedy("Rename it, and remove the `__pycache__` folder beside it."),
    )


@check("DEEP003", cause=None, severity="warning", readers=("environment",))
def imported_from_elsewhere(case: Case) -> Answer:
    """What is imported is not what is installed.

    What: Compares the file and the version that each import gave with the environment's packages
    (`--deep`).

    Why: PYTHONPATH, the user's own packages or a half-done upgrade put another copy first.
    Installing into the environment then changes nothing, and version numbers mislead.

    Remedy: Unset PYTHONPATH, set PYTHONNOUSERSITE=1, or install the package again.

    Known problems: Some packages forget to raise their own version number: then it is a note.
    """
    deep, environment = asked(case), case.machine.environment
    if isinstance(deep, Skip):
        return deep
    elsewhere, otherwise = [], []
    for item in deep.imports:
        package = environment.package(distribution_of(item.module))
        foreign = item.origin == "PYTHONPATH" or (
            environment.kind != "system" and item.origin == "user site"
        )
        if foreign:
            elsewhere.append(f"{item.module} {item.version or ''}: {item.path} ({item.origin})")
        elif package and item.version and not _same(package.version, item.version):
            otherwise.append(f"{item.module} says {item.version}, its package {package.version}")
    if not elsewhere and not otherwise:
        return None
    return finding(
        imported_from_elsewhere,
        "Python finds another copy before the environment's."
        if elsewhere
        else "The files are of another version than the package's record.",
        severity=None if elsewhere else "note",
        evidence=(*elsewhere, *otherwise),
        where=environment.path,
        remedy=unset(case, "PYTHONPATH")
        if any("(PYTHONPATH)" in line for line in elsewhere)
        else Remedy("Keep the user's own packages out: set PYTHONNOUSERSITE=1.")
        if elsewhere
        else install(case, "Install what belongs together again."),
    )


@check(
    "DEEP004",
    cause=None,
    also=("nvjitlink-ld-library-path", "cublaslt-library-conflict"),
    readers=("environment", "variables"),
)
def library_from_outside(case: Case) -> Answer:
    """A library from outside the environment replaced the environment's own.

    What: Lists the CUDA libraries that were really loaded, and compares them with those that the
    environment brings (`--deep`, Linux only).

    Why: LD_LIBRARY_PATH goes before what torch's wheels ask for. An older cuBLAS, cuDNN or
    nvJitLink from a toolkit lacks symbols that the other libraries need.

    Remedy: Unset LD_LIBRARY_PATH for programs that use the environment.

    Known problems: A newer library of the same major usually works: that is a warning.
    """
    deep = asked(case)
    if isinstance(deep, Skip):
        return deep
    wrong = [library for library in deep.libraries if library.own and not library.inside]
    if not wrong:
        return None
    outcomes = {item.outcome for item in deep.imports} | {gpu.outcome for gpu in deep.devices}
    if deep.cuda is not None:
        outcomes.add(deep.cuda.outcome)
    causes = [_CONFLICTS.get(library.name.partition(".so")[0]) for library in wrong]
    variable = "LD_LIBRARY_PATH"
    return finding(
        library_from_outside,
        f"{', '.join(library.name for library in wrong)}: the system's was loaded, and the "
        "environment has its own.",
        cause=next((cause for cause in causes if cause), None),
        severity="error" if outcomes & {"broken", "crash"} else "warning",
        evidence=tuple(f"{library.path} instead of {library.own}" for library in wrong),
        where=case.machine.environment.path,
        remedy=unset(case, variable)
        if variable in case.machine.variables
        else Remedy("See what loads it: LD_PRELOAD, or a line in /etc/ld.so.conf.d."),
    )


def _named_like(path: str) -> str | None:
    match = re.search(r"(\w+)(?:\.py|[/\\]__init__\.py)$", path)
    return match[1] if match else None


def _same(installed: str, loaded: str) -> bool:
    """Whether two spellings are the same release: local versions and "1.0" for "1.0.0" count so."""
    one, other = installed.partition("+")[0], loaded.partition("+")[0]
    if one == other:
        return True
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False
