"""How often `check --from` has the cause of a pasted report among its findings.

    python benchmarks/reports.py

Judges each report without a wish, and a healthy one has to be without an error. Prints the share of
each file by half, and the reports that are judged wrongly.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from llmdoctor import checks, ingest
from llmdoctor.checks import Case
from llmdoctor.errors import UsageError
from llmdoctor.finding import Finding

CASES = Path(__file__).parents[1] / "tests" / "cases" / "reports"


def findings(text: str) -> list[Finding]:
    """What the checks find in a report."""
    try:
        machine = ingest.read(text)
    except UsageError:  # no report: that is an answer, and a wrong one here
        return []
    verdicts = checks.run_checks(Case(machine), select=(), ignore=())
    return [finding for verdict in verdicts for finding in verdict.findings]


def right(cause: str, found: list[Finding]) -> bool:
    """Whether the cause is among the findings; for a healthy report, whether none is an error."""
    if cause == "healthy":
        return not any(finding.severity == "error" for finding in found)
    return cause in {finding.cause for finding in found}


def main() -> None:
    """Print the table."""
    for path in sorted(CASES.glob("*.json")):
        hits: Counter[str] = Counter()
        total: Counter[str] = Counter()
        wrong = []
        for case in json.loads(path.read_text("utf-8")):
            found = findings(case["input"])
            half = case.get("half", "all")
            total[half] += 1
            hits[half] += right(case["cause"], found)
            if not right(case["cause"], found):
                said = [(item.code, item.cause, item.severity) for item in found]
                wrong.append(f"  {case['id']} ({half}): {case['cause']}, said {said}")
        for half, count in sorted(total.items()):
            print(f"{path.name:12} {half:5} {hits[half]:3}/{count:<3} {hits[half] / count:.0%}")
        print("\n".join(wrong))


if __name__ == "__main__":
    main()
