"""LOCK001 and LOCK002: a lock that cannot be read, or is not the manifest's, is renewed.

The pins are kept wherever somebody still has them: one side of a merge, git, the stale lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmdoctor.finding import Finding
from llmdoctor.fix.relock import LOCKS, differences, relock
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.machine import Lock
from llmdoctor.plan import Write
from llmdoctor.probe.content_hash import manifest_hashes
from llmdoctor.probe.locks import parse_poetry_lock, parse_uv_lock
from llmdoctor.probe.toml import parse_toml

_HUNK = re.compile(
    r"^<{7}[^\n]*\n(?P<ours>.*?)(?:^\|{7}[^\n]*\n.*?)?^={7}\r?\n(?P<theirs>.*?)^>{7}[^\n]*(?:\n|\Z)",
    re.MULTILINE | re.DOTALL,
)
_GIT_SECONDS = 10.0


def lock_again(bench: Bench, found: Finding) -> Repair:
    """The lock that the project's own tool writes for the manifest as it is now."""
    project = bench.machine.project
    if project is None or project.lock is None:
        return manual(found, "there is no lock")
    before, manifest = bench.system.read_text(project.lock.path), _manifest(bench)
    made = relock(bench, manifest, before)
    if made.why or made.text == before:
        return manual(found, made.why or "locking again changes nothing")
    return _repair(
        bench,
        found,
        made.text,
        "Lock again for the manifest as it is; pinned versions stay where the manifest allows.",
        differences(before or "", made.text),
    )


def make_readable(bench: Bench, found: Finding) -> Repair:
    """A lock that is whole again, from what is left of it.

    Of an unresolved merge one side is taken, that of the manifest where there is one; of any other
    damage the lock that git has. The tool then locks again from there, since a manifest that was
    merged as well is neither side's. Only where nothing can be read is every version chosen anew.
    """
    project = bench.machine.project
    if project is None or project.lock is None or project.tool not in LOCKS:
        return manual(found)
    if project.problem:
        return manual(found, f"pyproject.toml comes first: {project.problem}")
    text = bench.system.read_text(project.lock.path) or ""
    manifest = _manifest(bench)
    usable = [(name, side) for name, side in _candidates(bench, text) if _whole(side, project.tool)]
    fresh = [(name, side) for name, side in usable if _fits(side, project.tool, manifest)]
    name, start = next(iter([*fresh, *usable]), ("", None))
    made = relock(bench, manifest, start)
    if made.why and fresh:  # no tool, no network: what belongs to the manifest is good enough
        summary = f"Take {name} of the lock: it belongs to pyproject.toml as it is."
        return _repair(bench, found, fresh[0][1], summary, (f"not locked again: {made.why}",))
    if made.why:
        return manual(found, made.why)
    if start is None:
        count = len(differences("", made.text))
        summary = "Nothing of the lock can be read: choose every version anew."
        return _repair(bench, found, made.text, summary, (f"{count} packages, none keeps a pin",))
    summary = f"Take {name} of the lock, and lock again from there; its pins stay."
    return _repair(bench, found, made.text, summary, differences(start, made.text))


def sides(text: str) -> tuple[str, str]:
    """Both sides of a file with conflict markers: with every hunk ours, with every hunk theirs."""
    return _HUNK.sub(lambda m: m["ours"], text), _HUNK.sub(lambda m: m["theirs"], text)


def _candidates(bench: Bench, text: str) -> Iterator[tuple[str, str]]:
    """Locks that may be whole, the nearest first."""
    if _HUNK.search(text):
        ours, theirs = sides(text)
        yield "our side", ours
        yield "their side", theirs
    if committed := _committed(bench):
        yield "the last commit's state", committed


def _committed(bench: Bench) -> str | None:
    """The lock in git's HEAD. Reads only; None without git, or without the file in it."""
    project, git = bench.machine.project, bench.system.which("git")
    if git is None or project is None or project.tool is None:
        return None
    done = bench.system.run(
        (git, "show", f"HEAD:./{LOCKS[project.tool]}"),
        env={"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        cwd=project.root,
        timeout=_GIT_SECONDS,
    )
    return done.out if done.ok else None


def _read(text: str, tool: str, hashes: dict[str, str]) -> Lock:
    return parse_uv_lock(text, "") if tool == "uv" else parse_poetry_lock(text, "", hashes)


def _whole(text: str, tool: str) -> bool:
    return _read(text, tool, {}).problem is None


def _fits(text: str, tool: str, manifest: str) -> bool:
    """Whether a poetry.lock has the manifest's hash by any rule; of uv.lock only uv knows."""
    if tool != "poetry":
        return False
    try:
        hashes = manifest_hashes(parse_toml(manifest, "pyproject.toml")[0])
    except TypeError:
        return False
    return _read(text, tool, hashes).content_hash in hashes.values()


def _manifest(bench: Bench) -> str:
    project = bench.machine.project
    assert project is not None
    return bench.system.read_text(str(bench.system.flavour(project.root, "pyproject.toml"))) or ""


def _repair(
    bench: Bench, found: Finding, text: str, summary: str, details: tuple[str, ...]
) -> Repair:
    project = bench.machine.project
    assert project is not None
    assert project.lock is not None
    path = bench.system.real_path(project.lock.path)
    step = Write("put the renewed lock in place", path, text)
    return Repair(found.key, found.code, "ask", summary, (step,), details=details)
