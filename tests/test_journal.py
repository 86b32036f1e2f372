"""The journal tells the next run what to take back, wherever the last one was cut off."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmdoctor import wire
from llmdoctor.errors import CannotFinishError
from llmdoctor.execute import unfinished
from llmdoctor.journal import Entry, Journal, entries, journal_path, new_id, parse
from llmdoctor.plan import Run, SetAside, Snapshot, Step, Tell, Verify, Write
from llmdoctor.system.local import Local

texts = st.text(max_size=20)
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        Run,
        text=texts,
        argv=st.lists(texts, max_size=3).map(tuple),
        env=st.just({}),
        creates=st.one_of(st.none(), texts),
    ),
    st.builds(Write, text=texts, path=texts, content=texts),
    st.builds(Snapshot, text=texts, path=texts, to=texts),
    st.builds(SetAside, text=texts, path=texts, to=texts),
    st.builds(Verify, text=texts, path=texts, expect=st.dictionaries(texts, texts, max_size=2)),
    st.builds(Tell, text=texts),
)


def line(**record: object) -> str:
    return json.dumps(record) + "\n"


def text_of(begun: list[Step], finished: int) -> str:
    parts = [
        line(
            type="run",
            id="1",
            environment="/e",
            command="install",
            subjects=["cpu"],
            started="then",
        )
    ]
    for number, step in enumerate(begun):
        parts.append(line(type="begin", number=number, step=wire.dump(step)))
        if number < finished:
            parts.append(line(type="done", number=number))
    return "".join(parts)


@given(begun=st.lists(steps, max_size=4), data=st.data())
def test_a_journal_cut_off_at_any_byte_tells_what_was_whole(
    begun: list[Step], data: st.DataObject
) -> None:
    finished = data.draw(st.integers(max(0, len(begun) - 1), len(begun)))
    text = text_of(begun, finished)
    whole = parse(text)
    assert whole is not None
    assert (whole.begun, whole.finished, whole.outcome) == (tuple(begun), finished, None)
    cut = data.draw(st.integers(0, len(text)))
    seen = parse(text[:cut])
    if seen is None:
        assert "\n" not in text[:cut]
        return
    assert seen.begun == tuple(begun)[: len(seen.begun)]
    assert len(seen.begun) - 1 <= seen.finished <= len(seen.begun)
    assert text[:cut].count('"type": "begin"') - len(seen.begun) in (0, 1)


@given(begun=st.lists(steps, max_size=3), data=st.data())
def test_a_journal_that_was_cut_off_can_still_be_closed(
    begun: list[Step], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Else the run would be taken back again and again, and what a later run made with it."""
    text = text_of(begun, len(begun))
    cut = data.draw(st.integers(text.index("\n") + 1, len(text)))
    system = Local({"LLMDOCTOR_STATE_DIR": str(tmp_path_factory.getbasetemp() / "cut")})
    journal = Journal(system, "1")
    path = Path(journal.folder) / "journal.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text[:cut])
    journal.end("restored")
    (entry,) = entries(system)
    assert entry.outcome == "restored"


@pytest.fixture
def system(tmp_path: Path) -> Local:
    return Local({"LLMDOCTOR_STATE_DIR": str(tmp_path / "state")})


def test_what_was_written_is_read_again(system: Local) -> None:
    journal = Journal(system, "20260101000000-0001")
    step = Run("make it", ("python", "-m", "venv"), creates="/e")
    journal.start("/e", ("cpu", "triton"))
    journal.begin(0, step)
    journal.done(0)
    journal.begin(1, Tell("restart"))
    (entry,) = entries(system)
    assert entry == Entry(
        id="20260101000000-0001",
        environment="/e",
        subjects=("cpu", "triton"),
        started=entry.started,
        begun=(step, Tell("restart")),
        finished=1,
    )
    journal.end("kept")
    assert entries(system)[0].outcome == "kept"


def test_variables_of_a_step_do_not_lie_on_disk(system: Local) -> None:
    journal = Journal(system, "1")
    journal.start("/e", ())
    journal.begin(0, Run("install", ("uv",), {"UV_INDEX_PASSWORD": "hunter2"}))
    assert "hunter2" not in (Path(journal.folder) / "journal.jsonl").read_text()


def test_runs_come_oldest_first(system: Local) -> None:
    for run_id in ("20260102000000-0007", "20260101000000-0009"):
        Journal(system, run_id).start("/e", ())
    assert [entry.id[:8] for entry in entries(system)] == ["20260101", "20260102"]


def test_a_run_that_left_no_line_is_no_run(system: Local) -> None:
    (Path(Journal(system, "1").folder)).mkdir(parents=True)
    Path(Journal(system, "2").folder).mkdir()
    (Path(Journal(system, "2").folder) / "journal.jsonl").write_text('{"type": "ru')
    assert entries(system) == ()


DAMAGES: list[Callable[[str], str]] = [
    lambda text: text.replace('"kind": "tell"', '"kind": "of-a-later-version"'),
    lambda text: text.replace('"text"', '"txt"'),
    lambda text: text + "5\n",
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_that_cannot_be_read_stops_work_on_its_own_environment_alone(
    damage: Callable[[str], str], system: Local
) -> None:
    path = Path(journal_path(system, "1"))
    path.parent.mkdir(parents=True)
    path.write_text(damage(text_of([Tell("x")], 1)))
    (entry,) = entries(system)
    assert entry.outcome == "unreadable, not ended"
    with pytest.raises(CannotFinishError) as caught:
        unfinished(system, entry.environment)
    assert str(path) in caught.value.message
    assert caught.value.next_command
    assert unfinished(system, "/elsewhere") == ()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_that_ended_stops_nothing_however_its_journal_reads(
    damage: Callable[[str], str], system: Local
) -> None:
    path = Path(journal_path(system, "1"))
    path.parent.mkdir(parents=True)
    path.write_text(damage(text_of([Tell("x")], 1)) + '{"type": "end", "outcome": "kept"}\n')
    (entry,) = entries(system)
    assert entry.outcome == "unreadable"
    assert unfinished(system, entry.environment) == ()


def test_runs_that_begin_in_the_same_second_have_journals_of_their_own(system: Local) -> None:
    """Neither has written anything yet when the other takes its name."""
    names = {new_id(system) for _ in range(8)}
    assert len(names) > 1
    assert all(name[:14].isdigit() for name in names)


@pytest.mark.parametrize(
    "there",
    [
        ("20260101000000-0001",),
        ("20260101000000-9998",),
        ("20251231000000-0001", "20991231235959-0500"),  # the clock was wrong, and was set back
        ("20991231235959-9999",),
        ("20260101000000-0001", "notes.txt"),
    ],
)
def test_a_new_run_sorts_behind_all_that_were_before_whatever_the_clock_says(
    there: tuple[str, ...], tmp_path: Path
) -> None:
    class Frozen(Local):
        def now(self) -> str:
            return "2026-01-01T00:00:00+00:00"

    frozen = Frozen({"LLMDOCTOR_STATE_DIR": str(tmp_path / "state")})
    runs = tmp_path / "state" / "runs"
    for name in there:
        (runs / name).mkdir(parents=True)
    begun = [name for name in there if name[0].isdigit()]
    for _ in range(300):
        name = new_id(frozen)
        assert name > max(begun)
        assert re.fullmatch(r"\d{14}-\d{4}", name)
        (runs / name).mkdir()
        begun.append(name)
