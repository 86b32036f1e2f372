"""A log's bytes become the lines that the failing program said, whatever wrote them down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor.errors import UsageError
from llmdoctor.explain.text import LONGEST, lines, squeezed

SAID = "RuntimeError: CUDA error: no kernel image"


def read(data: bytes, size: int = 7) -> list[tuple[int, str]]:
    return list(lines(data[i : i + size] for i in range(0, len(data), size)))


def test_lines_are_counted_from_one_as_an_editor_does() -> None:
    assert read(b"a\nb\n\nd") == [(1, "a"), (2, "b"), (3, ""), (4, "d")]


def test_windows_line_ends_leave_nothing() -> None:
    assert [text for _, text in read(b"a\r\nb\r\n") if text] == ["a", "b"]


def test_what_a_progress_bar_overwrote_shares_its_line() -> None:
    assert read(b"10%\r20%\rdone\nnext") == [(1, "10%"), (1, "20%"), (1, "done"), (2, "next")]


@pytest.mark.parametrize(
    "line",
    [
        "\x1b[31mRuntimeError:\x1b[0m CUDA error: no kernel image",
        "\x1b]0;title\x07RuntimeError: CUDA error: no kernel image",
        "2024-03-11T13:14:33.736Z RuntimeError: CUDA error: no kernel image",
        "[2024-03-11 13:14:33,736] RuntimeError: CUDA error: no kernel image",
        "[13:14:33] RuntimeError: CUDA error: no kernel image",
        "#12 34.56 RuntimeError: CUDA error: no kernel image",
        "> > RuntimeError: CUDA error: no kernel image",
        "ERROR 01-11 13:09:40 engine.py:366] RuntimeError: CUDA error: no kernel image",
        "(EngineCore_0 pid=4321) RuntimeError: CUDA error: no kernel image",
        "[rank0]: RuntimeError: CUDA error: no kernel image",
        "trainer-1  | RuntimeError: CUDA error: no kernel image",
        "(APIServer pid=1) ERROR 01-11 13:09:40 [core.py:366] RuntimeError: CUDA error: no kernel image",
    ],
)
def test_what_others_write_before_a_line_is_taken_off(line: str) -> None:
    assert read(line.encode()) == [(1, SAID)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_are_told_apart(encoding: str) -> None:
    assert read(f"{SAID}\nnext\n".encode(encoding))[:2] == [(1, SAID), (2, "next")]


def test_a_byte_that_is_no_utf_8_is_replaced_and_costs_nothing_else() -> None:
    assert read(b"fatal \xff error: Python.h\n") == [(1, "fatal \ufffd error: Python.h")]


@pytest.mark.parametrize(
    "data", [b"\x7fELF\x02\x01\x01\0\0\0\0\0\0" * 50, b"\x89PNG\r\n\x1a\n" + b"\0\3" * 99]
)
def test_binary_data_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="binary"):
        read(data)


def test_a_line_without_an_end_is_read_in_pieces_of_the_same_number() -> None:
    pieces = read(b"x" * (LONGEST * 2 + 5), size=50_000)
    assert {number for number, _ in pieces} == {1}
    assert "".join(text for _, text in pieces) == "x" * (LONGEST * 2 + 5)


def test_frames_and_white_space_are_squeezed_out() -> None:
    assert squeezed("      │ fatal  error:\t'Python.h'") == ("fatalerror:'Python.h'")


@given(st.binary(max_size=3000), st.integers(1, 500))
def test_any_bytes_are_read_or_refused(data: bytes, size: int) -> None:
    try:
        found = read(data, size)
    except UsageError:
        return
    numbers = [number for number, _ in found]
    assert numbers == sorted(numbers)


@given(st.text(max_size=500), st.integers(1, 40))
def test_the_size_of_the_chunks_changes_nothing(text: str, size: int) -> None:
    data = text.encode("utf-8", "replace")
    try:
        assert read(data, size) == read(data, len(data) + 1)
    except UsageError:
        with pytest.raises(UsageError):
            read(data, len(data) + 1)
