"""PY: pip, the base's packages and the activated environment, seen from the project's own."""

from __future__ import annotations

from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import fix_command
from llmdoctor.checks._requirements import JUDGED, ON
from llmdoctor.finding import Remedy


@check("PY012", cause=None, severity="warning", readers=("environment",))
def pip_gone(case: Case) -> Answer:
    """The environment has pip's scripts, and no pip.

    What: Looks for pip's own scripts in a virtual environment in which no pip is installed.

    Why: `pip install` ends in "No module named pip". An uninstall that was cut off, or a clean-up
    of site-packages, takes pip away and leaves its scripts.

    Remedy: Bring it back with `python -m ensurepip`, or use `uv pip`, which needs none.

    Known problems: An environment that was made without pip, as uv makes them, is no finding.
    Windows' launchers are not read.
    """
    environment = case.machine.environment
    if not environment.pip_gone:
        return None
    return finding(
        pip_gone,
        "`pip` starts the environment's Python, which finds no module of that name.",
        where=environment.path,
        remedy=Remedy(
            "Bring pip back, from the Python that the environment was made from.",
            "ask",
            ((environment.executable or "python", "-m", "ensurepip", "--default-pip"),),
        ),
    )


@check("PY013", cause=None, severity="note", readers=("environment",))
def base_packages_seen(case: Case) -> Answer:
    """The environment takes packages of the stack from its base Python.

    What: Looks whether a virtual environment was made with `--system-site-packages`, and which
    packages of an LLM stack it has not itself and sees in the base's folders.

    Why: They are upgraded and removed with the system, and another environment of the same base
    sees them too. Installers take them for installed, and leave out what the environment needs.

    Remedy: Where that was not meant: `llmdoctor fix --select PY013` switches it off, and installs
    what the environment's own packages then miss. It is never done unasked.

    Known problems: On a Jetson and in vendors' containers it is meant: the base's torch is the one
    that works there. With the base's torch in use nothing is switched off.
    """
    environment = case.machine.environment
    if environment.kind != "venv" or not environment.system_site_packages:
        return Skip("the environment sees no packages but its own")
    seen = [p for p in environment.packages if p.borrowed and p.name in JUDGED | ON]
    if not seen:
        return None
    return finding(
        base_packages_seen,
        "include-system-site-packages is true in its pyvenv.cfg.",
        evidence=tuple(f"{package.name} {package.version}" for package in seen),
        where=environment.path,
        remedy=Remedy(
            "If that was not meant, switch it off.",
            "ask",
            (fix_command(case, "PY013"),),
        ),
    )


@check("PY014", cause=None, severity="note", readers=("environment",))
def another_activated(case: Case) -> Answer:
    """Another environment than the project's is activated.

    What: Compares VIRTUAL_ENV and CONDA_PREFIX with the environment that is looked at.

    Why: `python` and `pip` are the activated one's: what is installed goes there, and this
    environment stays as it is. Poetry works in the activated one too, also where the project has
    its `.venv`. uv's project commands do not, and say so.

    Remedy: Deactivate it, or activate the project's own.

    Known problems: An environment that was named with --env need not be meant to be activated.
    Conda's base environment, which many shells activate by themselves, is left out.
    """
    environment, project = case.machine.environment, case.machine.project
    if environment.activated is None:
        return None
    poetry = project is not None and project.tool == "poetry"
    conda = "CONDA_PREFIX" in case.machine.variables and (
        "VIRTUAL_ENV" not in case.machine.variables
    )
    windows = case.machine.host.system == "windows"
    place = (
        f"{environment.path}\\Scripts\\activate" if windows else f"{environment.path}/bin/activate"
    )
    activate = (place,) if windows else ("source", place)
    return finding(
        another_activated,
        "Poetry, `pip` and `python` work in the activated environment, not in the project's."
        if poetry
        else "`pip` and `python` are those of the activated environment.",
        severity="warning" if poetry else None,
        evidence=(f"activated: {environment.activated}",),
        where=environment.path,
        remedy=Remedy(
            "Deactivate it, or activate the environment that is meant.",
            "manual",
            (("conda", "deactivate") if conda else ("deactivate",), activate),
        ),
    )
