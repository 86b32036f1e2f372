"""A check as GitLab's code quality report.

GitLab wants a file and a line of every entry. What is about the machine stands at the project's
manifest. The format: https://docs.gitlab.com/ci/testing/code_quality/.
"""

from __future__ import annotations

import json
from typing import Any

from llmdoctor.finding import Finding, Report
from llmdoctor.known import fingerprints
from llmdoctor.render.remarks import at, clean, file, whole

_SEVERITIES = {"error": "critical", "warning": "major", "note": "info"}
_MANIFEST = "pyproject.toml"


def check(report: Report) -> str:
    """A whole check, in ASCII. A healthy machine gives an empty list."""
    crashed = [
        Finding(verdict.code, None, "error", "the check crashed", verdict.reason or "unknown")
        for verdict in report.verdicts
        if verdict.outcome == "crash"
    ]
    items = [*report.findings, *crashed]
    entries = [
        _entry(report, item, mark) for item, mark in zip(items, fingerprints(items), strict=True)
    ]
    return json.dumps(entries, indent=1)


def _entry(report: Report, item: Finding, mark: str) -> dict[str, Any]:
    project = report.machine.project
    manifest = (project.manifest if project else None) or _MANIFEST
    place = file(report, item) or at(report, manifest) or manifest
    return {
        "description": f"{clean(item.code)}: {whole(item)}",
        "check_name": clean(item.code),
        "fingerprint": mark,
        "severity": _SEVERITIES[item.severity],
        "location": {
            "path": clean(place),
            "lines": {"begin": item.line or 1},
        },
    }
