"""`check --format markdown`: a block for a bug report, and what `check --from` makes of it."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from cli.runs import Desk
from llmdoctor import ingest, wire
from llmdoctor.finding import Finding, Remedy, Report, Verdict
from llmdoctor.machine import Machine
from llmdoctor.render import markdown, markup, saved
from support.venvs import install_fake_dist, install_fake_torch

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CASES = Path(__file__).parents[1] / "cases"
SICK = sorted(path.parent.name for path in CASES.glob("*/machine.json"))
AGAIN = ("llmdoctor", "check", "--from", "FILE")
# All but the remedy: a path in a command is written as the look has it.
SAME = ("code", "cause", "severity", "title", "detail", "evidence", "url")


def told(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [tuple(item[key] for key in SAME) for item in document["findings"]]


def wishes(case: str) -> list[str]:
    expected = tomllib.loads((CASES / case / "expect.toml").read_text())
    return [word for name in expected.get("profiles", ()) for word in ("--profile", name)]


def quoted(text: str) -> str:
    """As an answer quotes it, written by a browser on Windows, with words around it."""
    lines = ["Hello, this fails:", "", *(f"> {line}".rstrip() for line in text.splitlines())]
    return "\r\n".join([*lines, "", 'What does "schema" mean?', ""])


def shown(text: str) -> str:
    """The HTML that Markdown makes of it."""
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


def read(case: str) -> Machine:
    return wire.load(Machine, json.loads((CASES / case / "machine.json").read_text()))


@pytest.mark.parametrize("case", SICK)
def test_the_block_gives_the_same_findings_after_a_round_trip(case: str, desk: Desk) -> None:
    look = str(CASES / case / "machine.json")
    first = desk.json("check", "--from", look, *wishes(case))
    block = desk.run(
        "check", "--from", look, *wishes(case), "--format", "markdown", "--fail-on", "never"
    ).stdout
    pasted = desk.project / "issue.md"
    pasted.write_bytes(quoted(block).encode())
    again = desk.json("check", "--from", str(pasted), *wishes(case))
    assert told(again) == told(first)
    assert again["summary"] == first["summary"]
    assert again["verdicts"] == first["verdicts"]
    assert wire.dump(ingest.read(block)) == again["machine"]
    assert len(block) < markdown.LIMIT
    for item in first["findings"]:
        assert f"### {item['severity']} {item['code']}: " in block


def test_the_command_in_the_block_judges_it_as_it_was_judged(desk: Desk) -> None:
    words = (
        "--profile",
        "flashattn",
        "--select",
        "GPU",
        "--select",
        "PROFILE",
        "--ignore",
        "GPU001",
    )
    look = str(CASES / "flash-attn-on-a-t4" / "machine.json")
    first = desk.json("check", "--from", look, *words)
    assert first["findings"]
    block = desk.run("check", "--from", look, *words, "--format", "markdown", code=1).stdout
    typed = re.findall("<code>llmdoctor (.*)</code> reads it", block)
    assert len(typed) == 1
    again = desk.run(
        *shlex.split(typed[0])[:-1], "-",
        "--format", "json", stdin=block, code=1,
    )  # fmt: skip
    assert told(json.loads(again.stdout)) == told(first)


def test_a_live_look_names_nobody_and_is_judged_again(desk: Desk) -> None:
    home = Path(desk.environ["HOME"])
    home.mkdir(parents=True, exist_ok=True)
    env = home / "env"
    desk.environment().rename(env)
    install_fake_torch(env, "2.9.1", "12.6")
    install_fake_dist(env, "peft", "0.1", requires=["torch>=3", "nothing; extra == 'all'"])
    install_fake_dist(env, "transformers", "5.0.0", requires=["tokenizers==0.0.1"])
    first = desk.json("check", "--env", str(env))
    block = desk.run("check", "--env", str(env), "--format", "markdown", code=(0, 1)).stdout
    assert told(first)
    assert str(home) not in block
    assert "| torch | 2.9.1+cu126 (CUDA 12.6) |" in block
    assert "extra ==" in json.dumps(first["machine"])
    assert "extra ==" not in block
    (desk.project / "issue.md").write_text(block)
    assert told(desk.json("check", "--from", "issue.md")) == told(first)


def test_a_look_from_inside_is_in_the_block(desk: Desk) -> None:
    env = desk.environment()
    install_fake_dist(
        env, "peft", "0.18.0", files={"peft/__init__.py": "raise ImportError('`a` </details> @me')"}
    )
    install_fake_torch(env, "2.9.1", "12.6")
    block = desk.run("check", "--deep", "--format", "markdown", code=1).stdout
    assert "DEEP005" in block
    deep = ingest.read(block).deep
    assert deep is not None
    peft = deep.imported("peft")
    assert peft is not None
    assert peft.error == "ImportError: `a` </details> @me"
    again = desk.run("check", "--from", "-", "--format", "json", stdin=quoted(block), code=1)
    assert "DEEP005" in [row[0] for row in told(json.loads(again.stdout))]


def test_messages_of_a_pasted_report_are_in_the_block_and_name_nobody(desk: Desk) -> None:
    report = (
        "- `transformers` version: 4.41.2\n- Platform: Linux-6.1.85-x86_64-with-glibc2.35\n"
        "- Python version: 3.10.12\n- PyTorch version (GPU?): 2.3.0+cu121 (True)\n\n"
        "Traceback (most recent call last):\n"
        '  File "/home/alice/run.py", line 3, in <module>\n'
        "ImportError: /home/alice/env/lib/python3.10/site-packages/flash_attn_2_cuda.so: "
        "undefined symbol: _ZN3c104cuda9SetDeviceEi\n"
    )
    (desk.project / "report.txt").write_text(report)
    words = ("check", "--fail-on", "never", "--from")
    first = desk.json(*words, "report.txt")
    assert first["machine"]["said"], "the message is known"
    block = desk.run(*words, "report.txt", "--format", "markdown").stdout
    assert "alice" not in block
    (desk.project / "issue.md").write_text(quoted(block))
    again = desk.json(*words, "issue.md")
    without = [(row[0], row[1], row[2], row[3]) for row in told(again)]
    assert without == [(row[0], row[1], row[2], row[3]) for row in told(first)]
    assert [item["cause"] for item in again["machine"]["said"]] == [
        item["cause"] for item in first["machine"]["said"]
    ]


HOSTILE = (
    "a|b `c | d <b>e</b> </details> @octocat owner/repo#12 GH-7 *f* _g_ [h](i) ~j~ &lt; \\ x_y"
)


def test_a_text_from_the_machine_is_no_markup_and_calls_nobody(desk: Desk) -> None:
    look = json.loads((CASES / "rtx-5090-with-cu126" / "machine.json").read_text())
    look["nvidia"]["gpus"][0]["name"] = HOSTILE
    look["environment"]["torch"]["version"] = "2.9.1+cu126\n\n```\n# " + HOSTILE
    (desk.project / "look.json").write_text(json.dumps(look))
    first = desk.json("check", "--from", "look.json")
    assert HOSTILE in json.dumps(first["findings"]).replace("\\\\", "\\")
    block = desk.run("check", "--from", "look.json", "--format", "markdown", code=(0, 1)).stdout
    page = shown(block)
    assert page.count("<details>") == page.count("</details>") == 1
    assert page.rstrip().endswith("</details>")
    assert not re.search("<(b|em|s|a)[ >]", page)
    assert page.count("<table>") == 1
    assert all(row.count("<td>") == 2 for row in page.split("<tr>")[2:])
    told_outside = re.sub("(?s)<code.*?</code>", "", page)
    assert not re.search(r"@octocat|#12|GH-7", told_outside)
    cell = re.search("<td>GPU 0</td>\n<td>(.*), compute", page)
    assert cell is not None
    assert cell[1].replace("\u200b", "") == (
        HOSTILE.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    )
    (desk.project / "issue.md").write_text(quoted(block))
    assert told(desk.json("check", "--from", "issue.md")) == told(first)


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("run `pip | x`, `y`", "run <code>pip | x</code>, <code>y</code>"),
        ("at https://a.b/c_d_.", 'at <a href="https://a.b/c_d_">https://a.b/c_d_</a>.'),
        ("# no heading", "# no heading"),
        ("- no list", "- no list"),
        ("1. no list", "1. no list"),
        ("=== no rule", "=== no rule"),
        ("> no quote", "&gt; no quote"),
        ("one ` backtick", "one ` backtick"),
        ("4-bit x86_64 __init__ ~/env", "4-bit x86_64 __init__ ~/env"),
    ],
)  # fmt: skip
def test_a_sentence_keeps_its_code_and_addresses_only(text: str, page: str) -> None:
    assert shown(markup.prose(text)) == f"<p>{page}</p>\n"


def test_a_command_with_backticks_stays_in_its_block() -> None:
    remedy = Remedy("Type.", "manual", (("sh", "-c", "echo\n```\n@me"),))
    item = Finding("GPU001", None, "note", "T", evidence=("``a`",), remedy=remedy)
    page = shown(markdown.check(Report(Machine(), (Verdict("GPU001", "fail", (item,)),)), AGAIN))
    assert "<code class=\"language-console\">$ sh -c 'echo\n```\n@me'\n</code>" in page
    assert "<li><code>``a`</code></li>" in page


# size


def crowded(packages: int) -> Machine:
    machine = read("torchvision-of-the-cpu")
    environment = machine.environment
    more = tuple(
        dataclasses.replace(
            environment.packages[0],
            name=f"package-{n:04}",
            requires=("numpy>=1.0,<99", "packaging>=1", "something-else; extra == 'all'"),
        )
        for n in range(packages)
    )
    packages_ = (*environment.packages, *more)
    return dataclasses.replace(
        machine, environment=dataclasses.replace(environment, packages=packages_)
    )


@pytest.mark.parametrize(("packages", "left"), [(200, False), (450, True), (3000, True)])
@pytest.mark.parametrize("wish", [(), ("--profile", "mainline"), ("--profile", "cpu")])
def test_a_large_environment_fits_into_an_issue_and_is_judged_the_same(
    packages: int, left: bool, wish: tuple[str, ...], desk: Desk
) -> None:
    (desk.project / "look.json").write_text(json.dumps(wire.dump(crowded(packages))))
    words = ("check", *wish, "--fail-on", "never", "--from")
    first = desk.json(*words, "look.json")
    assert told(first)
    block = desk.run(*words, "look.json", "--format", "markdown").stdout
    assert len(block) < markdown.LIMIT - 2000
    assert ("To be short enough for GitHub" in block) is left
    (desk.project / "issue.md").write_text(block)
    assert told(desk.json(*words, "issue.md")) == told(first)


def test_what_no_shortening_makes_fit_is_said() -> None:
    machine = dataclasses.replace(Machine(), variables={f"CUDA_{n}": "x" * 90 for n in range(999)})
    block = markdown.check(Report(machine), AGAIN)
    assert block.startswith("This is longer than the 65,536 characters that GitHub takes")
    assert ingest.read(block) == machine


def test_lines_are_short_where_no_string_is_long() -> None:
    lines = saved.text(crowded(5)).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "{"


# the format as an option


def test_a_format_nobody_has_is_refused_with_the_list_of_check(desk: Desk) -> None:
    said = desk.refused("check", "--format", "markdwn")
    assert "'markdwn' is none of terminal, json, markdown" in said
    assert "did you mean 'markdown'?" in said


def test_a_stream_of_ascii_loses_nothing_that_is_judged(desk: Desk) -> None:
    look = json.loads((CASES / "rtx-5090-with-cu126" / "machine.json").read_text())
    look["nvidia"]["gpus"][0]["name"] = "Größe 中"
    (desk.project / "look.json").write_text(json.dumps(look))
    first = desk.json("check", "--from", "look.json")
    assert "Größe 中" in first["findings"][0]["detail"]
    block = desk.run(
        "check", "--from", "look.json", "--format", "markdown", "--output", "issue.md", code=1
    )
    assert block.stdout == ""
    ascii_only = desk.run(
        "check", "--from", "look.json", "--format", "markdown", code=1,
        env={"PYTHONIOENCODING": "ascii"},
    ).stdout  # fmt: skip
    for text in (ascii_only, (desk.project / "issue.md").read_text("utf-8")):
        (desk.project / "issue.md").write_text(text, "utf-8")
        assert told(desk.json("check", "--from", "issue.md")) == told(first)
