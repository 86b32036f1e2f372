"""Any command's report as Markdown and as a page: what is written once stays text in both."""

from __future__ import annotations

import json
import re
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render import formats, sheet
from llmdoctor.render import proof as shown
from llmdoctor.render.terminal import Paper
from render.goldens import assert_as_it_was
from render.test_formats import told_to_runner
from render.test_page import Page

HOME = "/home/alice"
PROOF = Proof(
    (
        SmokeRow("eager", "default", "infer", "fp32", "cpu", "pass", 0.25, None, 2e-7, 1e-5, attention="eager"),
        SmokeRow("eager", "default", "lora", "fp32", "cpu", "fail", 1.5, None, 3e-2, 1e-5, detail="the loss rose", attention="eager"),
        SmokeRow("sdpa", "default", "infer", "fp32", "cuda:0", "pass", 0.5, 4096, 1e-6, 1e-5, "FLASH_ATTENTION", attention="sdpa"),
        SmokeRow("sdpa", "MATH", "infer", "bf16", "cuda:0", "timeout", 2.0, detail="<b>60 s</b> & more"),
        SmokeRow("xformers", "default", "infer", "fp32", "cuda:0", "skip", detail="not installed"),
    ),
    {
        "python": {"version": "3.12.7", "executable": "/home/alice/.venv/bin/python"},
        "packages": {"torch": "2.9.1+cu128", "transformers": "5.0.1", "peft": None},
        "cuda": "12.8",
        "device": {"type": "cuda", "name": "NVIDIA GeForce RTX 4090"},
    },
)  # fmt: skip


def write(paper: Paper) -> None:
    """Everything that a report can hold."""
    paper.verbatim(f"cpu into {HOME}/.venv", "bold")
    paper.line("torch *2.13*, build `cpu`")
    paper.line()
    paper.line("why", "bold")
    paper.item("1.", "the first `reason`")
    paper.item("2.", "#2 and @somebody")
    paper.line("below the second", "dim", 5)
    paper.verbatim(f"$ {HOME}/.venv/bin/python -c 'a b'", "dim", 5)
    paper.item("!", "a <warning>", "yellow", 0)
    paper.verbatim("line 1: | one", "dim", 2)
    paper.verbatim("line 2: `two`", "dim", 2)
    paper.verbatim("https://x.example/a?b=c", "dim", 2)
    paper.item("✓ cpu  ", "a profile", "bold", 0)
    paper.line(f"the former one is {HOME}/.venv.before", indent=7)


def test_a_sheet_looks_as_it_did() -> None:
    assert_as_it_was("sheet/report.markdown", sheet.markdown("plan", write, HOME))
    assert_as_it_was("sheet/report.html", sheet.page("plan", write, HOME))


@pytest.mark.parametrize("name", formats.OF_A_PROOF)
def test_a_proof_looks_as_it_did(name: str) -> None:
    assert_as_it_was(f"sheet/proof.{name}", formats.smoke(name, PROOF))


def tokens(text: str) -> list[str]:
    return [token.type for token in MarkdownIt("commonmark").parse(text)]


def test_markdown_has_headings_lists_and_commands_to_copy() -> None:
    text = sheet.markdown("plan", write, HOME)
    page = MarkdownIt("commonmark", {"html": False}).render(text)
    assert "<h3>why</h3>" in page
    assert "<ol>" in page
    assert "<code class=\"language-console\">$ ~/.venv/bin/python -c 'a b'" in page
    assert "a &lt;warning&gt;" in page
    assert '<pre><code class="language-text">line 1: | one\nline 2: `two`' in page
    assert 'href="https://x.example/a?b=c"' in page
    assert "@somebody" not in unescape(page).replace("\u200b", "!")
    assert tokens(text).count("fence") == 2


@pytest.mark.parametrize("made", [sheet.markdown, sheet.page])
def test_a_sheet_names_nobody(made: object) -> None:
    text = made("plan", write, HOME)  # type: ignore[operator]
    assert "alice" not in text
    assert "~/.venv" in text


ODD = st.text(max_size=20) | st.sampled_from(
    ["</pre><script>x()</script>", "```", "\n# x", "* a", "1. b", "- c", "> d", "\x1b[2J", "[a](b)"]
)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ODD, min_size=4, max_size=4))
def test_no_text_becomes_markup(texts: list[str]) -> None:
    a, b, c, d = texts

    def odd(paper: Paper) -> None:
        paper.line(a, "bold")
        paper.line(b)
        paper.item("·", c)
        paper.verbatim(d, "dim")
        paper.verbatim(d, "dim")

    page = Page(sheet.page("plan", odd, ""))
    assert len(page.all("script")) == 1
    assert not page.all("b")
    kinds = set(tokens(sheet.markdown("plan", odd, "")))
    assert kinds <= {
        "heading_open", "heading_close", "inline", "paragraph_open", "paragraph_close", "fence",
        "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close",
    }  # fmt: skip


def test_a_proof_as_junit_has_a_case_for_each_row_with_its_seconds() -> None:
    root = ET.fromstring(formats.smoke("junit", PROOF))
    assert [(suite.get("name"), suite.get("tests")) for suite in root] == [("cpu", "2"), ("cuda:0", "3")]  # fmt: skip
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    assert [case.get("time") for case in root.iter("testcase")] == ["0.250", "1.500", "0.500", "2.000", None]  # fmt: skip
    unproven = ET.fromstring(formats.smoke("junit", Proof(problem="no torch")))
    assert unproven.get("errors") == "1"


def test_a_proof_on_github_annotates_what_does_not_work_and_nothing_else() -> None:
    lines = told_to_runner(formats.smoke("github", PROOF))
    assert [(command, properties["title"]) for command, properties, _ in lines] == [
        ("error", "eager/default/lora/fp32 on cpu: fail"),
        ("error", "sdpa/MATH/infer/bf16 on cuda:0: timeout"),
    ]
    assert formats.smoke("github", PROOF).splitlines()[-1] == f"llmdoctor: {shown.verdict(PROOF)}"


def test_a_proofs_page_shows_the_matrix_and_every_time_as_a_bar() -> None:
    page = Page(formats.smoke("html", PROOF))
    assert [item["aria-label"] for item in page.all("div") if "Matrix" in (item.get("aria-label") or "")] == ["Matrix of cpu", "Matrix of cuda:0"]  # fmt: skip
    bars = [item["style"] for item in page.all("span") if item.get("class") == "bar"]
    assert bars == ["width:12.5%", "width:75.0%", "width:25.0%", "width:100.0%"]
    flat = " ".join(page.words.split())
    assert "fp32 fail" in flat
    assert "NOT proven: 2 pass, 1 fail, 1 timeout, 1 skip" in flat
    assert "nothing is proven for training" in flat
    assert (
        "Python 3.12.7 · torch 2.9.1+cu128 · transformers 5.0.1 · NVIDIA GeForce RTX 4090" in flat
    )
    assert "alice" not in page.words


def test_the_data_of_a_page_is_what_json_says() -> None:
    from llmdoctor.render import documents

    document = json.loads(json.dumps(documents.smoke(PROOF)))
    names = re.findall(r'<testcase [^>]*name="([^"]*)"', formats.smoke("junit", PROOF))
    assert names == ["/".join((r["backend"], r["kernel"], r["mode"], r["dtype"])) for r in document["rows"]]  # fmt: skip
