"""Prove an environment: run `inside/smoke` in its interpreter and read what it writes.

All rows of a device share one child, since imports are most of the cost. A row that kills its
child, hangs in it or poisons it costs that row; the rest go on in a fresh child.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from llmdoctor.installers import CLEARED
from llmdoctor.proof import Beat, Proof, SmokeRow
from llmdoctor.records import last_words
from llmdoctor.smoke.child import Child, Limits, Tell, run_child
from llmdoctor.system import Completed, System

PROGRAM = Path(__file__).parent.parent / "inside" / "smoke"
LIMITS = Limits()
LIMITS_FULL = Limits(row=900.0)  # a row that compiles, on a machine with other work

__all__ = ["LIMITS", "PROGRAM", "Limits", "Tell", "chosen", "prove", "row_names"]


def _nobody(_: Beat) -> None:
    pass


def prove(
    system: System,
    python: str,
    only: Sequence[str] = (),
    *,
    backends: Sequence[str] = (),
    full: bool = False,
    device: str | None = None,
    tell: Tell = _nobody,
    program: Path = PROGRAM,
    limits: Limits | None = None,
    bytecode: bool = False,
) -> Proof:
    """Run every row that `only` (globs over backend/kernel/mode/dtype) selects, or all of them.

    Args:
        system: the door.
        python: the interpreter to prove.
        only: globs; none selects everything.
        backends: the names of backends, of whose rows alone `only` selects; none means of all.
        full: the rows that compile for minutes as well.
        device: "cpu" or "cuda:1" alone; by default the processor, then every GPU that torch sees.
        tell: is told how it goes on.
        program: speaks the protocol that `inside/smoke/__main__.py` describes.
        limits: how long it may take for each thing; by default more where `full` compiles.
        bytecode: what Python compiles of the packages while it imports them stays beside them.
    """
    limits = limits or (LIMITS_FULL if full else LIMITS)
    options = [word for word, given in (("--full", full), ("--bytecode", bytecode)) if given]
    command = (python, "-I", "-B", str(program), *options)
    asked = (only, backends)
    proof = _on_device(system, command, asked, device or "cpu", tell, limits)
    if device is not None or proof.problem is not None:
        return proof if proof.rows or proof.problem else replace(proof, problem="no row matches")
    for number in range(int(str(proof.environment.get("gpus") or 0))):
        gpu = f"cuda:{number}"
        if not _list(system, command, only, gpu, limits).ok:
            continue  # the program has no rows for GPUs: `standing` says that they are not covered
        more = _on_device(system, command, asked, gpu, tell, limits)
        names = {**_names_of(proof), **_names_of(more)}
        proof = Proof(
            (*proof.rows, *more.rows),
            {**more.environment, **proof.environment, "devices": names},
            proof.problem or more.problem,
        )
    return proof if proof.rows or proof.problem else replace(proof, problem="no row matches")


def row_names(
    system: System,
    python: str,
    *,
    full: bool = False,
    device: str = "cpu",
    program: Path = PROGRAM,
) -> tuple[str, ...]:
    """Every row there is on a device, as backend/kernel/mode/dtype; none where `python` cannot say.

    Listing needs no package. `prove` says why it cannot.
    """
    command = (python, "-I", "-B", str(program), *(["--full"] if full else []))
    return tuple(_names(_list(system, command, (), device, LIMITS)))


def chosen(names: Sequence[str], only: Sequence[str], backends: Sequence[str]) -> tuple[str, ...]:
    """The rows of these names that fit one of the globs and are of one of the backends."""
    return tuple(
        name
        for name in names
        if (not only or any(fnmatchcase(name, glob) for glob in only))
        and (not backends or name.partition("/")[0] in backends)
    )


def _list(
    system: System, command: tuple[str, ...], only: Sequence[str], device: str, limits: Limits
) -> Completed:
    globs = [word for glob in only for word in ("--only", glob)]
    place = [] if device == "cpu" else ["--device", device]
    return system.run((*command, "--list", *place, *globs), env=CLEARED, timeout=limits.listing)


def _names(listed: Completed) -> list[str]:
    # the environment may print as well while its interpreter starts
    return [line for line in listed.out.splitlines() if line.count("/") == 3 and " " not in line]


def _on_device(
    system: System,
    command: tuple[str, ...],
    asked: tuple[Sequence[str], Sequence[str]],
    device: str,
    tell: Tell,
    limits: Limits,
) -> Proof:
    only, backends = asked
    listed = _list(system, command, only, device, limits)
    if not listed.ok:
        text = f"{command[0]} cannot run the smoke test: {last_words(listed)}"
        return Proof(problem=text if device == "cpu" else f"{device}: {text}")
    left = list(chosen(_names(listed), (), backends))
    if not left:
        return Proof()
    words = command if device == "cpu" else (*command, "--device", device)
    rows: list[SmokeRow] = []
    environment: dict[str, object] = {}
    problem = None
    while left:
        child = run_child(system, words, left, limits, tell, len(rows))
        environment = environment or _environment(child)
        if child.finished and (missing := _absent(child) or _missing(child)):
            return Proof((), environment, missing)  # every row would say the same
        rows += child.rows
        problem = problem or child.trouble
        if child.finished or not child.rows:  # without a row, a fresh child would do the same
            break
        seen = {row.name for row in rows}
        left = [name for name in left if name not in seen]
    return Proof(tuple(rows), environment, problem or (None if rows else "it ran no row"))


def _environment(child: Child) -> dict[str, object]:
    found = child.of("environment")
    return {key: value for key, value in found[0].items() if key != "type"} if found else {}


def _names_of(proof: Proof) -> dict[str, object]:
    """The name of each device that a proof ran on."""
    known = proof.environment.get("devices")
    if isinstance(known, dict):
        return known
    device = proof.environment.get("device")
    name = device.get("name") if isinstance(device, dict) else None
    return dict.fromkeys(proof.devices, name)


def _absent(child: Child) -> str | None:
    """Why torch cannot use the device, where it cannot: no row was run."""
    device = _environment(child).get("device")
    return str(device["absent"]) if isinstance(device, dict) and "absent" in device else None


def _missing(child: Child) -> str | None:
    """Why no row can run: the package that is not there or does not import."""
    needed = ("torch", "transformers")  # without peft the other rows go on
    if any(row.outcome == "pass" for row in child.rows):
        return None
    for record in child.of("import"):
        if record["package"] not in needed:
            continue
        if record["outcome"] == "missing":
            return f"{record['package']} is not installed in this environment"
        if record["outcome"] == "broken":
            return f"{record['package']} cannot be imported: {record['error']}: {record['message']}"
    return None
