"""JUnit XML: a check, a test case for each and a suite for each family; a proof, a case a row.

Of a check, errors and warnings are failures. A note asks for nothing, so its test case passes and
says it.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from llmdoctor.finding import SEVERITIES, Report, Verdict
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render.remarks import clean, family, titles, whole


def check(report: Report) -> str:
    """A whole check, in ASCII: what is beyond it is written as references."""
    names = titles(report)
    families: dict[str, list[Verdict]] = {}
    for verdict in report.verdicts:
        families.setdefault(family(verdict.code), []).append(verdict)
    root = ET.Element("testsuites", name="llmdoctor check")
    for name, verdicts in families.items():
        suite = ET.SubElement(root, "testsuite", name=clean(name))
        for verdict in verdicts:
            _case(suite, verdict, names.get(verdict.code, ""))
        _count(suite)
    return _written(root)


def smoke(proof: Proof) -> str:
    """A proof: a suite for each device, a test case for each row, with its seconds.

    What fails a proof as a whole is a case of its own.
    """
    root = ET.Element("testsuites", name="llmdoctor smoke")
    for device in proof.devices:
        suite = ET.SubElement(root, "testsuite", name=clean(device))
        for row in proof.rows:
            if row.device == device:
                _row(suite, row)
        _count(suite)
    if proof.problem:
        suite = ET.SubElement(root, "testsuite", name="proof")
        case = ET.SubElement(suite, "testcase", classname="llmdoctor.smoke", name="the proof")
        ET.SubElement(case, "error", type="problem", message=clean(proof.problem))
        _count(suite)
    return _written(root)


def _row(suite: ET.Element, row: SmokeRow) -> None:
    name = f"llmdoctor.smoke.{suite.get('name')}"
    case = ET.SubElement(suite, "testcase", classname=name, name=clean(row.name))
    if row.seconds is not None:
        case.set("time", f"{row.seconds:.3f}")
    detail = clean(row.detail or row.outcome)
    if row.outcome == "skip":
        ET.SubElement(case, "skipped", message=detail)
    elif row.bad:
        tag = "failure" if row.outcome == "fail" else "error"
        ET.SubElement(case, tag, type=row.outcome, message=detail).text = detail


def _written(root: ET.Element) -> str:
    _count(root)
    ET.indent(root, " ")
    written: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return written.decode("ascii")


def _case(suite: ET.Element, verdict: Verdict, title: str) -> None:
    name = clean(f"{verdict.code} {title}".strip())
    case = ET.SubElement(suite, "testcase", classname=f"llmdoctor.{suite.get('name')}", name=name)
    reason = clean(verdict.reason or "unknown")
    if verdict.outcome == "skip":
        ET.SubElement(case, "skipped", message=reason)
    elif verdict.outcome == "crash":
        ET.SubElement(case, "error", type="crash", message=reason).text = reason
    elif verdict.findings:
        worst = min(verdict.findings, key=lambda item: SEVERITIES.index(item.severity))
        told = "\n\n".join(f"{item.severity}: {whole(item)}" for item in verdict.findings)
        if worst.severity == "note":
            ET.SubElement(case, "system-out").text = told
        else:
            ET.SubElement(
                case, "failure", type=worst.severity, message=clean(worst.title)
            ).text = told


def _count(element: ET.Element) -> None:
    counts = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    for name, tag in counts.items():
        element.set(name, str(sum(1 for _ in element.iter(tag))))
