"""pip: the same packages, installed by the environment's own pip.

Two phases, because pip cannot take one package alone from an index: torch from its index first,
then the rest from the default one. Every version is exact and nothing is resolved again.
"""

from __future__ import annotations

from llmdoctor.installers import CLEARED, Compilation, Job
from llmdoctor.installers.uv import LONGEST_BUILD, wheels_only
from llmdoctor.plan import Change, Run, Step, Write

_HOUR = 3600.0


class Pip:
    """Drives pip through the environment's interpreter."""

    name = "pip"
    overwrites = False

    def create(self, job: Job) -> tuple[Step, ...]:
        """Make the environment with the standard library's venv."""
        argv = (job.python, "-m", "venv", job.environment)
        text = f"make the environment {job.environment}"
        return (Run(text, argv, dict(CLEARED), timeout=300.0, creates=job.environment),)

    def install(self, job: Job) -> tuple[Step, ...]:
        """Install torch from its source, then the rest."""
        steps: list[Step] = []
        if not job.has_pip:
            argv = (job.target_python, "-m", "ensurepip")
            steps.append(Run("add pip to the environment", argv, dict(CLEARED), 300.0))
        named = () if job.wheels else job.from_torch_index
        torch = [change for change in job.changes if change.package.name in named]
        rest = [change for change in job.changes if change.package.name not in named]
        for name, changes, index in (("torch", torch, job.source.url), ("packages", rest, None)):
            if changes:
                steps += _phase(job, name, changes, index)
        steps += [_compile(job, item) for item in job.compilations]
        return tuple(steps)


def _phase(job: Job, name: str, changes: list[Change], index: str | None) -> tuple[Step, Step]:
    """Addresses go into variables: they may carry credentials, and anybody can read arguments."""
    path = f"{job.folder}/{name}.txt"
    lines = [_line(change, job) for change in changes]
    web = [place for place in job.find_links if "://" in place]
    folders = [place for place in job.find_links if "://" not in place]
    links = [word for place in folders for word in ("--find-links", place)]
    # pip leaves alone what has the version already: a damaged package, another build of torch
    replacing = any(change.before is not None for change in changes)
    force = ("--force-reinstall",) if replacing else ()
    argv = (
        job.target_python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
        "--no-deps", *force, *wheels_only(job.builds), "--progress-bar", "off", *links,
        "--requirement", path,
    )  # fmt: skip
    env = dict(CLEARED)
    if job.wheels:
        # a variable replaces what a configuration file says, and an option is added to it
        argv = (*argv, "--no-index")
        env["PIP_FIND_LINKS"] = job.wheels
    elif index is not None:
        env |= {"PIP_INDEX_URL": index, "PIP_EXTRA_INDEX_URL": None}
    if web:
        env["PIP_FIND_LINKS"] = " ".join([*web, *job.pip.find_links])
    names = [change.package.name for change in changes]
    what = " and ".join(names) if name == "torch" else f"{len(names)} packages"
    return (
        Write("write down exactly what is installed", path, "\n".join(lines) + "\n"),
        Run(f"install {what} with pip", argv, env, _HOUR),
    )


def _compile(job: Job, item: Compilation) -> Run:
    argv = (
        job.target_python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
        "--no-deps", "--no-build-isolation", "--no-cache-dir", "--progress-bar", "off", "--verbose",
        *(word for place in job.find_links for word in ("--find-links", place)),
        "--no-binary", item.change.package.name, _line(item.change, job),
    )  # fmt: skip
    return Run(item.text, argv, {**CLEARED, **item.env}, LONGEST_BUILD)


def _line(change: Change, job: Job) -> str:
    package = change.package
    text = f"{package.name}=={package.version}"
    if package.source == "wheel" and package.url:
        text = f"{package.name} @ {job.fetched.get(package.url, package.url)}"
    return f"{text} --hash=sha256:{package.sha256}" if job.wheels else text
