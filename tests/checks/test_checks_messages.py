"""What a pasted report quotes is judged, and no cause is said twice."""

from __future__ import annotations

from llmdoctor import checks
from llmdoctor.checks import Case
from llmdoctor.checks.messages import once
from llmdoctor.finding import Finding, Verdict
from llmdoctor.machine import Machine, Said


def judge(*said: Said) -> Verdict:
    (verdict,) = checks.run_checks(Case(Machine(said=said)), select=["LOG"])
    return verdict


def test_a_message_names_its_cause_with_its_line_and_the_way_out() -> None:
    verdict = judge(Said("libstdcxx-too-old", "certain", 7, "version `GLIBCXX_3.4.30' not found"))
    (found,) = verdict.findings
    assert (found.cause, found.severity) == ("libstdcxx-too-old", "error")
    assert found.evidence == ("line 7: version `GLIBCXX_3.4.30' not found",)
    assert found.remedy is not None
    assert "{" not in found.title + found.detail


def test_what_is_likely_is_a_warning_and_what_is_possible_is_not_said() -> None:
    verdict = judge(
        Said("torch-missing", "likely", 1, "No module named 'torch'"),
        Said("driver-missing", "possible", 2, "no CUDA-capable device is detected"),
    )
    assert [(found.cause, found.severity) for found in verdict.findings] == [
        ("torch-missing", "warning")
    ]


def test_a_live_machine_has_no_messages() -> None:
    assert judge().outcome == "skip"


def test_a_cause_that_is_not_known_here_is_left_out() -> None:
    assert judge(Said("of-a-newer-llmdoctor", "certain", 1, "words")).findings == ()


def test_a_cause_that_another_check_found_is_not_said_again() -> None:
    def finding(code: str, cause: str) -> Finding:
        return Finding(code, cause, "error", "title")

    verdicts = (
        Verdict("DRV008", "fail", (finding("DRV008", "driver-too-old"),)),
        Verdict("LOG001", "fail", (finding("LOG001", "driver-too-old"), finding("LOG001", "x"))),
    )
    kept = once(verdicts)
    assert kept[0] == verdicts[0]
    assert [found.cause for found in kept[1].findings] == ["x"]
