"""PY: what an environment's Python runs or imports that is not the environment's own."""

from __future__ import annotations

from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import install, unset
from llmdoctor.checks._requirements import ON
from llmdoctor.finding import Remedy


@check("PY008", cause=None, readers=("environment", "variables"))
def python_home_set(case: Case) -> Answer:
    """PYTHONHOME takes the environment its own Python.

    What: Looks for the variable PYTHONHOME beside an environment.

    Why: It tells every Python where its standard library and packages are. An environment's Python
    then reads those of another place: its own packages cannot be imported.

    Remedy: Unset it. An environment needs no such variable.

    Known problems: Programs that bring a Python of their own set it for themselves alone.
    """
    environment = case.machine.environment
    if environment.kind not in ("venv", "conda"):
        return Skip("there is no environment")
    home = case.machine.variables.get("PYTHONHOME")
    if home is None:
        return None
    return finding(
        python_home_set,
        "Python started from this environment imports nothing of what is installed in it.",
        evidence=(f"PYTHONHOME={home}",),
        where=environment.path,
        remedy=unset(case, "PYTHONHOME"),
    )


@check("PY009", cause=None, severity="warning", readers=("environment", "files"))
def python_path_shadows(case: Case) -> Answer:
    """PYTHONPATH puts other packages before the environment's.

    What: Looks in the folders of PYTHONPATH for torch, Transformers and what they stand on.

    Why: These folders come before every environment's own packages. What is installed then is not
    what is imported, and compiled packages of another Python fail to load.

    Remedy: Unset it, or leave out the folders that are named.

    Known problems: A folder that a project adds on purpose, with its own copy, is named too.
    """
    environment = case.machine.environment
    if not environment.shadows:
        return None
    return finding(
        python_path_shadows,
        "These are imported instead of what the environment has.",
        evidence=environment.shadows,
        where=environment.path,
        remedy=unset(case, "PYTHONPATH"),
    )


@check("PY010", cause=None, severity="warning", readers=("environment", "files"))
def user_site_leaks(case: Case) -> Answer:
    """Packages of the user's own folder leak into the environment.

    What: Looks in the user's own site-packages (`pip install --user`), where the environment's
    Python reads it: in conda environments, and in those made with system packages.

    Why: In a conda environment that folder comes first. Its packages hide the environment's, in
    every environment of the same Python, and installing into the environment changes nothing.

    Remedy: Set PYTHONNOUSERSITE=1, or remove the packages there.

    Known problems: In an environment made with system packages the environment's own come first;
    what it takes from the user's folder is a note.
    """
    environment = case.machine.environment
    if environment.user_site is None:
        return Skip("the environment's Python does not read the user's own packages")
    hiding = environment.kind == "conda"  # a venv's own packages come first
    pairs = [
        (theirs, own)
        for theirs in environment.user_packages
        if (own := environment.package(theirs.name)) and (own.version != theirs.version) is hiding
    ]
    evidence = tuple(
        f"{theirs.name} {theirs.version}" + (f" hides {own.version}" if hiding else "")
        for theirs, own in pairs
        if hiding or theirs.name in ON
    )
    if not evidence:
        return None
    windows = case.machine.host.system == "windows"
    way = "`$env:PYTHONNOUSERSITE = 1` in PowerShell" if windows else "`export PYTHONNOUSERSITE=1`"
    return finding(
        user_site_leaks,
        "What is imported is not what the environment holds."
        if hiding
        else "The environment takes these from there: another environment's upgrade changes them.",
        severity=None if hiding else "note",
        evidence=evidence,
        where=environment.user_site,
        remedy=Remedy(f"Keep them out: {way}, best where the environment is activated."),
    )


@check("PY011", cause=None, severity="warning", readers=("environment", "files"))
def scripts_of_another_python(case: Case) -> Answer:
    """Scripts of the environment start another Python.

    What: Reads the first line of pip, torchrun, accelerate and the like in the environment's bin.

    Why: It names the Python that runs the script. After a folder was copied or renamed it is that
    of the old place: `pip install` changes another environment, or fails with "No such file".

    Remedy: Build the environment anew; until then use `python -m pip` instead of `pip`.

    Known problems: Only a few well-known scripts are read. Windows' launchers are not.
    """
    environment = case.machine.environment
    if not environment.stale_scripts:
        return None
    if environment.problem is not None:
        return Skip("follows from the damaged environment (PY002)")
    return finding(
        scripts_of_another_python,
        "Their first line names a Python that is gone or belongs to another environment.",
        evidence=environment.stale_scripts,
        where=environment.path,
        remedy=install(case, "Build it anew; the old one is set aside.", fresh=True),
    )
