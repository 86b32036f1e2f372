"""What a proof says about how to run a model here. Nothing is advised that did not pass."""

from __future__ import annotations

from collections.abc import Sequence

from llmdoctor.proof import Proof, SmokeRow
from llmdoctor.tables import preferred_attention

# What has to pass, of what was run, before a backend is advised for a use.
USES = {"inference": ("infer", "generate"), "training": ("train", "lora")}


def advised(proof: Proof) -> dict[str, str]:
    """The attn_implementation to use for "inference" and "training", as far as one is proven.

    On the last device that was proven, which is a GPU where one was. A backend's own choice of
    kernel counts, since that is what runs when a model is loaded by this name.
    """
    if not proof.devices:
        return {}
    rows = [row for row in proof.rows if row.device == proof.devices[-1]]
    found = {}
    for use, modes in USES.items():
        for name in preferred_attention():
            if _works([row for row in rows if _name(row) == name and row.mode in modes], use):
                found[use] = name
                break
    return found


def times(proof: Proof) -> dict[str, dict[str, float]]:
    """Seconds that each backend's passed rows took, by use, in the order of the rows."""
    found: dict[str, dict[str, float]] = {}
    for use, modes in USES.items():
        for row in proof.rows:
            if row.mode in modes and row.outcome == "pass" and row.seconds is not None:
                name = row.name.rsplit("/", 2)[0]
                spent = found.setdefault(name, {})
                spent[use] = spent.get(use, 0.0) + row.seconds
    return found


def _works(rows: Sequence[SmokeRow], use: str) -> bool:
    outcomes = {row.outcome for row in rows}
    needed = {"infer", "generate"} if use == "inference" else set()
    ran = {row.mode for row in rows if row.outcome == "pass"}
    return "pass" in outcomes and outcomes <= {"pass", "skip"} and needed <= ran


def _name(row: SmokeRow) -> str | None:
    """What transformers calls the backend, where the row is that backend's own choice."""
    return row.attention if row.kernel == "default" else None
