"""From sightings to causes: roots first, evidence kept, nothing from silence."""

from __future__ import annotations

import pytest

from llmdoctor import explain as explaining
from llmdoctor.errors import ProfileError, UsageError
from llmdoctor.explain.causes import Cause, Sign, read
from llmdoctor.explain.judge import fill
from llmdoctor.finding import Finding, Remedy, Report, Verdict
from llmdoctor.machine import Machine

WAY_OUT = Remedy("Do {what|something}", "ask", (("do", "{what|it}"),))


def cause(*signs: Sign, consequences: tuple[str, ...] = ()) -> Cause:
    return Cause(
        "Broken by {what|something}", "Because.", WAY_OUT, "https://x", signs, consequences
    )


def sign(*text: str, **more: object) -> Sign:
    return Sign(text, "the tests", **more)  # type: ignore[arg-type]


def names(log: str, known: dict[str, Cause]) -> list[str]:
    return [named.cause for named in explaining.explain([log.encode()], known).causes]


def test_a_cause_comes_before_its_consequences_however_certain_these_are() -> None:
    known = {
        "symptom": cause(sign("it failed badly", confidence="certain")),
        "root": cause(sign("the reason is here"), consequences=("symptom",)),
    }
    assert names("it failed badly\nthe reason is here", known) == ["root", "symptom"]


def test_what_is_merely_possible_has_no_symptoms() -> None:
    known = {
        "symptom": cause(sign("it failed badly", confidence="certain")),
        "root": cause(sign("perhaps", confidence="possible"), consequences=("symptom",)),
    }
    assert names("it failed badly\nperhaps", known) == ["symptom", "root"]


def test_the_more_certain_comes_first_then_the_earlier() -> None:
    known = {
        "late": cause(sign("second message", confidence="certain")),
        "likely": cause(sign("first message")),
        "early": cause(sign("first thing", confidence="certain")),
    }
    log = "first message\nfirst thing\nsecond message"
    assert names(log, known) == ["early", "late", "likely"]


def test_also_and_unless_are_asked_of_the_whole_log() -> None:
    known = {"x": cause(sign("it failed", also=("in a build",), unless=("all is well",)))}
    assert names("it failed", known) == []
    assert names("it failed\nin a build", known) == ["x"]
    assert names("in a build\nit failed\nall is well", known) == []


def test_a_condition_compares_what_was_captured_beside_it() -> None:
    compared = sign(
        "nvcc is {nvcc:version},", also=("torch wants {want:version},",), when=("nvcc older want",)
    )
    known = {"x": cause(compared)}
    assert names("nvcc is 11.8, torch wants 12.4,", known) == ["x"]
    assert names("nvcc is 12.8, torch wants 12.4,", known) == []


def test_the_evidence_is_the_lines_and_the_captured_parts_fill_the_words() -> None:
    known = {"x": cause(sign("broken by {what:word}!", also=("in a build",)))}
    (named,) = explaining.explain([b"in a build\n\nit was broken by nvcc!\n"], known).causes
    assert [(item.line, item.text) for item in named.evidence] == [
        (3, "it was broken by nvcc!"),
        (1, "in a build"),
    ]
    assert named.title == "Broken by nvcc"
    assert named.remedy == Remedy("Do nvcc", "ask", (("do", "nvcc"),))


def test_a_part_that_is_not_known_is_said_in_other_words() -> None:
    assert fill("{a|one} {b|} {c}", {}) == "one  <c>"
    assert fill("{a|one}", {"a": "two"}) == "two"


def test_the_machine_it_runs_on_makes_the_remedy_exact() -> None:
    known = {"x": cause(sign("it failed")), "y": cause(sign("so did this"))}
    found = explaining.explain([b"it failed\nso did this"], known)
    exact = Remedy("Do exactly this", "safe", (("exactly", "this"),))
    finding = Finding("X001", "x", "error", "It is broken", "the driver is 535", remedy=exact)
    report = Report(Machine(), (Verdict("X001", "fail", (finding,)),))
    first, second = explaining.on_this_machine(found, report).causes
    assert (first.remedy, first.confidence) == (exact, "certain")
    assert "535" in first.explanation
    assert second == found.causes[1]


def test_no_cure_is_told_where_the_machine_refutes_the_cause() -> None:
    """A driver that is new enough is not to be updated; what was not judged is said so."""
    log = b"RuntimeError: The NVIDIA driver on your system is too old (found version 11040).\n"
    found = explaining.explain([log])
    fine = Report(Machine(), (Verdict("DRV008", "pass"), Verdict("DRV009", "skip", reason="r")))
    (told,) = explaining.on_this_machine(found, fine).causes
    assert "This machine does not show it now (DRV008 found nothing)" in told.remedy.summary
    assert told.remedy.commands == (("llmdoctor", "check"),)
    blind = Report(Machine(), (Verdict("DRV008", "skip", reason="no CUDA build of torch is here"),))
    (told,) = explaining.on_this_machine(found, blind).causes
    assert "not known: no CUDA build of torch is here." in told.explanation
    assert told.remedy == found.causes[0].remedy


def test_words_that_two_causes_print_are_told_as_both_until_the_machine_tells() -> None:
    bare = b"RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
    found = explaining.explain([bare])
    assert [(named.cause, named.confidence) for named in found.causes] == [
        ("gpu-too-new-for-torch", "possible")
    ]
    assert "newer than the build, or older" in found.causes[0].title
    told_too = explaining.explain(
        [b"PyTorch no longer supports this GPU because it is too old\n" + bare]
    )
    assert [named.cause for named in told_too.causes] == ["gpu-dropped-by-torch"]
    way = Remedy("Install an older build", "ask", (("llmdoctor", "install"),))
    old = Finding("GPU004", "gpu-dropped-by-torch", "error", "Too old", "It is 6.1", remedy=way)
    report = Report(Machine(), (Verdict("GPU003", "pass"), Verdict("GPU004", "fail", (old,))))
    (told,) = explaining.on_this_machine(found, report).causes
    assert (told.cause, told.title, told.remedy) == ("gpu-dropped-by-torch", "Too old", way)
    both = Report(Machine(), (Verdict("GPU003", "pass"), Verdict("GPU004", "pass")))
    (told,) = explaining.on_this_machine(found, both).causes
    assert "(GPU003, GPU004 found nothing)" in told.remedy.summary


def test_nobody_is_named_in_what_is_quoted() -> None:
    known = {"x": cause(sign("{what:path}/bin failed"))}
    found = explaining.explain([b"/home/jane/env/bin failed for /home/jo"], known)
    text = str(explaining.redacted(found, "/home/jo"))
    assert "jane" not in text
    assert "/home/jo" not in text


def test_an_empty_log_is_refused() -> None:
    with pytest.raises(UsageError, match="empty"):
        explaining.explain([b"\n  \n"])


def test_a_log_that_never_ends_is_cut_and_that_is_known() -> None:
    def forever() -> object:
        yield b"it failed\n"
        while True:
            yield b"noise\n" * 1000

    found = explaining.explain(forever(), {"x": cause(sign("it failed"))}, limit=100_000)  # type: ignore[arg-type]
    assert found.cut
    assert [named.cause for named in found.causes] == ["x"]


FILE = """
title = "t"
explanation = "e"
url = "u"
[remedy]
summary = "s"
[[sign]]
text = ["a message"]
source = "s"
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("title", "titel", "titel"),
        ('"a message"', '"{x:word}"', r"sign\[0\].*longest fixed part"),
        ('"a message"', "", r"sign\[0\].text: expected at least one"),
        ('source = "s"', 'source = "s"\nwhen = ["a oldre b"]', "no relation"),
        ('source = "s"', 'source = "s"\nconfidence = "sure"', "confidence"),
        ("[remedy]", "[remedy", "not valid TOML"),
    ],
)
def test_a_broken_rule_is_named_with_its_place(old: str, new: str, problem: str) -> None:
    assert read(FILE, "x.toml").sign[0].text == ("a message",)
    with pytest.raises(ProfileError, match=f"x.toml.*{problem}"):
        read(FILE.replace(old, new), "x.toml")
