"""The formats for other programs: read back by their readers, on saved machines and odd texts.

`LLMDOCTOR_TEST_UPDATE=1` writes the golden files anew. The SARIF schema below is an excerpt of the
standard's, written by hand: the properties that are used here, and those that are required.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdoctor.diagnose import Question, diagnose, one_line
from llmdoctor.finding import Finding, Known, Remedy, Report, Verdict
from llmdoctor.machine import Machine, Project
from llmdoctor.render import formats, github, markdown, remarks
from llmdoctor.system.local import Local
from render.goldens import assert_as_it_was

CASES = Path(__file__).parents[1] / "cases"
SAVED = ("healthy-rtx-4090", "stale-lock", "driver-520", "windows-4090", "broken-venv", "cpu-only")

MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {"$ref": "#/$defs/run"}},
    },
    "$defs": {
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "additionalProperties": False,
            "properties": {
                "tool": {
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "required": ["name"],
                            "properties": {
                                "rules": {
                                    "type": "array",
                                    "uniqueItems": True,
                                    "items": {"$ref": "#/$defs/rule"},
                                }
                            },
                        }
                    },
                },
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "invocations": {"items": {"required": ["executionSuccessful"]}},
                "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
            },
        },
        "rule": {
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "shortDescription": MESSAGE,
                "help": MESSAGE,
                "helpUri": {"type": "string", "pattern": "^https://[!-~]+$"},
                "defaultConfiguration": {"properties": {"level": LEVEL}},
                "properties": {"type": "object"},
            },
        },
        "result": {
            "required": ["message", "ruleId", "locations", "partialFingerprints"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": LEVEL,
                "message": MESSAGE,
                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                "locations": {
                    "minItems": 1,
                    "items": {
                        "minProperties": 1,
                        "additionalProperties": False,
                        "properties": {
                            "logicalLocations": {"type": "array"},
                            "physicalLocation": {"required": ["artifactLocation"]},
                        },
                    },
                },
            },
        },
    },
}
GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string"},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!/|\./)."},
                    "lines": {"required": ["begin"], "properties": {"begin": {"minimum": 1}}},
                },
            },
        },
    },
}


@cache
def report(case: str) -> Report:
    return diagnose(Local(), Question(snapshot=str(CASES / case / "machine.json")))


def told_to_runner(text: str) -> list[tuple[str, dict[str, str], str]]:
    """What a runner reads: a command, its properties and its message."""
    found = []
    for line in re.split("\r\n|\r|\n", text):
        if match := re.fullmatch("::([a-z]+) ([^:]*)::(.*)", line, re.DOTALL):
            pairs = (pair.split("=", 1) for pair in match[2].split(","))
            found.append((match[1], {k: unescaped(v) for k, v in pairs}, unescaped(match[3])))
        else:
            assert not line.startswith("::"), line
    return found


def unescaped(text: str) -> str:
    for sign, code in (("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C"), ("%", "%25")):
        text = text.replace(code, sign)
    return text


def holds(told: Report) -> None:
    """All four can be read, and tell every finding and every crash."""
    written = {name: formats.check(name, told) for name in formats.OF_A_CHECK}
    outcomes = Counter(verdict.outcome for verdict in told.verdicts)
    crashes = outcomes["crash"]

    root = ET.fromstring(written["junit"])
    failing = [v for v in told.verdicts if any(i.severity != "note" for i in v.findings)]
    assert (
        len(root.findall("testsuite/testcase")) == len(told.verdicts) == int(root.attrib["tests"])
    )
    counted = {key: int(root.attrib[key]) for key in ("failures", "errors", "skipped")}
    assert counted == {"failures": len(failing), "errors": crashes, "skipped": outcomes["skip"]}
    for suite in root:
        assert int(suite.attrib["tests"]) == len(suite)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    words = " ".join("".join(case.itertext()) for case in root.iter("testcase"))
    for item in told.findings:
        assert flat(item.title) in flat(words)
        assert flat(remarks.text(item)) in flat(words)

    document = json.loads(written["sarif"])
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len(run["results"]) == len(told.findings)
    for item, result in zip(told.findings, run["results"], strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == item.code
        assert remarks.text(item) in result["message"]["text"]
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == crashes

    entries = json.loads(written["gitlab"])
    jsonschema.validate(entries, GITLAB)
    assert len(entries) == len(told.findings) + crashes
    assert len({entry["fingerprint"] for entry in entries}) == len(entries)

    lines = told_to_runner(written["github"])
    assert len(lines) == len(told.findings) + crashes
    for item, (command, properties, message) in zip(told.findings, lines, strict=False):
        assert command == {"note": "notice"}.get(item.severity, item.severity)
        assert properties["title"] == remarks.clean(f"{item.code}: {item.title}")
        assert message == (remarks.text(item) or remarks.clean(item.title or item.code))


def flat(text: str) -> str:
    """XML makes one line end of each kind."""
    return remarks.clean(text).replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("case", SAVED)
def test_every_format_tells_all_of_a_saved_machine(case: str) -> None:
    holds(report(case))


@pytest.mark.parametrize("name", formats.OF_A_CHECK)
@pytest.mark.parametrize("case", ["stale-lock", "driver-520"])
def test_a_format_looks_as_it_did(case: str, name: str) -> None:
    assert_as_it_was(f"check/{case}.{name}", formats.check(name, report(case)))


def test_an_empty_report_and_a_crash_can_be_told() -> None:
    holds(Report(Machine()))
    assert json.loads(formats.check("gitlab", Report(Machine()))) == []
    assert github.check(Report(Machine())) == "llmdoctor: 0 errors, 0 warnings, 0 notes"
    crashed = Report(
        Machine(), (Verdict("GPU001", "crash", reason="KeyError: ']]>\x00\n::error'"),)
    )
    holds(crashed)
    run = json.loads(formats.check("sarif", crashed))["runs"][0]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_a_crash_is_an_error_in_every_format_and_nowhere_healthy() -> None:
    crashed = Report(Machine(), (Verdict("GPU001", "crash", reason="KeyError: 1"),))
    written = {name: formats.check(name, crashed) for name in formats.OF_A_CHECK}
    assert [entry["severity"] for entry in json.loads(written["gitlab"])] == ["critical"]
    ((command, _, _),) = told_to_runner(written["github"])
    assert command == "error"
    assert written["github"].endswith("llmdoctor: 0 errors, 0 warnings, 0 notes, 1 crashed")
    notes = json.loads(written["sarif"])["runs"][0]["invocations"][0]
    assert [note["level"] for note in notes["toolExecutionNotifications"]] == ["error"]
    assert 'errors="1"' in written["junit"].splitlines()[1]
    assert re.findall("<h1>(.*?)</h1>", written["html"]) == ["1 check crashed: GPU001"]
    assert "GPU001 crashed: KeyError: 1" in written["html"]
    assert "Nothing is wrong" not in written["html"]
    text = markdown.check(crashed, ["llmdoctor"])
    assert "1 check crashed: GPU001" in text.splitlines()[0]


def test_healthy_says_what_was_not_judged() -> None:
    passed, skipped = Verdict("GPU001", "pass"), Verdict("GPU002", "skip", reason="r")
    assert one_line(Report(Machine(), (passed,))) == "healthy"
    assert one_line(Report(Machine(), (passed, skipped))) == "healthy (1 skipped)"
    known = (Known(Finding("X1", None, "error", "T"), "in the baseline"),)
    both = Report(Machine(), (passed, skipped), known=known)
    assert one_line(both) == "healthy (1 skipped, 1 known left out)"


@pytest.mark.parametrize(
    ("root", "code", "where", "file"),
    [
        ("~/p", "LOCK002", "~/p/poetry.lock", "poetry.lock"),
        ("~/p", "PROJ001", "~/p", "pyproject.toml"),
        ("C:\\p", "LOCK002", "C:\\p\\poetry.lock", "poetry.lock"),
        ("~/p", "POETRY004", "~/p", None),
        ("~/p", "TORCH001", "~/p/.venv", None),
        ("~/p", "LOCK002", "~/poetry.lock", None),
        ("~/p", "TORCH001", None, None),
    ],
)
def test_only_a_file_of_the_project_is_a_place(
    root: str, code: str, where: str | None, file: str | None
) -> None:
    machine = dataclasses.replace(Machine(), project=Project(root, manifest="pyproject.toml"))
    item = Finding(code, None, "error", "T", where=where)
    told = Report(machine, (Verdict(code, "fail", (item,)),))
    assert remarks.file(told, item) == file
    (location,) = json.loads(formats.check("sarif", told))["runs"][0]["results"][0]["locations"]
    assert ("physicalLocation" in location) is (file is not None)
    ((_, properties, _),) = told_to_runner(formats.check("github", told))
    assert properties.get("file") == file


@pytest.mark.parametrize(
    ("base", "place"),
    [(".", "poetry.lock"), ("a/b", "a/b/poetry.lock"), (None, None)],
)
def test_a_place_is_told_from_where_the_command_runs(base: str | None, place: str | None) -> None:
    machine = dataclasses.replace(Machine(), project=Project("~/p", manifest="pyproject.toml"))
    items = (
        Finding("LOCK002", None, "error", "T", where="~/p/poetry.lock"),
        Finding("GPU001", None, "error", "T"),
    )
    told = Report(machine, (Verdict("LOCK002", "fail", items),), base=base)
    (_, properties, _), _ = told_to_runner(formats.check("github", told))
    assert properties.get("file") == place
    entries = json.loads(formats.check("gitlab", told))
    manifest = (place or "").replace("poetry.lock", "pyproject.toml") or "pyproject.toml"
    paths = [entry["location"]["path"] for entry in entries]
    assert paths == [place or manifest, manifest]
    location = json.loads(formats.check("sarif", told))["runs"][0]["results"][0]["locations"][0]
    assert ("physicalLocation" in location) is (place is not None)
    if place:
        assert location["physicalLocation"]["artifactLocation"]["uri"] == place


ODD = st.text(max_size=30) | st.sampled_from(
    ["]]>", "\x00\x1b[2J", "a\r\n::error::b", "100%25,x:y", "\ud800", "\ufffe", "<a b='c'>&amp;"]
)
REMEDIES = st.builds(
    Remedy, ODD, commands=st.lists(st.lists(ODD, min_size=1, max_size=3).map(tuple)).map(tuple)
)
CODES = st.sampled_from(["GPU001", "DRV008", "LOCK002", "PROJ001", "X1"])
FINDINGS = st.builds(
    Finding,
    code=CODES,
    cause=st.none() | ODD,
    severity=st.sampled_from(["error", "warning", "note"]),
    title=ODD,
    detail=ODD,
    evidence=st.lists(ODD, max_size=2).map(tuple),
    where=st.none() | ODD,
    remedy=st.none() | REMEDIES,
    url=st.none() | ODD | st.just("https://x.example/a b"),
)


@settings(max_examples=40, deadline=None)
@given(found=st.lists(FINDINGS, max_size=4), reason=st.none() | ODD)
def test_no_text_breaks_a_format(found: list[Finding], reason: str | None) -> None:
    failed = tuple(Verdict(item.code, "fail", (item, item)) for item in found)
    others = (Verdict("HOST001", "skip", reason=reason), Verdict("PY001", "crash", reason=reason))
    holds(Report(Machine(), (*failed, *others)))
