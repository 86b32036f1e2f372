"""The published JSON Schemas are what the generator gives, and every document keeps to them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemas

from cli.runs import Desk, desk
from llmdoctor.journal import Entry
from llmdoctor.proof import Proof
from llmdoctor.render import documents

__all__ = ["desk"]
CASES = Path(__file__).parent / "cases"
LOG = "Traceback (most recent call last):\nModuleNotFoundError: No module named 'torch'\n"
LOG += "ERROR: Failed building wheel for flash-attn\nRuntimeError: CUDA error: no kernel image\n"
RTX = "os=linux,gpu=RTX 4090,driver=560.35"


def published(name: str) -> Any:
    return json.loads((schemas.FOLDER / f"{name}.json").read_text("utf-8"))


def keeps(document: Any) -> None:
    name = document["schema"].partition("/")[0]
    jsonschema.validate(document, published(name), jsonschema.Draft202012Validator)


def test_the_published_schemas_are_what_the_generator_gives() -> None:
    there = {path.name: path.read_text("utf-8") for path in schemas.FOLDER.iterdir()}
    assert there == schemas.files(), "out of date, run `nox -s reference`"
    for text in there.values():
        jsonschema.Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if (path / "machine.json").is_file())[::6])  # fmt: skip
def test_the_check_of_a_saved_machine(case: str, desk: Desk) -> None:
    keeps(desk.json("check", "--from", str(CASES / case / "machine.json")))


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("check", "--profile", "mainline", "--deep"),
        ("plan", "--profile", "flashattn", "--assume", RTX),
        ("plan", "--profile", "mainline", "--assume", "os=linux,gpu=RTX 4090,driver=470.1"),
        ("bundle", "--profile", "mainline", "--assume", "gpu=RTX 4090,driver=470.1", "out"),
        ("profiles",),
        ("profiles", "mamba"),
        ("smoke",),
        ("history",),
        ("fix", "--yes"),
        ("explain", "build.log"),
    ],
    ids=" ".join,
)
def test_a_document_of_the_command_line(words: tuple[str, ...], desk: Desk) -> None:
    desk.environment()
    (desk.project / "build.log").write_text(LOG)
    document = desk.json(*words)
    assert document["schema"] == f"{words[0]}/1"
    keeps(document)


def test_a_baseline_keeps_to_its_schema(desk: Desk) -> None:
    look = str(CASES / "driver-520" / "machine.json")
    desk.run("check", "--from", look, "--write-baseline", "known.json")
    document = json.loads((desk.project / "known.json").read_text("utf-8"))
    assert document["findings"]
    keeps(document)


def test_what_came_of_taking_a_run_back() -> None:
    entry = Entry("1", ".venv", ("cpu",), "2026-11-28T12:00:00Z", (), 0, "undone")
    keeps(documents.undo(entry, "undone"))
    keeps(documents.history([entry], {}))


def test_what_came_of_an_install(desk: Desk) -> None:
    plan = desk.json("plan", "--profile", "cpu", "--assume", "python=3.12")
    proof = documents.smoke(Proof((), {}, "died"))
    keeps(documents.install(plan, "restored", run="1", error="no room", smoke=proof))


def test_a_document_without_a_key_or_of_another_kind_is_refused(desk: Desk) -> None:
    whole = desk.json("check", "--from", str(CASES / "driver-520" / "machine.json"))
    keeps(whole)
    spoils: tuple[Callable[[Any], object], ...] = (
        lambda d: d.pop("machine"),
        lambda d: d["findings"][0].pop("remedy"),
        lambda d: d["findings"][0].update(severity="fatal"),
        lambda d: d["machine"]["host"].update(system=None),
        lambda d: d["summary"].update(error="1"),
    )
    for spoil in spoils:
        document = copy.deepcopy(whole)
        spoil(document)
        with pytest.raises(jsonschema.ValidationError):
            keeps(document)
