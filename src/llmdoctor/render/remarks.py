"""What the formats for other programs say alike of a finding: its words and its place."""

from __future__ import annotations

import re

from llmdoctor.diagnose import catalogue
from llmdoctor.finding import Finding, Report
from llmdoctor.render.terminal import command

# What XML 1.0 does not allow, escaped or not. None of it means anything in the other formats, and
# in a log it would steer a terminal.
_ILLEGAL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def clean(text: str) -> str:
    """A text that any format can hold: what it cannot becomes the replacement character."""
    return _ILLEGAL.sub("\ufffd", text)


def family(code: str) -> str:
    """The letters of a check's code."""
    return code.rstrip("0123456789")


def titles(report: Report) -> dict[str, str]:
    """What each check looks for, by its code; of another package's, with that package."""
    found = {check.code: check.title for check in catalogue()}
    for verdict in report.verdicts:
        if verdict.title is not None:
            origin = f" (of {verdict.origin})" if verdict.origin else ""
            found[verdict.code] = f"{verdict.title}{origin}"
    return found


def text(item: Finding) -> str:
    """What is wrong, what was seen, what to do: a line each, commands as a shell takes them."""
    lines = [item.detail, *item.evidence]
    if item.remedy is not None:
        lines.append(f"Remedy: {item.remedy.summary}")
        lines += [f"$ {command(argv)}" for argv in item.remedy.commands]
    if item.url:
        lines.append(item.url)
    return clean("\n".join(line for line in lines if line.strip()))


def whole(item: Finding) -> str:
    """The title and the text below it; never empty."""
    return "\n".join(filter(None, (clean(item.title), text(item)))) or clean(item.code)


def file(report: Report, item: Finding) -> str | None:
    """The project's file that a finding is about, from where the command runs, with "/".

    None for what is about the machine, its environment or a folder. What is said of a project as a
    whole was read from its manifest.
    """
    project, where = report.machine.project, item.where
    if project is None or not where:
        return None
    root, place = (path.replace("\\", "/").rstrip("/") for path in (project.root, where))
    if place == root:
        return at(report, project.manifest) if family(item.code) == "PROJ" else None
    name = place.removeprefix(f"{root}/")
    if name == place:
        return None
    # an environment in the project is no file of it; what has a line is
    manifest = name.endswith((".toml", ".lock")) and "/" not in name
    return at(report, name) if manifest or item.line is not None else None


def at(report: Report, name: str | None) -> str | None:
    """A file of the project, from where the command runs; None where the project lies elsewhere."""
    if name is None or report.base is None:
        return None
    return name if report.base == "." else f"{report.base}/{name}"
