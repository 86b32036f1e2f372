"""Whether what a lock lists can be installed on this machine, by the names of its files.

Nothing is run and nothing fetched. Poetry's own dry run does not tell these: it looks at a file's
tags when it installs it, and at those of a file that is given as a path not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from llmdoctor.errors import UnreadableError
from llmdoctor.hardware import Host
from llmdoctor.locked import Unfit
from llmdoctor.machine import Environment, Lock, Project
from llmdoctor.probe.locked import Entry, file_of, read_lock
from llmdoctor.probe.paths import join
from llmdoctor.probe.project import LARGEST
from llmdoctor.probe.toml import line_of, parse_toml
from llmdoctor.system import System
from llmdoctor.wheel_tags import Misfit, misfit, tag_of

_PYTORCH = re.compile(r"https?://(?:download|download-r2)\.pytorch\.org/whl\b")
# What the PyTorch index is for; the rest lies there as old copies.
_OF_PYTORCH = re.compile(
    r"torch\w*|pytorch-\S+|triton\S*|nvidia-\S+|cuda-\S+|intel-\S+|xformers|flash-attn\S*|fbgemm\S*"
    r"|tcmlib|umf|impi-rt|onemkl-\S+|dpcpp-\S+|oneccl\S*|pyelftools|functorch"
)
_PYTHON = "3.12"  # what markers are read for where no Python is chosen yet


def read_packages(system: System, project: Project, environment: Environment, host: Host) -> Lock:
    """The project's lock, with what it says of packages.

    Where no Python is chosen yet, only the platform is judged.

    Raises:
        UnreadableError: the lock is larger than any lock is, or was taken away meanwhile.
    """
    lock = project.lock
    assert lock is not None
    text = system.read_text(lock.path, LARGEST + 1)
    if text is None:
        raise UnreadableError(lock.path, "it is gone", status="failed")
    if len(text) > LARGEST:
        raise UnreadableError(
            lock.path, f"larger than {LARGEST >> 20} MiB: no lock is", status="failed"
        )
    entries, head = read_lock(text, lock.tool)
    manifest, _ = parse_toml(
        system.read_text(join(system, project.root, "pyproject.toml")) or "", "pyproject.toml"
    )
    lock = replace(lock, packages=len(entries), strays=_strays(entries))
    if lock.tool == "uv" and manifest:
        from llmdoctor.probe.uv_metadata import differences
        from llmdoctor.probe.uv_workspace import read_workspace

        workspace = read_workspace(system, project.root, manifest)
        lock = replace(lock, differs=differences(workspace, head, entries))
    suspects = [(entry, found) for entry in entries if (found := _misfit(entry, environment, host))]
    if not suspects:
        return lock
    asked = _asked_for(entries, lock.tool, manifest, environment, host)
    wrong = {id(entry) for entry, _ in suspects}
    # A lock of Poetry 1 does not say which of several versions is for here: one that fits will do.
    fitting = {entry.name for entry in asked if id(entry) not in wrong}
    needed = {id(entry) for entry in asked if entry.name not in fitting}
    unfit = (_unfit(entry, found, text) for entry, found in suspects if id(entry) in needed)
    return replace(lock, unfit=tuple(unfit))


def _misfit(entry: Entry, environment: Environment, host: Host) -> Misfit | None:
    """Why no file of a package is for here; None where one is, or where that cannot be said."""
    if entry.origin in ("url", "path"):
        files: Iterable[str] = (file_of(entry.address or ""),)
    elif entry.origin == "index":
        files = entry.files
    else:
        return None
    tags = [tag_of(file) for file in files]
    if None in tags:
        return None  # an sdist: it is built here
    python = environment.version
    found = misfit(tuple(tag for tag in tags if tag), python or _PYTHON, host)
    return None if found and found.kind == "python" and python is None else found


def _asked_for(
    entries: tuple[Entry, ...],
    tool: str,
    manifest: dict[str, Any],
    environment: Environment,
    host: Host,
) -> tuple[Entry, ...]:
    from llmdoctor.probe.lock_graph import Here, asked_for, marker_values

    values = marker_values(host, environment.version or _PYTHON)
    return () if values is None else asked_for(entries, tool, manifest, Here(values))


def _unfit(entry: Entry, found: Misfit, text: str) -> Unfit:
    own = entry.origin in ("url", "path")
    version = f'\\r?\\nversion = "{re.escape(entry.version)}"' if entry.version else ""
    return Unfit(
        entry.name,
        entry.version,
        entry.origin,
        found.kind,
        found.made_for,
        (file_of(entry.address or ""),) if own else entry.files,
        entry.address if own else None,
        line_of(text, f'^name = "{re.escape(entry.name)}"{version}'),
    )


def _strays(entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Packages that are locked from the PyTorch index without being of it."""
    return tuple(
        f"{entry.name} {entry.version}"
        for entry in entries
        if _PYTORCH.match(entry.index or "") and not _OF_PYTORCH.fullmatch(entry.name)
    )
