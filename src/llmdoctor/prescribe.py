"""From a choice to steps: pure."""

from __future__ import annotations

from llmdoctor.installers import Installer, Job
from llmdoctor.machine import MARK, Environment
from llmdoctor.plan import Choice, SetAside, Smoke, Snapshot, Step, Verify, Write

# Its rows import these; accelerate by way of peft, which cannot be imported without it.
_PROVEN_BY_SMOKE = frozenset({"torch", "transformers", "peft", "accelerate"})


def prescribe(
    choice: Choice,
    job: Job,
    installer: Installer,
    environment: Environment,
    *,
    run: str,
    aside: str,
    fresh: bool,
    smoke: bool,
    expect: dict[str, str],
    in_place: bool = False,
    wheels: dict[str, str] | None = None,
) -> tuple[Step, ...]:
    """The steps of an install.

    Args:
        choice: what was decided.
        job: what has to change, and where.
        installer: the tool that changes it.
        environment: what is there now.
        run: the run's identifier, written into the environment.
        aside: where the former environment goes.
        fresh: set aside what lies there, were it an empty folder, and build anew.
        smoke: prove the result by running it.
        in_place: it cannot be renamed; `aside` lies in it.
        expect: every package of the closed set with its version.
        wheels: file names of those that come from an address of their own.
    """
    steps: list[Step] = []
    there = environment.kind != "missing"
    if fresh:
        steps.append(SetAside(f"set {job.environment} aside", job.environment, aside))
    elif there and (job.changes or job.compilations or job.removals):
        if in_place:
            there_is = "".join(f"{item.name}=={item.version}\n" for item in environment.packages)
            steps.append(
                Write("write down what is installed", f"{job.folder}/before.txt", there_is)
            )
        text = f"take a snapshot of {job.environment}"
        steps.append(
            Snapshot(text, job.environment, aside, copy=installer.overwrites, in_place=in_place)
        )
    if fresh or not there:
        steps += installer.create(job)
    if steps:  # so that a later run never takes somebody else's environment for this one's
        mark = Write("mark the environment as this run's", f"{job.environment}/{MARK}", f"{run}\n")
        steps.append(mark)
    if job.changes or job.compilations or job.removals:
        steps += installer.install(job)
    imports = tuple(name for name in choice.imports if not (smoke and name in _PROVEN_BY_SMOKE))
    steps.append(
        Verify(
            text="verify versions, files and imports",
            path=job.environment,
            expect=expect,
            imports=imports,
            variant=choice.variant,
            wheels=wheels or {},
        )
    )
    if smoke:
        text = "prove it: run every attention backend"
        steps.append(Smoke(text, job.target_python, choice.due))
    return tuple(steps)
