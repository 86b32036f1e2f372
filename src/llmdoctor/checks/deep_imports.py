"""DEEP: how the imports of the packages went (`check --deep`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmdoctor.checks._access import why_no_gpu
from llmdoctor.checks._framework import ANY, Case, Check, Skip, check, finding
from llmdoctor.checks._remedies import replace
from llmdoctor.checks.deep import asked, distribution_of, named
from llmdoctor.finding import Finding

if TYPE_CHECKING:  # only a look from inside needs them
    from llmdoctor.deep import Deep, Import

# Causes that lie between packages: they count on a machine without a GPU too.
_BETWEEN_PACKAGES = (
    "ext-abi-mismatch",
    "hf-hub-version-conflict",
    "libstdcxx-too-old",
    "numpy2-abi",
    "numpy-too-old-for-extension",
    "peft-transformers-mismatch",
    "tokenizers-version-conflict",
    "torchvision-torch-mismatch",
    "xformers-torch-mismatch",
)


@check("DEEP005", cause=None, also=(ANY,), readers=("environment",))
def import_fails(case: Case) -> Iterator[Finding] | Skip:
    """An installed package cannot be imported.

    What: Imports each package of the stack in the environment's Python, torch first (`--deep`).

    Why: A compiled part that was built for another torch, a missing library or two packages that
    do not fit each other show only now; the record of what is installed looks fine.

    Remedy: As the cause says that its message names; else install the package again.

    Known problems: What builds on torch is not tried where torch itself fails.
    """
    deep = asked(case)
    return deep if isinstance(deep, Skip) else _failures(case, deep)


@check("DEEP006", cause=None, also=(ANY,), readers=("environment",))
def import_crashes(case: Case) -> Iterator[Finding] | Skip:
    """Importing a package ends Python.

    What: Watches whether the process survives each import; the other packages are tried in a
    fresh one (`--deep`).

    Why: A compiled part that was built for another library or another processor crashes instead
    of raising an error, and the program that imports it dies without a traceback.

    Remedy: As the cause says that its last words name; else install the package again.

    Known problems: "Killed by signal 9" is mostly the system that ran out of memory.
    """
    return _ended(case, import_crashes, "crash", "Importing {} ends Python")


@check("DEEP007", cause=None, readers=("environment",))
def import_hangs(case: Case) -> Iterator[Finding] | Skip:
    """Importing a package takes minutes or never ends.

    What: Ends an import that takes longer than three minutes, with the place where it was
    (`--deep`).

    Why: A network drive that does not answer, a lock that another program holds, or a driver that
    hangs.

    Remedy: See at which file it stood; the packages on a local disk import within seconds.

    Known problems: The first import from a slow network drive can take that long.
    """
    return _ended(case, import_hangs, "timeout", "Importing {} does not end")


@check("DEEP008", cause=None, also=(ANY,), severity="warning", readers=("environment", "nvidia"))
def import_warns(case: Case) -> Iterator[Finding] | Skip:
    """A package imports, and warns of a known defect.

    What: Reads what each import warned of and printed, and looks for messages whose cause is known
    (`--deep`).

    Why: NumPy's binary interface, xformers' kernels or bitsandbytes' library fail with a message
    only, and the first use fails much later.

    Remedy: As the cause says that the message names.

    Known problems: Without a usable GPU, messages about it say nothing new and are left out.
    """
    deep = asked(case)
    return deep if isinstance(deep, Skip) else _warnings(case, deep)


def _failures(case: Case, deep: Deep) -> Iterator[Finding]:
    together: dict[str, list[Import]] = {}
    for item in deep.imports:
        package = case.machine.environment.package(distribution_of(item.module))
        if item.outcome == "broken" or (item.outcome == "missing" and package is not None):
            together.setdefault(item.error or item.module, []).append(item)
    for error, items in together.items():
        first = items[0]
        distribution = distribution_of(first.module)
        # What it printed knows more at times, and the error itself is to the point.
        cause = named(error) or named(first.said, *first.warnings)
        if first.outcome == "missing":
            cause = None  # the message says that it is not installed, and its record is there
        fallback = "torch-not-importable" if first.module == "torch" else None
        others = [item.module for item in items[1:] if distribution_of(item.module) != distribution]
        yield finding(
            import_fails,
            f"`import {first.module}` says: {first_line(error)}"
            + (f" The same happens to {', '.join(others)}." if others else ""),
            title=f"{distribution} cannot be imported",
            cause=cause.cause if cause else fallback,
            evidence=(*error.splitlines()[:3], *(f"at {place}" for place in first.frames)),
            where=first.path or case.machine.environment.path,
            remedy=cause.remedy if cause else replace(case, distribution),
            url=cause.url if cause else None,
        )


def _ended(case: Case, check: Check, outcome: str, title: str) -> Iterator[Finding] | Skip:
    deep = asked(case)
    return deep if isinstance(deep, Skip) else _deaths(case, deep, check, outcome, title)


def _deaths(case: Case, deep: Deep, check: Check, outcome: str, title: str) -> Iterator[Finding]:
    for item in deep.imports:
        if item.outcome != outcome:
            continue
        distribution = distribution_of(item.module)
        cause = named(item.said)
        rest = " What builds on it was not tried." if item.module == "torch" else ""
        yield finding(
            check,
            f"The process that imported {item.module}: {item.error}.{rest}",
            title=title.format(distribution),
            cause=cause.cause if cause else None,
            evidence=last_lines(item.said),
            where=case.machine.environment.path,
            remedy=cause.remedy if cause else replace(case, distribution),
            url=cause.url if cause else None,
        )


def _warnings(case: Case, deep: Deep) -> Iterator[Finding]:
    told: set[str] = set()
    for item in deep.imports:
        if item.outcome != "ok":
            continue
        cause = named(item.said, *item.warnings)
        if cause is None or cause.confidence == "possible" or cause.cause in told:
            continue
        if why_no_gpu(case) and cause.cause not in _BETWEEN_PACKAGES:
            continue
        told.add(cause.cause)
        yield finding(
            import_warns,
            f"`import {item.module}` works and says: {cause.evidence[0].text.strip()[:300]}",
            title=cause.title,
            cause=cause.cause,
            evidence=tuple(line.text.strip()[:300] for line in cause.evidence),
            where=case.machine.environment.path,
            remedy=cause.remedy,
            url=cause.url,
        )


def first_line(text: str | None) -> str:
    """The first line of what was said."""
    return next((line for line in (text or "").splitlines() if line.strip()), "nothing")


def last_lines(said: str | None) -> tuple[str, ...]:
    """What tells most of a process that died: the interpreter's own last words, else the last."""
    lines = [line.strip() for line in (said or "").splitlines() if line.strip()]
    start = next(
        (n for n, line in enumerate(lines) if re.match(r"Fatal Python error|Timeout \(", line)),
        max(0, len(lines) - 4),
    )
    return tuple(lines[start : start + 6])
