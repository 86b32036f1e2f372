"""A proof at a terminal: a matrix of backends, what did not pass and why, and what to use."""

from __future__ import annotations

from llmdoctor import advice
from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.render.terminal import STYLES, Paper

_MODES = ("infer", "generate", "train", "lora")
_TITLES = {"infer": "infer", "generate": "generate", "train": "train", "lora": "LoRA"}
_NAME, _CELL = 28, 16


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
        for row in proof.rows:
            if row.outcome != "pass" and row.detail:
                paper.line(f"{row.outcome} {row.name}: {row.detail}", STYLES[row.outcome])
    outcomes = [row.outcome for row in proof.rows]
    words = ", ".join(f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes))
    verdict = proven(proof) if proof.passed else "NOT proven"
    paper.line(f"{verdict}: {words or 'no row ran'}", "bold green" if proof.passed else "bold red")
    _advice(proof, paper)


def proven(proof: Proof) -> str:
    """What a passed proof shows: of a torch that was built for a GPU, the processor's part."""
    on_cpu = all(row.device == "cpu" for row in proof.rows)
    built_for_gpu = proof.environment.get("cuda") is not None
    return "proven on the processor" if built_for_gpu and on_cpu else "proven"


def _matrix(device: str, rows: list[SmokeRow], paper: Paper) -> None:
    """Backends down, modes across, the dtypes in each cell; one that did not pass says so."""
    modes = [mode for mode in _MODES if any(row.mode == mode for row in rows)]
    names = dict.fromkeys((row.backend, row.kernel) for row in rows)
    heads = "".join(f"{_TITLES[mode]:{_CELL}}" for mode in modes)
    paper.verbatim(f"{device:{_NAME}}{heads}".rstrip(), "bold")
    for backend, kernel in names:
        own = [row for row in rows if (row.backend, row.kernel) == (backend, kernel)]
        cells = [" ".join(_cell(row) for row in own if row.mode == mode) for mode in modes]
        text = f"{_ran(own[0]):{_NAME}}" + "".join(f"{cell:{_CELL}}" for cell in cells)
        worst = next((row.outcome for row in own if row.bad), "pass")
        paper.verbatim(text.rstrip(), STYLES[worst])


def _cell(row: SmokeRow) -> str:
    return row.dtype if row.outcome == "pass" else f"{row.dtype}:{row.outcome}"


def _each(rows: list[SmokeRow], paper: Paper) -> None:
    """Outcome, backend, mode, dtype, measured error against its gate, seconds; then the detail."""
    for row in rows:
        measured = "" if row.error is None else f"{row.error:.1e} / {row.tolerance:.0e}"
        seconds = "" if row.seconds is None else f"{row.seconds:.2f} s"
        cells = f"{row.outcome:7} {_ran(row):30} {row.mode:8} {row.dtype:4} {measured:15} {seconds}"
        paper.verbatim(cells.rstrip(), STYLES[row.outcome])
        if row.detail:
            paper.line(row.detail, STYLES[row.outcome], indent=8)


def _ran(row: SmokeRow) -> str:
    """The backend and its kernel; for a backend's own choice, the kernel that was seen."""
    if row.kernel != "default":
        return f"{row.backend} {row.kernel}"
    return row.backend if row.ran_as in (None, row.backend) else f"{row.backend} → {row.ran_as}"


def _advice(proof: Proof, paper: Paper) -> None:
    use = advice.advised(proof)
    spent = []
    for name, seconds in advice.times(proof).items():
        each = [f"{seconds[what]:.1f}" if what in seconds else "-" for what in advice.USES]
        spent.append(f"{name} {' / '.join(each)}")
    if spent:
        paper.line(
            f"seconds for inference / training, of tiny models, the first backend with its start: "
            f"{', '.join(spent)}",
            "dim",
        )
    if len(set(use.values())) == 1 and len(use) == len(advice.USES):
        words = f'attn_implementation="{use["inference"]}" for inference and for training'
    else:
        words = ", ".join(f'attn_implementation="{name}" for {what}' for what, name in use.items())
    if words:
        paper.line(f"use {words}", "bold")
    for what in advice.USES.keys() - use.keys() if proof.rows else ():
        paper.line(f"nothing is proven for {what}", "yellow")
