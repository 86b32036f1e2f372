"""A check as SARIF 2.1.0, the OASIS standard for results of static analysis."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from llmdoctor import __version__
from llmdoctor.diagnose import catalogue
from llmdoctor.finding import Finding, Report
from llmdoctor.known import fingerprints
from llmdoctor.render.remarks import clean, family, file, titles, whole

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"


def check(report: Report) -> str:
    """A whole check, in ASCII: a rule for each check that ran, a result for each finding."""
    codes = list(dict.fromkeys(verdict.code for verdict in report.verdicts))
    codes += [item.code for item in report.findings if item.code not in codes]
    marks = fingerprints(report.findings)
    crashes = [
        {
            "level": "error",
            "message": {"text": clean(f"{verdict.code} crashed: {verdict.reason or 'unknown'}")},
            "associatedRule": {"id": clean(verdict.code), "index": codes.index(verdict.code)},
        }
        for verdict in report.verdicts
        if verdict.outcome == "crash"
    ]
    run = {
        "tool": {
            "driver": {"name": "llmdoctor", "version": __version__, "rules": _rules(report, codes)}
        },
        "invocations": [
            {"executionSuccessful": not crashes, "toolExecutionNotifications": crashes}
        ],
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(report, item, codes.index(item.code), mark)
            for item, mark in zip(report.findings, marks, strict=True)
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _rules(report: Report, codes: list[str]) -> list[dict[str, Any]]:
    declared = {check.code: check for check in catalogue()}
    names = titles(report)
    # The documentation has no address of its own yet: the source that a finding names is one.
    sources = {
        item.code: clean(item.url)
        for item in reversed(report.findings)
        if item.url and item.url.startswith("https://") and item.url.isascii()
    }
    rules = []
    for code in codes:
        check = declared.get(code)
        rule: dict[str, Any] = {"id": clean(code)}
        if check is not None:
            told = [f"{name}: {words}" for name, words in check.sections.items()]
            rule["shortDescription"] = {"text": check.title}
            rule["help"] = {"text": "\n\n".join(told) or check.title}
            rule["defaultConfiguration"] = {"level": check.severity}
        elif code in names:
            rule["shortDescription"] = rule["help"] = {"text": clean(names[code])}
        if code in sources:
            rule["helpUri"] = quote(sources[code], safe=":/?#[]@!$&'()*+,;=%~")
        rules.append(rule | {"properties": {"tags": [clean(family(code))]}})
    return rules


def _result(report: Report, item: Finding, index: int, mark: str) -> dict[str, Any]:
    place = file(report, item)
    location: dict[str, Any]
    if place:
        location = {
            "physicalLocation": {
                "artifactLocation": {"uri": quote(clean(place)), "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": item.line or 1},
            }
        }
    else:
        location = {
            "logicalLocations": [
                {"fullyQualifiedName": clean(item.where or "machine"), "kind": "resource"}
            ]
        }
    return {
        "ruleId": clean(item.code),
        "ruleIndex": index,
        "level": item.severity,
        "message": {"text": whole(item)},
        "locations": [location],
        "partialFingerprints": {"llmdoctor/v1": mark},
    }
