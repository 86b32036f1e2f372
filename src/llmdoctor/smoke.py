"""Prove an environment: run `inside/smoke` in its interpreter and read what it writes.

All rows share one child, since imports are most of the cost. A child that dies or hangs in a row
costs that row; the rest go on in a fresh child.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmdoctor import wire
from llmdoctor.installers import CLEARED
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.records import last_words, parse_records
from llmdoctor.system import Completed, System

PROGRAM = Path(__file__).parent / "inside" / "smoke"
_IDENTITY = ("backend", "kernel", "mode", "dtype", "device")
_SECONDS = 600.0  # for one child; the whole CPU run takes about ten


def prove(
    system: System,
    python: str,
    only: Sequence[str] = (),
    *,
    program: Path = PROGRAM,
    seconds: float = _SECONDS,
) -> Proof:
    """Run every row that `only` (globs over backend/kernel/mode/dtype) selects, or all of them.

    `program` speaks the protocol that `inside/smoke/__main__.py` describes; a child of it that
    takes longer than `seconds` is hanging.
    """
    command = (python, "-I", "-B", str(program))
    globs = [word for glob in only for word in ("--only", glob)]
    listed = system.run((*command, "--list", *globs), env=CLEARED, timeout=60.0)
    if not listed.ok:
        return Proof(problem=f"{python} cannot run the smoke test: {last_words(listed)}")
    left = _names(listed)
    rows: list[SmokeRow] = []
    environment: dict[str, object] = {}
    while left:
        records, done = _one_child(system, command, left, seconds)
        environment = environment or _environment(records)
        finished = [wire.load(SmokeRow, row) for row in _of_type(records, "row")]
        rows += finished
        if any(record["type"] == "done" for record in records):
            if missing := _missing(records):  # every row would say the same
                return Proof((), environment, missing)
            return Proof(tuple(rows), environment, None if rows else "it ran no row")
        started = [record["row"] for record in _of_type(records, "start", whole=True)]
        if len(started) == len(finished):  # it died before its first row, or between two
            where = _importing(records)
            text = f"the smoke test ended {where}: {last_words(done)}"
            return Proof(tuple(rows), environment, text)
        rows.append(_died(started[-1], done))
        seen = {"/".join((row.backend, row.kernel, row.mode, row.dtype)) for row in rows}
        left = [name for name in left if name not in seen]
    return Proof(tuple(rows), environment, None if rows else "no row was selected")


def row_names(system: System, python: str, *, program: Path = PROGRAM) -> tuple[str, ...]:
    """Every row there is, as backend/kernel/mode/dtype; none where `python` cannot list them.

    `prove` says why it cannot.
    """
    argv = (python, "-I", "-B", str(program), "--list")
    return tuple(_names(system.run(argv, env=CLEARED, timeout=60.0)))


def _names(listed: Completed) -> list[str]:
    # the environment may print as well while its interpreter starts
    return [line for line in listed.out.splitlines() if line.count("/") == 3 and " " not in line]


def _one_child(
    system: System, command: tuple[str, ...], names: Sequence[str], seconds: float
) -> tuple[list[dict[str, object]], Completed]:
    with system.scratch() as folder:
        out = str(Path(folder) / "rows.jsonl")
        globs = [word for name in names for word in ("--only", name)]
        # a child that dies leaves its temporary files behind: they go with this folder
        env = {**CLEARED, "TMPDIR": folder, "TEMP": folder, "TMP": folder}
        done = system.run((*command, "--out", out, *globs), env=env, timeout=seconds)
        text = system.read_text(out) or ""
    return parse_records(text), done


def _of_type(
    records: Sequence[dict[str, object]], kind: str, *, whole: bool = False
) -> list[dict[str, object]]:
    found = [record for record in records if record["type"] == kind]
    if whole:
        return found
    return [{key: value for key, value in record.items() if key != "type"} for record in found]


def _environment(records: Sequence[dict[str, object]]) -> dict[str, object]:
    found = _of_type(records, "environment")
    return found[0] if found else {}


def _missing(records: Sequence[dict[str, object]]) -> str | None:
    """Why no row can run: the package that is not there or does not import."""
    needed = ("torch", "transformers")  # without peft the other rows go on
    for record in _of_type(records, "import"):
        if record["package"] not in needed:
            continue
        if record["outcome"] == "missing":
            return f"{record['package']} is not installed in this environment"
        if record["outcome"] == "broken":
            return f"{record['package']} cannot be imported: {record['error']}: {record['message']}"
    return None


def _importing(records: Sequence[dict[str, object]]) -> str:
    begun = [record["package"] for record in records if record["type"] == "importing"]
    ended = [record["package"] for record in records if record["type"] == "import"]
    return f"while importing {begun[-1]}" if len(begun) > len(ended) else "outside any row"


def _died(identity: object, done: Completed) -> SmokeRow:
    assert isinstance(identity, dict)
    outcome = "timeout" if done.problem == "timeout" else "crash"
    fields = {key: identity[key] for key in _IDENTITY}
    return wire.load(SmokeRow, {**fields, "outcome": outcome, "detail": last_words(done)})
