"""The html page: its structure, that it needs nothing from elsewhere, and that no text breaks it."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdoctor.checks import CHECKS
from llmdoctor.diagnose import Question, diagnose
from llmdoctor.finding import Finding, Remedy, Report, Verdict
from llmdoctor.machine import Machine
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render import ladder, page
from llmdoctor.render.remarks import family
from llmdoctor.render.terminal import command
from llmdoctor.system.local import Local

CASES = Path(__file__).parents[1] / "cases"
VOID = {"meta", "br", "wbr"}
PROOF = Proof(
    (
        SmokeRow("sdpa", "MATH", "lora", "fp32", "cpu", "pass", 0.5, None, 1e-6, 2e-5),
        SmokeRow("sdpa", "FLASH", "infer", "bf16", "cuda:0", "crash", 1.0, detail="<died>"),
        SmokeRow("xformers", "default", "infer", "fp32", "cpu", "skip", detail="not installed"),
    )
)


class Page(HTMLParser):
    """A page as a strict reader sees it: every element is closed where it has to be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@cache
def report(case: str) -> Report:
    return diagnose(Local(), Question(snapshot=str(CASES / case / "machine.json")))


def whole(told: Report, proof: Proof | None = None) -> Page:
    read = Page(page.check(told, proof))
    names = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(names) == len(set(names))
    for link in read.all("a"):
        target = link["href"] or ""
        assert target.startswith("https://") or target.removeprefix("#") in names
    for _, attributes in read.elements:
        label = attributes.get("aria-labelledby")
        assert label is None or label in names
        assert not {name for name in attributes if name.startswith("on")}
        assert not attributes.keys() & {"src", "srcset", "action"}
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in read.elements}
    assert [len(read.all(tag)) for tag in ("h1", "main", "title", "script")] == [1, 1, 1, 1]
    assert read.all("html") == [{"lang": "en"}]
    for button in read.all("button"):
        assert (button["aria-label"] or "").startswith("Copy: ")
    return read


@pytest.mark.parametrize("case", ["driver-520", "healthy-rtx-4090", "stale-lock", "windows-4090"])
def test_a_page_tells_all_of_a_saved_machine(case: str) -> None:
    told = report(case)
    read = whole(told, PROOF)
    flat = " ".join(read.words.split())
    for item in told.findings:
        assert " ".join(item.title.split()) in flat
        for argv in item.remedy.commands if item.remedy else ():
            assert command(argv) in read.words
    assert len(read.all("article")) == len(told.findings)
    for verdict in told.verdicts:
        assert verdict.code in flat
    assert len(read.all("li")) >= len(ladder.rungs(told))


def test_the_lowest_broken_rung_is_marked_and_no_other() -> None:
    rungs = ladder.rungs(report("driver-520"))
    assert [rung.name for rung in rungs if rung.first] == ["Driver"]
    assert "520" in next(rung.what for rung in rungs if rung.first)
    read = whole(report("driver-520"))
    assert [item for item in read.all("li") if item.get("aria-current")] == [
        {"class": "broken", "aria-current": "step"}
    ]
    assert not [rung for rung in ladder.rungs(report("healthy-rtx-4090")) if rung.state == "broken"]


def test_a_rung_that_nobody_judged_is_not_called_fine() -> None:
    assert {rung.state for rung in ladder.rungs(Report(Machine()))} == {"unknown"}


def test_every_family_of_checks_has_its_rung_or_stands_beside() -> None:
    families = [name for _, names in ladder._RUNGS for name in names]
    assert sorted([*families, *ladder.BESIDE]) == sorted({family(c.code) for c in CHECKS})


def test_the_proof_is_a_table_with_its_times() -> None:
    read = whole(report("healthy-rtx-4090"), PROOF)
    bars = [item["style"] for item in read.all("span") if item.get("class") == "bar"]
    assert bars == ["width:50.0%", "width:100.0%"]
    for word in (
        "sdpa MATH",
        "error 1.0e-06, gate 2e-05",
        "0.50",
        "crash",
        "<died>",
        "not installed",
    ):
        assert word in read.words
    assert "The proof" not in whole(report("healthy-rtx-4090")).words


ODD = st.text(max_size=20) | st.sampled_from(
    ["</script><script>x()</script>", "\"'><b onclick=x>", "&lt;", "\x00\x1b[2J", "\ud800", "]]>"]
)


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(ODD, min_size=6, max_size=6))
def test_no_text_becomes_markup(texts: list[str]) -> None:
    a, b, c, d, e, f = texts
    item = Finding("GPU001", None, "error", a, b, (c,), d, Remedy(e, commands=((f,),)), d)
    url = Finding("GPU001", None, "note", a, url=f"https://x.example/{d}")
    read = whole(Report(Machine(), (Verdict("GPU001", "fail", (item, url)),), can=(b,)))
    assert len(read.all("article")) == 2
    assert len(read.all("script")) == 1
    assert not read.all("b")[len(ladder._RUNGS) :]
