"""A check as annotations of a GitHub workflow, most fundamental first.

A runner takes a line that begins with "::" for a command; escaped, no text of a finding can be one.
"""

from __future__ import annotations

from llmdoctor.finding import SEVERITIES, Report
from llmdoctor.render.remarks import clean, file, text

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
        _line("warning", {"title": f"{verdict.code} crashed"}, verdict.reason or "unknown")
        for verdict in report.verdicts
        if verdict.outcome == "crash"
    ]
    counted = ", ".join(
        f"{count} {name}{'' if count == 1 else 's'}"
        for name in SEVERITIES
        for count in [report.count(name)]
    )
    return "\n".join([*lines, f"llmdoctor: {counted}"])


def _line(command: str, properties: dict[str, str], message: str) -> str:
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command} {written}::{_data(message)}"


def _data(words: str) -> str:
    return clean(words).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(words: str) -> str:
    return _data(words).replace(":", "%3A").replace(",", "%2C")
