"""PY: the patient's interpreter and environment."""

from __future__ import annotations

from llmdoctor.checks._facts import parts, release_of, sentence, usable_torch, wanted_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import (
    install,
    install_command,
    mend,
    new_environment,
    see_profiles,
)
from llmdoctor.checks._versions import allows
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Environment, minor_of


@check("PY001", cause="venv-broken-after-python-upgrade", readers=("environment",))
def base_python_gone(case: Case) -> Answer:
    """The environment's base Python is gone or has changed.

    What: Follows the environment's interpreter to the one that it was made from.

    Why: A virtual environment borrows its Python from a base interpreter. When that is upgraded
    away, nothing in the environment starts, or it starts and sees none of its packages.

    Remedy: `llmdoctor fix` points it at another Python of the same minor version, if one is here.
    Otherwise make it anew; llmdoctor sets the old one aside first.

    Known problems: Poetry and uv delete and recreate such an environment on their own when they
    are run, even by commands that look harmless.
    """
    environment = case.machine.environment
    if environment.kind != "broken" or not _base_gone(environment):
        return None
    return finding(
        base_python_gone,
        f"{_sentence(environment)} Its packages are still on disk and cannot be used.",
        evidence=(f"base: {environment.base}",) if environment.base else (),
        where=environment.path,
        remedy=mend(case, "PY001", "Point it at another Python of the same minor version."),
    )


@check("PY007", cause=None, readers=("environment",))
def install_cut_off(case: Case) -> Answer:
    """An install into this environment was cut off.

    What: Reads the mark that an install of ours leaves in the environment, and whether that run's
    journal has an end.

    Why: A run that was killed outright cannot put the environment back: half of its packages may
    be the new ones.

    Remedy: `llmdoctor undo` puts the former environment back; the next install does so first.

    Known problems: An install that is still running looks the same.
    """
    run = case.machine.environment.cut_off
    if run is None:
        return None
    return finding(
        install_cut_off,
        "What is installed here is half of one state and half of another, unless that install is "
        "still running.",
        evidence=(f"run {run} has not ended",),
        where=case.machine.environment.path,
        remedy=Remedy("Put the former environment back.", "ask", (("llmdoctor", "undo", run),)),
    )


@check("PY002", cause=None, readers=("environment",))
def environment_damaged(case: Case) -> Answer:
    """The environment is damaged, or is none.

    What: Looks for pyvenv.cfg or conda-meta, for the interpreter, and for scripts that point to
    another place.

    Why: Without pyvenv.cfg an environment's Python takes itself for its base, and pip would
    change that one. In an environment that was moved, scripts start the Python of the old place.

    Remedy: `llmdoctor fix` mends it where its packages can stay. Otherwise make it anew, or move it
    back; `python -m pip` works in a moved one, `pip` does not.

    Known problems: An environment that was made to be relocatable can still hold scripts that
    are not.
    """
    environment = case.machine.environment
    broken = environment.kind == "broken"
    if _base_gone(environment) or not (broken or environment.problem):
        return None
    if not broken:  # it works, and something in it points elsewhere
        return finding(
            environment_damaged,
            f"{_sentence(environment)} Use `python -m pip` instead of `pip`.",
            title="The environment was moved or copied",
            severity="warning",
            where=environment.path,
            remedy=mend(case, "PY002", "Write its new place into its scripts."),
        )
    if environment.is_none:
        command = install_command(case)
        remedy = Remedy("Name the right place, or install into a new one.", "ask", (command,))
    else:
        remedy = mend(case, "PY002", "Give it a Python of the same minor version again.")
    return finding(
        environment_damaged,
        f"{_sentence(environment)} Nothing can be installed in it.",
        where=environment.path,
        remedy=remedy,
    )


@check("PY003", cause="pep668-externally-managed", severity="warning", readers=("environment",))
def externally_managed(case: Case) -> Answer:
    """This Python belongs to the operating system.

    What: Looks for the marker EXTERNALLY-MANAGED (PEP 668) beside the interpreter.

    Why: pip and uv refuse to install into it, and forcing them can break the system's own tools.

    Remedy: Make a virtual environment; `llmdoctor install` does that by itself.

    Known problems: On Debian and Ubuntu `python3 -m venv` needs the package python3-venv.
    """
    environment = case.machine.environment
    if not environment.externally_managed or environment.kind != "system":
        return None
    return finding(
        externally_managed,
        "Packages cannot be installed in it: the system's package manager owns it.",
        evidence=(f"Python {environment.version}", "EXTERNALLY-MANAGED"),
        where=environment.executable,
        remedy=new_environment(case, "Make a virtual environment and work in that."),
    )


@check("PY004", cause="no-wheel-for-python", readers=("environment",))
def python_outside_profile(case: Case) -> Answer:
    """Python is outside the range of the wanted profile.

    What: Compares the environment's Python with what each wanted profile supports.

    Why: Wheels are built for one Python version each. Outside the range there is none, and pip
    falls back to old releases or to building from source.

    Remedy: Make an environment with a Python in the range. One that is missing has to be
    installed first: nothing is downloaded by itself.

    Known problems: A 32-bit Python of the right version finds no wheels either. A free-threaded
    one ("3.13t") takes other wheels and is outside every range.
    """
    version = case.machine.environment.version
    if not case.profiles:
        return Skip("no profile was asked for")
    if version is None or case.machine.environment.kind not in ("venv", "conda"):
        return Skip("there is no environment whose Python is fixed")
    found: list[Finding] = []
    for profile in case.profiles:
        free_threaded = version.endswith("t")
        if profile.python and (free_threaded or allows(profile.python, version) is False):
            why = "a free-threaded Python takes other wheels"
            why = why if free_threaded else profile.python_reason
            reason = f" ({why})" if why else ""
            found.append(
                finding(
                    python_outside_profile,
                    f"Profile {profile.name} supports Python {profile.python}{reason}; "
                    f"this environment has {version}.",
                    evidence=(f"Python {version}",),
                    where=case.machine.environment.executable,
                    remedy=_with_python(case, profile.python),
                )
            )
    return found


@check("PY005", cause="no-wheel-for-python", readers=("host", "environment"))
def python_outside_torch(case: Case) -> Answer:
    """PyTorch has no wheel for this Python.

    What: Compares the environment's Python with those that the wanted torch (or the installed
    one) was published for on this platform.

    Why: An index that has no wheel for a Python offers nothing, or a release years older. A torch
    that was put there all the same cannot load its compiled part.

    Remedy: Make an environment with one of the Pythons named.

    Known problems: Free-threaded builds ("3.13t") count as Pythons of their own.
    """
    environment, host = case.machine.environment, case.machine.host
    if environment.version is None or environment.kind not in ("venv", "conda"):
        return Skip("there is no environment whose Python is fixed")
    torch = usable_torch(case)
    version = wanted_torch(case) or (torch.version if torch else None)
    if version is None:
        return Skip("no torch is wanted or installed")
    release = release_of(version)
    pythons = release.python_on(host.system, host.arch) if release else ()
    if not pythons:
        return Skip(f"the Pythons of torch {version} on {host.system} {host.arch} are not known")
    minor = minor_of(environment.version)
    if minor in pythons:
        return None
    return finding(
        python_outside_torch,
        f"torch {version} has wheels for Python {', '.join(pythons)} here, not for {minor}.",
        evidence=(f"Python {environment.version}", f"torch {version}"),
        where=environment.executable,
        remedy=_with_python(case, ""),
    )


@check("PY006", cause="python-too-old", severity="warning", readers=("environment",))
def python_too_old(case: Case) -> Answer:
    """This Python is too old for current LLM packages.

    What: Compares the interpreter with the oldest Python that current releases of torch,
    Transformers and peft come for.

    Why: New releases of torch and Transformers are not offered to it, so that installers go back
    to old ones without a word, and models of today are unknown to those.

    Remedy: Make an environment with a newer Python. The system's own may stay as it is.

    Known problems: Jetson systems tie Python to their JetPack release: use NVIDIA's container.
    """
    environment = case.machine.environment
    if case.profiles:
        return Skip("judged by the range of the wanted profile")
    if environment.version is None or environment.kind == "broken":
        return Skip("the version of Python is not known")
    from llmdoctor.tables.read import read_table

    current = read_table("python")["current"]
    if parts(environment.version)[:2] >= parts(current["oldest"]):
        return None
    return finding(
        python_too_old,
        f"Current packages begin at Python {current['oldest']}: {current['reason']}.",
        evidence=(f"Python {environment.version}",),
        where=environment.executable,
        remedy=_with_python(case, f">={current['oldest']}"),
    )


def _base_gone(environment: Environment) -> bool:
    """The probe's two ways of saying that the base changed under the environment."""
    problem = environment.problem or ""
    return "does not exist any more" in problem or problem.startswith("its python is now")


def _sentence(environment: Environment) -> str:
    return sentence(environment.problem or "it cannot be used")


def _with_python(case: Case, specifier: str) -> Remedy:
    """An environment with a Python that the specifier and the wanted torch's wheels allow."""
    from llmdoctor.tables import torch_releases

    host = case.machine.host
    release = release_of(wanted_torch(case) or "") or torch_releases()[-1]
    offered = release.python_on(host.system, host.arch) or release.python
    fit = [python for python in offered if python[-1] != "t" and allows(specifier, python)]
    if not fit:
        return see_profiles()
    which = fit[0] if len(fit) == 1 else f"{fit[0]} to {fit[-1]}"
    if case.machine.environment.kind == "system":
        return install(case, f"Make an environment with Python {which}.")
    return install(
        case,
        f"Build the environment anew with Python {which}; the old one is set aside.",
        fresh=True,
    )
