"""A request written back as words: what was typed is in every command that is proposed."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from llmdoctor.cli.arguments import Parser
from llmdoctor.cli.requests import declare, read_request
from llmdoctor.install import Request

# One value of each option that has one. --bundle needs a folder, and is tested by itself.
VALUES = {
    "--env": ".venv-llm",
    "--python": "3.12",
    "--installer": "pip",
    "--variant": "cpu",
    "--index-url": "https://index.example/simple",
    "--find-links": "wheels of mine",
    "--mirror": "github=https://mirror.example",
    "--allow": "no-gpu",
}


def declared(*, report: bool = False) -> dict[str, bool]:
    """The options of `install`, or those of every report: which of them have a value."""
    parser = Parser("install", "")
    if report:
        parser.report()
    else:
        declare(parser)
    return {item.option_strings[0]: item.nargs != 0 for item in parser._actions}


ASKED = {name: has for name, has in declared().items() if name not in declared(report=True)}


def read(*words: str) -> Request:
    parser = Parser("install", "")
    declare(parser)
    return read_request(parser.read(words))


@pytest.mark.parametrize(
    "option", [name for name in ASKED if name not in ("--profile", "--bundle")]
)
def test_every_option_of_an_install_is_typed_again(option: str, tmp_path: Path) -> None:
    values = {"--project": str(tmp_path), **VALUES}
    plain = read("--profile", "cpu")
    asked = read("--profile", "cpu", option, *([values[option]] if ASKED[option] else []))
    assert asked != plain
    again = shlex.split(asked.again())
    assert again[:2] == ["llmdoctor", "install"]
    assert read(*again[2:]) == asked


def test_a_bundle_is_typed_again() -> None:
    asked = replace(read("--profile", "cpu"), bundle="my bundle")
    assert asked.again() == "llmdoctor install --profile cpu --bundle 'my bundle'"


def test_what_is_proposed_takes_the_place_of_what_was_typed() -> None:
    asked = read("--profile", "cpu", "--installer", "poetry", "--sync", "--no-smoke")
    assert asked.again("--installer", "uv") == (
        "llmdoctor install --profile cpu --no-smoke --installer uv"
    )
    assert "--no-smoke" not in asked.again("--smoke")
    named = read("--profile", "cpu", "--env", "mine", "--fresh")
    assert shlex.split(named.again("--env", "mine", "--fresh")).count("--fresh") == 1


def test_no_password_is_typed_again() -> None:
    words = ["--index-url", "https://u:secret@x.example/simple", "--find-links"]
    words += ["https://u:secret@x.example/w", "--mirror", "github=https://u:secret@x.example/g"]
    again = read("--profile", "cpu", *words).again()
    assert "secret" not in again
    assert again.count("x.example") == 3
