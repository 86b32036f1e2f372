"""A proof at a terminal: a matrix of backends, what did not pass and why, and what to use."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from llmdoctor import advice
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render.terminal import STYLES, Paper

_MODES = {"infer": "infer", "generate": "generate", "train": "train", "lora": "LoRA"}
# columns of a terminal: a name and four cells are 80 at most
_NAME, _CELL = 27, 13


def smoke(proof: Proof, paper: Paper, *, verbose: bool) -> None:
    """The matrix (every row by itself where `verbose`), the reasons, the verdict, the advice."""
    if proof.problem:
        paper.line(f"✗ not proven: {proof.problem}", "bold red")
    for device in proof.devices:
        rows = [row for row in proof.rows if row.device == device]
        if verbose:
            _each(rows, paper)
        else:
            _matrix(device, rows, paper)
    if not verbose:
        _reasons(proof, paper)
    paper.line(verdict(proof), "bold green" if proof.passed else "bold red")
    if spent := _times(proof):
        paper.line(spent, "dim")
    for text in advised(proof):
        paper.line(text, "yellow" if text.startswith("nothing") else "bold")


def verdict(proof: Proof) -> str:
    """What became of it, and how many rows ended how."""
    outcomes = [row.outcome for row in proof.rows]
    words = ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))
    return f"{proven(proof) if proof.passed else 'NOT proven'}: {words or 'no row ran'}"


def _reasons(proof: Proof, paper: Paper) -> None:
    """Why rows did not pass; what rows have in common is said once."""
    alike: dict[tuple[str, str], list[SmokeRow]] = {}
    for row in proof.rows:
        if row.outcome != "pass" and row.detail:
            alike.setdefault((row.outcome, row.detail), []).append(row)
    for (outcome, detail), rows in alike.items():
        names = ", ".join(_named(rows, proof.rows))
        paper.line(f"{outcome} {names}: {detail}", STYLES[outcome])


def _named(rows: Sequence[SmokeRow], every: Sequence[SmokeRow]) -> list[str]:
    """The names of these rows; all the rows of a backend, where they are several, as one glob."""
    found = []
    for _, whole in backends(every):
        names = dict.fromkeys(row.name for row in whole)
        own = [name for name in names if any(row.name == name for row in rows)]
        glob = f"{whole[0].backend}/{whole[0].kernel}/*"
        found += [glob] if len(own) == len(names) > 1 else own
    return found


def proven(proof: Proof) -> str:
    """What a passed proof shows: of a torch that was built for a GPU, the processor's part."""
    if proof.asked:
        return f"proven, of {' '.join(proof.asked)} alone"
    on_cpu = all(row.device == "cpu" for row in proof.rows)
    built_for_gpu = proof.environment.get("cuda") is not None
    return "proven on the processor" if built_for_gpu and on_cpu else "proven"


def _matrix(device: str, rows: list[SmokeRow], paper: Paper) -> None:
    """Backends down, modes across, the dtypes in each cell; one that did not pass says so."""
    known = modes(rows)
    _across([device, *known.values()], paper, "bold")
    for name, own in backends(rows):
        cells = [" ".join(_cell(row) for row in own if row.mode == mode) for mode in known]
        worst = next((row.outcome for row in own if row.bad), "pass")
        _across([name, *cells], paper, STYLES[worst])


def _across(cells: Sequence[str], paper: Paper, style: str) -> None:
    """A line of the matrix, and as many below it as its longest cell needs."""
    widths = [_NAME, *[_CELL] * (len(cells) - 1)]
    wrapped = [
        textwrap.wrap(cell, width - 1, break_long_words=False, break_on_hyphens=False)
        for cell, width in zip(cells, widths, strict=True)
    ]
    for parts in zip_longest(*wrapped, fillvalue=""):
        text = "".join(f"{part:{width}}" for part, width in zip(parts, widths, strict=True))
        paper.verbatim(text.rstrip(), style)


def modes(rows: Sequence[SmokeRow]) -> dict[str, str]:
    """The modes that ran, in the order of a matrix, with what they are called there."""
    return {mode: title for mode, title in _MODES.items() if any(row.mode == mode for row in rows)}


def backends(rows: Sequence[SmokeRow]) -> list[tuple[str, list[SmokeRow]]]:
    """Each backend with its kernel, as the matrix names it, and its rows."""
    found: dict[tuple[str, str], list[SmokeRow]] = {}
    for row in rows:
        found.setdefault((row.backend, row.kernel), []).append(row)
    return [(ran(own[0]), own) for own in found.values()]


def _cell(row: SmokeRow) -> str:
    return row.dtype if row.outcome == "pass" else f"{row.dtype}:{row.outcome}"


def _each(rows: list[SmokeRow], paper: Paper) -> None:
    """Outcome, backend, mode, dtype, measured error against its gate, seconds; then the detail."""
    for row in rows:
        measured = "" if row.error is None else f"{row.error:.1e} / {row.tolerance:.0e}"
        seconds = "" if row.seconds is None else f"{row.seconds:.2f} s"
        cells = f"{row.outcome:7} {ran(row):30} {row.mode:8} {row.dtype:4} {measured:15} {seconds}"
        paper.verbatim(cells.rstrip(), STYLES[row.outcome])
        if row.detail:
            paper.line(row.detail, STYLES[row.outcome], indent=8)


def ran(row: SmokeRow) -> str:
    """The backend and its kernel; for a backend's own choice, the kernel that was seen."""
    if row.kernel != "default":
        return f"{row.backend} {row.kernel}"
    return row.backend if row.ran_as in (None, row.backend) else f"{row.backend} → {row.ran_as}"


def advised(proof: Proof) -> list[str]:
    """Which attn_implementation to use, and for what nothing is proven; a sentence each.

    Rows that were not asked for prove nothing and refute nothing: then there is no advice.
    """
    if proof.asked:
        return ["what to use here is told without --backend and --only, when all rows run"]
    use = advice.advised(proof)
    if len(set(use.values())) == 1 and len(use) == len(advice.USES):
        words = f'attn_implementation="{use["inference"]}" for inference and for training'
    else:
        words = ", ".join(f'attn_implementation="{name}" for {what}' for what, name in use.items())
    lines = [f"use {words}"] if words else []
    missing = [what for what in advice.USES if what not in use] if proof.rows else []
    return lines + [f"nothing is proven for {what}" for what in missing]


def _times(proof: Proof) -> str:
    """The seconds of each backend, in a sentence; empty where none is known."""
    spent = []
    for name, seconds in advice.times(proof).items():
        each = [f"{seconds[what]:.1f}" if what in seconds else "-" for what in advice.USES]
        spent.append(f"{name} {' / '.join(each)}")
    if not spent:
        return ""
    return (
        "seconds for inference / training, of tiny models, the first backend with its start: "
        f"{', '.join(spent)}"
    )
