"""Annotations of a GitHub workflow: findings, rows of a proof, causes of a log, a plan's why.

A runner takes a line that begins with "::" for a command; escaped, no text of a finding can be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdoctor.finding import SEVERITIES, Finding, Report
from llmdoctor.render.remarks import clean, file, text

if TYPE_CHECKING:
    from llmdoctor.explain import Explanation
    from llmdoctor.plan import Plan
    from llmdoctor.proof import Proof

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def check(report: Report) -> str:
    """A whole check: a line for each finding and each crash, then one for the log that counts."""
    lines = []
    for item in report.findings:
        properties = {"title": f"{item.code}: {item.title}"}
        if place := file(report, item):
            properties = {"file": place, "line": str(item.line or 1), **properties}
        lines.append(
            _line(_COMMANDS[item.severity], properties, text(item) or item.title or item.code)
        )
    lines += [
        _line("error", {"title": f"{verdict.code} crashed"}, verdict.reason or "unknown")
        for verdict in report.verdicts
        if verdict.outcome == "crash"
    ]
    counted = ", ".join(
        f"{count} {name}{'' if count == 1 else 's'}"
        for name in SEVERITIES
        for count in [report.count(name)]
    )
    counted += f", {len(report.crashed)} crashed" if report.crashed else ""
    return "\n".join([*lines, f"llmdoctor: {counted}"])


def smoke(proof: Proof) -> str:
    """A proof: a line for each row that says that something does not work."""
    from llmdoctor.render.proof import verdict

    lines = [_line("error", {"title": "not proven"}, proof.problem)] if proof.problem else []
    lines += [
        _line("error", {"title": f"{row.name} on {row.device}: {row.outcome}"}, row.detail or "")
        for row in proof.rows
        if row.bad
    ]
    return "\n".join([*lines, f"llmdoctor: {clean(verdict(proof))}"])


def explain(found: Explanation) -> str:
    """What a log shows: its root cause as an error, what follows from it as notices."""
    from llmdoctor.render.explanation import one_line
    from llmdoctor.render.terminal import command

    lines = []
    for number, named in enumerate(found.causes):
        told = [f"line {item.line}: {item.text}" for item in named.evidence]
        told += [" ".join(named.explanation.split()), f"Remedy: {named.remedy.summary}"]
        told += [f"$ {command(argv)}" for argv in named.remedy.commands]
        title = {"title": f"{named.cause}: {named.title}"}
        lines.append(_line("notice" if number else "error", title, "\n".join(told)))
    return "\n".join([*lines, f"llmdoctor: {clean(one_line(found))}"])


def plan(plan: Plan, blocked: Sequence[Finding], line: str, error: str | None = None) -> str:
    """A plan: why it is not feasible, or what ended it; `line` is the whole result."""
    choice = plan.choice
    lines = [_line("error", {"title": f"{x.code}: {x.title}"}, text(x) or x.title) for x in blocked]
    if not choice.feasible:
        why = "\n".join(reason.text for reason in choice.reasons)
        lines.append(_line("error", {"title": line}, why))
    if error:
        lines.append(_line("error", {"title": line}, error))
    return "\n".join([*lines, f"llmdoctor: {clean(line)}"])


def _line(command: str, properties: dict[str, str], message: str) -> str:
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command} {written}::{_data(message)}"


def _data(words: str) -> str:
    return clean(words).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")
