"""Bytes become text in whatever encoding somebody saved them, and what is no text is told."""

from __future__ import annotations

import pytest

from llmdoctor.pasted import decoded, is_binary, without_escapes

SAID = "PyTorch version: 2.9.1+cu128\nWindows 11 家庭版\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_what_powershell_and_editors_write_is_read(encoding: str) -> None:
    text = decoded(SAID.encode(encoding))
    assert text == SAID
    assert not is_binary(text)


def test_a_code_page_of_windows_loses_its_own_letters_and_is_text_all_the_same() -> None:
    text = decoded(("找不到指定的模块。\n" * 40 + SAID).encode("gbk"))
    assert "PyTorch version: 2.9.1+cu128" in text
    assert not is_binary(text)


@pytest.mark.parametrize("data", [bytes(range(256)) * 20, b"\x7fELF\x02\x01\x01" + bytes(500)])
def test_control_characters_are_no_text(data: bytes) -> None:
    assert is_binary(decoded(data))


def test_colours_titles_and_cursor_movements_are_taken_off() -> None:
    said = "\x1b[1;31mfatal\x1b[0m \x1b]0;a title\x07error\x1b[2K\x1b[1A:\x1bM Python.h"
    assert without_escapes(said) == "fatal error: Python.h"
    assert (
        without_escapes("no \x1b]0;title without an end\nnext")
        == "no \x1b]0;title without an end\nnext"
    )
