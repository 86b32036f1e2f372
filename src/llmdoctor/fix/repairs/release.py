"""LOCK004 and LOCK005: a locked release without a file for here gives way to one that has some.

Only the packages concerned move; every other pin stays.
"""

from __future__ import annotations

from dataclasses import replace

from llmdoctor.finding import Finding
from llmdoctor.fix.relock import differences, relock
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.locked import Unfit
from llmdoctor.plan import Write
from llmdoctor.probe.lock_fit import read_packages


def move_on(bench: Bench, found: Finding) -> Repair:
    """The lock with the newest release that pyproject.toml allows, if that has a file for here."""
    system, project = bench.system, bench.machine.project
    if project is None or project.lock is None or project.problem:
        return manual(found)
    lock = project.lock
    names = _concerned(found.code, lock.unfit)
    before = system.read_text(lock.path) or ""
    manifest = system.read_text(str(system.flavour(project.root, "pyproject.toml"))) or ""
    made = relock(bench, manifest, before, move=names)
    if made.why:
        return manual(found, made.why)
    copy = str(system.flavour(bench.scratch, "moved.lock"))
    system.write_bytes(copy, made.text.encode())
    judged = replace(project, lock=replace(lock, path=copy, unfit=()))
    after = read_packages(system, judged, bench.machine.environment, bench.machine.host)
    if left := _concerned(found.code, after.unfit):
        what = f"no release of {' and '.join(left)} that pyproject.toml allows has a file for here"
        return manual(found, f"the newest was tried: {what}")
    return Repair(
        found.key,
        found.code,
        "ask",
        f"Move {' and '.join(names)} to a release that has a file for here; other pins stay.",
        (Write("put the renewed lock in place", system.real_path(lock.path), made.text),),
        details=differences(before, made.text),
    )


def _concerned(code: str, unfit: tuple[Unfit, ...]) -> list[str]:
    """The packages that the finding of that code is about."""
    for_python = code == "LOCK005"
    return sorted(
        {i.name for i in unfit if i.origin == "index" and (i.kind == "python") == for_python}
    )
