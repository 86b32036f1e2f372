"""PROJ: the project's manifest, and what it asks of Python."""

from __future__ import annotations

from llmdoctor.checks._facts import line_in, sentence
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks._remedies import fix_command
from llmdoctor.checks._versions import allows
from llmdoctor.checks.poetry import lock_command
from llmdoctor.finding import Remedy
from llmdoctor.machine import Project


@check("PROJ001", cause=None, readers=("project",))
def manifest_unreadable(case: Case) -> Answer:
    """The project's manifest cannot be read.

    What: Reads pyproject.toml (or what else describes the project) as TOML.

    Why: No tool can install a project whose manifest it cannot read, and each words it its own
    way.

    Remedy: Correct the line that is named.

    Known problems: A manifest that is valid TOML can still be one that Poetry or uv refuses.
    """
    project = case.machine.project
    if project is None:
        return Skip("there is no project here")
    if project.problem is None:
        return None
    return finding(
        manifest_unreadable,
        sentence(project.problem),
        evidence=(project.problem,),
        where=project.root,
        line=line_in(project.problem),
        remedy=Remedy(f"Correct {project.manifest or 'the manifest'} at the place named."),
    )


@check("PROJ002", cause="poetry-python-unsupported", readers=("environment", "project"))
def python_outside_project(case: Case) -> Answer:
    """Python is outside the range that the project allows.

    What: Compares the environment's Python with the project's own constraint.

    Why: Poetry stops with "Current Python version is not allowed by the project"; uv looks for
    another Python.

    Remedy: Make the project's environment with a Python in the range. `fix` sets the old one aside
    and makes it anew with the nearest such Python that is here, with the same packages in the same
    versions. It leaves alone an environment outside the project's folder, and one with a package
    that has no file for that Python: then only you can say what may change.

    Known problems: Poetry uses the active environment even when the project has one of its own.
    """
    project, version = case.machine.project, case.machine.environment.version
    if project is None or project.requires_python is None:
        return Skip("there is no project that states its Pythons")
    if version is None or case.machine.environment.kind not in ("venv", "conda"):
        return Skip("there is no environment whose Python is fixed")
    allowed = allows(project.requires_python, version)
    if allowed is None:
        return Skip(f"the constraint {project.requires_python!r} cannot be read")
    if allowed:
        return None
    return finding(
        python_outside_project,
        f"The project allows Python {project.requires_python}; the environment has {version}.",
        evidence=(f"Python {version}", f"requires-python {project.requires_python}"),
        where=case.machine.environment.path,
        remedy=Remedy(
            f"Make the environment with a Python that {project.requires_python} allows.",
            "ask",
            (fix_command(case, "PROJ002"),),
        ),
    )


@check("PROJ003", cause=None, severity="warning", readers=("project",))
def torch_source_for_everything(case: Case) -> Answer:
    """The project takes every package from the PyTorch index too.

    What: Looks whether the PyTorch index in pyproject.toml is for the packages that name it alone:
    `priority = "explicit"` in Poetry, `explicit = true` in uv.

    Why: That index holds old copies of common packages, and builds for another CUDA. Poetry asks
    it for each package (slow, and it may take one from there); uv takes a package from the first
    index that has it.

    Remedy: Make it explicit, and name it at torch, torchvision and torchaudio.

    Known problems: A project that installs nothing but torch is not harmed.
    """
    project = case.machine.project
    if project is None or not project.torch_places:
        return Skip("the project names no PyTorch index")
    loose = [place for place in project.torch_places if not place.explicit]
    if not loose:
        return None
    setting = 'priority = "explicit"' if project.tool == "poetry" else "explicit = true"
    table = "tool.poetry.source" if project.tool == "poetry" else "tool.uv.index"
    use = (
        'torch = { version = "...", source = "%s" }'
        if project.tool == "poetry"
        else '[tool.uv.sources] torch = { index = "%s" }'
    ) % loose[0].name
    return finding(
        torch_source_for_everything,
        f"{loose[0].name} is asked for every package, not for torch alone.",
        evidence=tuple(f"{place.name}: {place.url}" for place in loose),
        where=project.root,
        line=loose[0].line,
        remedy=Remedy(
            f"Add `{setting}` to it in [[{table}]], and name it where torch is wanted: `{use}`."
        ),
    )


@check("PROJ004", cause="uv-index-variant-platform", severity="note", readers=("host", "project"))
def torch_build_for_some_platforms(case: Case) -> Answer:
    """The project's CUDA index of torch serves some platforms only.

    What: Looks whether a uv or Poetry project uses a CUDA index of PyTorch without a marker that
    says for which platforms.

    Why: Both lock for all platforms at once. That index has no wheel for macOS, so there the lock
    cannot be installed: uv says "can't be installed because it doesn't have a source distribution
    or wheel for the current platform", Poetry "Unable to find installation candidates".

    Remedy: Give the source a marker (`marker = "sys_platform == 'linux'"`; in Poetry `markers` at
    the dependency), with the CPU index for the rest; or say with `tool.uv.environments` what the
    project is for.

    Known problems: A project that is used on one platform alone is not harmed.
    """
    project, host = case.machine.project, case.machine.host
    if project is None or not project.torch_places:
        return Skip("the project names no PyTorch index")
    open_ended = [
        place
        for place in project.torch_places
        if not place.limited and "/cu" in place.url.rpartition("/whl")[2]
    ]
    if not open_ended:
        return None
    here = host.system == "macos"
    return finding(
        torch_build_for_some_platforms,
        f"{open_ended[0].url} has no wheels for macOS"
        + (
            ", which this is: the project cannot be installed here."
            if here
            else ", and no marker says that the project does not need them."
        ),
        severity="error" if here else None,
        evidence=tuple(f"{place.name}: {place.url}" for place in open_ended),
        where=project.root,
        line=open_ended[0].line,
        remedy=Remedy(
            f"{_for_platforms(project, open_ended[0].name)}, and lock again.",
            "ask",
            (lock_command(case.machine),),
        ),
        url="https://docs.astral.sh/uv/guides/integration/pytorch/"
        if project.tool == "uv"
        else "https://python-poetry.org/docs/repositories/#explicit-package-sources",
    )


def _for_platforms(project: Project, index: str) -> str:
    marker = "\"sys_platform == 'linux' or sys_platform == 'win32'\""
    if project.tool == "uv":
        return f'In [tool.uv.sources] write torch = [{{ index = "{index}", marker = {marker} }}]'
    return f'Write torch = {{ version = "...", source = "{index}", markers = {marker} }}'
