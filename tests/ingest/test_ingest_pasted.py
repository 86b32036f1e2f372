"""What pasting does to a report changes no fact; what is cut off is unknown, never wrong."""

from __future__ import annotations

import html
import json
import random
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from ingest.reports import EVERY, shared
from llmdoctor import ingest, wire
from llmdoctor.machine import Machine
from llmdoctor.pasted import decoded, is_binary

TEXTS = {**EVERY, **{case["id"]: case["input"] for case in shared()}}

Change = Callable[[str], str]


def shuffled(text: str) -> str:
    """The sections between blank lines in another order."""
    sections = re.split(r"\n{2,}", text.strip("\n"))
    random.Random(7).shuffle(sections)
    return "\n\n".join(sections) + "\n"


CHANGES: dict[str, Change] = {
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "quoted": lambda text: "> " + text.replace("\n", "\n> "),
    "quoted twice": lambda text: ">> " + text.replace("\n", "\n>> "),
    "indented": lambda text: "    " + text.replace("\n", "\n    "),
    "tabbed": lambda text: "\t" + text.replace("\n", "\n\t"),
    "fenced": lambda text: f"My system:\n```text\n{text}```\nThanks!",
    "details": lambda text: (
        f"<details>\n<summary>collect_env</summary>\n\n```\n{text}\n```\n</details>"
    ),
    "pre": lambda text: f"<pre><code>{html.escape(text)}</code></pre>",
    "prose": lambda text: (
        f"Hello, since the update training is slow.\n\n{text}\n\nAny idea? It worked before: yes."
    ),
    "coloured": lambda text: re.sub(r"(?m)^(.+)$", "\x1b[32m\\1\x1b[0m", text),
    "hard blanks": lambda text: text.replace("  ", "\u00a0 "),
    "marked": lambda text: "\ufeff" + text,
    "template": lambda text: f"<!-- e.g. PyTorch version: 0.1\nPython version: 2.7 -->\n{text}",
    "shuffled": shuffled,
}


def read(text: str) -> Machine:
    return ingest.read(text)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", TEXTS)
def test_pasting_changes_no_fact(name: str, change: str) -> None:
    if change == "shuffled" and name in ("PIP_LIST", "CONDA_LIST", "SMI_Q"):
        pytest.skip("one section only, or sections that belong to the line above them")
    pasted, plain = read(CHANGES[change](TEXTS[name])), read(TEXTS[name])
    assert replace(pasted, said=()) == replace(plain, said=())
    assert {item.cause for item in pasted.said} == {item.cause for item in plain.said}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", TEXTS)
def test_the_encoding_changes_no_fact(name: str, encoding: str) -> None:
    data = TEXTS[name].encode(encoding)
    text = decoded(data)
    assert not is_binary(text)
    assert read(text) == read(TEXTS[name])


@pytest.mark.parametrize("name", TEXTS)
def test_a_report_that_is_cut_off_anywhere_says_less_and_nothing_else(name: str) -> None:
    whole = read(TEXTS[name])
    lines = TEXTS[name].splitlines()
    for count in range(1, len(lines)):
        text = "\n".join(lines[:count])
        if not ingest.facts_of(text).is_report:
            continue
        part = read(text)
        unsaid = {note.reader for note in part.notes}
        assert {note.reader for note in whole.notes} <= unsaid | {"pci"}
        assert part.host.system in ("unknown", whole.host.system)
        assert part.host.arch in ("unknown", whole.host.arch)
        assert part.nvidia.driver in ((), whole.nvidia.driver)
        assert {gpu.name for gpu in part.nvidia.gpus} <= {
            *(gpu.name for gpu in whole.nvidia.gpus),
            "NVIDIA GPU, not named",
        }
        assert part.cuda.nvcc_version in (None, whole.cuda.nvcc_version)
        assert part.environment.version in (None, whole.environment.version)
        told, all_told = part.environment.torch, whole.environment.torch
        if told and told.version:
            assert all_told is not None
            assert told.version == all_told.version
        if not part.nvidia.gpus and whole.nvidia.gpus:
            assert "nvidia" in unsaid or part.nvidia.driver


def test_several_reports_in_one_text_are_one_machine() -> None:
    parts = [EVERY["SMI_610"], EVERY["TRANSFORMERS_5"], EVERY["CONDA_LIST"]]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        machine = read("\nthen\n".join(parts[index] for index in order))
        assert machine.nvidia.driver_version == "610.43.02"
        assert [gpu.name for gpu in machine.nvidia.gpus] == ["NVIDIA B200"]
        assert machine.host.system == "linux"
        assert machine.environment.kind == "conda"
        assert machine.environment.version == "3.12.3"
        assert machine.environment.torch is not None
        assert machine.environment.torch.version == "2.9.1+cu128"
        assert "packages" not in {note.reader for note in machine.notes}


def test_rival_drivers_stay_side_by_side() -> None:
    report = EVERY["COLLECT_ENV_2_9_WSL"]
    drivers = read(f"{EVERY['SMI_610']}\n{report}").nvidia.driver
    assert [(item.source, item.value) for item in drivers] == [
        ("nvidia-smi", "610.43.02"),
        ("report", "576.02"),
    ]


@pytest.mark.parametrize(
    "wrap", ["{}", "Here it is:\n```json\n{}\n```\nand more\n", "<pre>{}</pre>"]
)
@pytest.mark.parametrize("indent", [None, 1])
def test_our_own_saved_look_is_found_inside_a_text(wrap: str, indent: int | None) -> None:
    machine = read(EVERY["VLLM"])
    document = {"schema": "check/1", "llmdoctor": "0.1.0", "machine": wire.dump(machine)}
    for data in (document, document["machine"]):
        text = wrap.replace("{}", json.dumps(data, indent=indent))
        assert read(text) == machine
        assert read(text.replace("\n", "\r\n")) == machine
    quoted = "> " + wrap.replace("{}", json.dumps(document, indent=1)).replace("\n", "\n> ")
    assert read(quoted) == machine


@pytest.mark.parametrize("name", TEXTS)
def test_a_report_s_machine_is_a_saved_look_too(name: str) -> None:
    machine = read(TEXTS[name])
    assert read(json.dumps(wire.dump(machine))) == machine


@pytest.mark.parametrize(
    "home",
    ["/home/jane", "/Users/jane", "C:\\Users\\jane", "/mnt/c/Users/jane"],
)
def test_nobody_is_named(home: str) -> None:
    text = EVERY["VLLM"].replace("/home/jane", home)
    text = f"OSError: CUDA initialization: {home}/lib/x.so: Error 803\n{text}"
    machine = read(text)
    assert "jane" not in json.dumps(wire.dump(machine))
    assert "secret" not in json.dumps(wire.dump(machine))
    assert machine.nvidia.errors
