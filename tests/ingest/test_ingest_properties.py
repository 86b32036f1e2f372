"""No text makes reading crash, hang, or take more than its length explains."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.reports import EVERY
from llmdoctor import ingest, wire
from llmdoctor.errors import LlmdoctorError
from llmdoctor.machine import Machine
from llmdoctor.pasted import decoded, is_binary

LINES = sorted({line for text in EVERY.values() for line in text.splitlines()})
WORDS = sorted({word for line in LINES for word in line.split()})
PIECE = st.one_of(
    st.sampled_from(LINES),
    st.sampled_from(WORDS),
    st.sampled_from([": ", "==", " @ ", "|", "> ", "```", "\t", "...", "N/A", "{", '"schema": 1']),
    st.text(max_size=20),
)
REPORTS = st.lists(st.lists(PIECE, max_size=6).map("".join), max_size=40).map("\n".join)


def read(text: str) -> Machine | None:
    try:
        return ingest.read(text)
    except LlmdoctorError as error:
        refusal = error
    assert refusal.exit_code == 2
    assert refusal.next_command
    return None


@given(st.text(max_size=400))
def test_any_text_is_read_or_refused(text: str) -> None:
    read(text)


@given(st.binary(max_size=400))
def test_any_bytes_are_decoded(data: bytes) -> None:
    text = decoded(data)
    is_binary(text)
    read(text)


@settings(max_examples=300)
@given(REPORTS)
def test_any_mixture_of_reports_gives_a_machine_that_can_be_written_down(text: str) -> None:
    machine = read(text)
    if machine is not None:
        assert wire.load(Machine, wire.dump(machine)) == machine
