"""Ways out that several checks name, with commands that are right for the machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from llmdoctor.checks._access import gpu_access, rocm_torch
from llmdoctor.checks._framework import Case
from llmdoctor.checks._versions import allows
from llmdoctor.finding import Remedy
from llmdoctor.machine import SPARE_ENVIRONMENT, Environment

if TYPE_CHECKING:
    from llmdoctor.plan import Choice

# Add-ons whose profile has the package under its own name.
_PROFILES = {
    "flash-attn": "flashattn",
    "mamba-ssm": "mamba",
    "causal-conv1d": "mamba",
    "xformers": "xformers",
    "bitsandbytes": "bitsandbytes",
}


def install_command(case: Case, *, fresh: bool = False) -> tuple[str, ...]:
    """`llmdoctor install` for the wanted profiles, or for the stack that suits the machine."""
    return install_profiles(case, _meant(case), fresh=fresh)


def install_profiles(case: Case, names: Iterable[str], *, fresh: bool = False) -> tuple[str, ...]:
    """`llmdoctor install` for these profiles, as they are named here, into what was looked at.

    What cannot be used as it is gets built anew, or in a conda environment is left for a new one.
    """
    spelled = {profile.name: profile.spelled for profile in case.profiles}
    chosen = [word for name in names for word in ("--profile", spelled.get(name, name))]
    anew = fresh or _to_be_built_anew(case, names)
    kind = case.machine.environment.kind
    if kind == "conda":  # the files of conda are changed where they lie, or not at all
        where = () if anew else (*place(case), "--in-place")
        return ("llmdoctor", "install", *chosen, *where)
    return ("llmdoctor", "install", *chosen, *place(case), *(("--fresh",) if anew else ()))


def _to_be_built_anew(case: Case, names: Iterable[str]) -> bool:
    """Whether an install refuses the environment as it is: it is broken, or of another Python."""
    environment = case.machine.environment
    if environment.is_none or environment.kind not in ("venv", "conda", "broken"):
        return False
    if environment.problem is not None or environment.version is None:
        return environment.problem is not None
    wanted = {profile.name: profile for profile in case.profiles}
    if not wanted:  # profiles are read for an old Python alone: each costs a millisecond
        from llmdoctor.tables.read import read_table

        oldest = read_table("python")["current"]["oldest"]
        if allows(f">={oldest}", environment.version) is not False:
            return False
        from llmdoctor.profiles import builtin

        wanted = builtin()
    return any(
        allows(wanted[name].python, environment.version) is False
        for name in names
        if name in wanted and wanted[name].python
    )


def _meant(case: Case) -> list[str]:
    """The wanted profiles, or the stack that suits the machine."""
    names = [profile.name for profile in case.profiles]
    return names or ["mainline" if case.wants_gpu and _is_for_cuda(case) else "cpu"]


def _is_for_cuda(case: Case) -> bool:
    """Whether a GPU answers; where nobody could look, a CUDA build of torch speaks for one."""
    torch = case.machine.environment.torch
    unseen = case.machine.note("nvidia") is not None
    return gpu_access(case) == "works" or bool(unseen and torch and torch.cuda)


def install(case: Case, summary: str, *, fresh: bool = False) -> Remedy:
    """Let llmdoctor install what fits: an existing environment is snapshot first.

    By hand where torch is a ROCm build: an install would put another one in its place.
    """
    if rocm := rocm_torch(case):
        return Remedy(
            f"{summary} By hand, with packages for ROCm {rocm.hip}: llmdoctor installs none of "
            "those, and would replace this torch."
        )
    return Remedy(summary, "ask", (install_command(case, fresh=fresh),))


def install_what_fits(case: Case, summary: str) -> Remedy:
    """The same, once the resolver has found that it fits; else what works in its place."""
    if rocm_torch(case):
        return install(case, summary)
    choice = case.choice or _resolved(case)
    if choice.feasible:
        return install(case, summary)
    ways = [other for other in choice.alternatives if other.profiles]
    told = (
        f"No build fits as it is. What works instead: {'; '.join(way.text for way in ways)}."
        if ways
        else "No build of torch fits here."
    )
    here = tuple(install_profiles(case, way.profiles) for way in ways if way.fits_here)
    return Remedy(told, "ask", here) if here else see_profiles(told)


def see_profiles(*told: str) -> Remedy:
    """Where nothing can be proposed: what each profile would take."""
    summary = " ".join((*told, "See which profiles fit this machine."))
    return Remedy(summary, "safe", (("llmdoctor", "profiles"),))


def _resolved(case: Case) -> Choice:
    from llmdoctor import profiles, target
    from llmdoctor.plan import Target
    from llmdoctor.resolve import resolve

    known = profiles.builtin()
    python = case.machine.environment.version or Target().python
    wanted = [known[name] for name in _meant(case)]
    return resolve(wanted, tuple(known.values()), target.as_judged(case.machine, python))


def mend(case: Case, code: str, summary: str) -> Remedy:
    """`llmdoctor fix` for what keeps the packages, and an install that builds it all anew.

    On Windows a fix leaves such an environment to its owner.
    """
    anew = install_command(case, fresh=True)
    if case.machine.host.system == "windows":
        return Remedy("Build it anew; the old one is set aside, not deleted.", "ask", (anew,))
    return Remedy(
        f"{summary} Or build it anew: the old one is set aside, not deleted.",
        "ask",
        (fix_command(case, code), anew),
    )


def fix_command(case: Case, code: str) -> tuple[str, ...]:
    """`llmdoctor fix` of one code, in what was looked at."""
    project = () if case.project == "." else ("--project", case.project)
    return ("llmdoctor", "fix", "--select", code, *place(case), *project)


def replace(case: Case, name: str) -> Remedy:
    """Another build of a package: its own profile where there is one, else what suits here."""
    profile = None if rocm_torch(case) else _PROFILES.get(name)
    if profile and profile not in {wanted.name for wanted in case.profiles}:
        summary = "Install the wheel that was built for the torch here."
        return Remedy(summary, "ask", (install_profiles(case, [profile]),))
    return install(case, "Install packages that were built for each other.")


def pip(environment: Environment, *words: str) -> tuple[str, ...]:
    """A command of pip's for this environment. One made by uv has no pip, and uv does it then."""
    python = environment.executable or "python"
    if environment.package("pip") is None and environment.kind == "venv":
        return ("uv", "pip", words[0], "--python", python, *words[1:])
    return (python, "-m", "pip", *words)


def reinstall(environment: Environment, requirements: Sequence[str]) -> Remedy:
    """The same versions again."""
    command = pip(environment, "install")
    again = "--reinstall" if command[0] == "uv" else "--ignore-installed"
    words = (*command, again, "--no-deps", *requirements)
    return Remedy("Reinstall the same versions.", "ask", (words,))


def new_environment(case: Case, summary: str) -> Remedy:
    """A fresh virtual environment in the current folder, made with this machine's own Python."""
    # Windows has the `py` launcher instead of `python3`.
    python = ("py", "-3") if case.machine.host.system == "windows" else ("python3",)
    return Remedy(summary, "safe", ((*python, "-m", "venv", ".venv"),))


def unset(case: Case, name: str) -> Remedy:
    """Take a variable away in the shell that is used here."""
    if case.machine.host.system == "windows":
        return Remedy(f"Clear the variable: `Remove-Item Env:{name}` in PowerShell.")
    return Remedy(f"Clear the variable, and where it is set: `unset {name}`.")


def get_driver(case: Case, version: str | None = None) -> Remedy:
    """Where the driver comes from on this system. A person has to do it: it may need a restart."""
    host = case.machine.host
    which = f"NVIDIA driver {version} or newer" if version else "the NVIDIA driver"
    if host.wsl:
        way = (
            f"Install {which} in Windows, not inside WSL, then run `wsl --shutdown` in Windows "
            "and open the distribution again."
        )
    elif host.container:
        way = f"Install {which} on the host (a container uses the host's), then restart it."
    elif host.system == "windows":
        way = f"Install {which} from https://www.nvidia.com/drivers and restart Windows."
    elif host.distribution in ("ubuntu", "linuxmint", "pop"):
        way = f"Install {which}: `sudo ubuntu-drivers install`, then restart the machine."
    else:
        way = (
            f"Install {which} from the distribution's packages "
            "(or https://www.nvidia.com/drivers), then restart the machine."
        )
    return Remedy(way, "manual")


def place(case: Case) -> tuple[str, ...]:
    """`--env` where the patient is not the default `.venv` of the current folder.

    In the place of what is no environment comes the default, or the next name if it is that: the
    install that is proposed sees whether something has that, too.
    """
    environment = case.machine.environment
    path = environment.path
    if environment.is_none:
        return ("--env", SPARE_ENVIRONMENT) if re.search(r"(^|[\\/])\.venv$", path or "") else ()
    if environment.kind not in ("venv", "conda", "broken") or path in (None, ".venv"):
        return ()
    return ("--env", str(path))
