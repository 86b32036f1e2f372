"""Numbers compared with a reference: what a row reports of them. Needs torch alone."""

from __future__ import annotations

import torch

from . import gates
from .rows import Measure

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def rel_rms(result: torch.Tensor, wanted: torch.Tensor) -> float:
    """rms(result - wanted) / rms(wanted), computed in float64. NaN stays NaN."""
    wanted = wanted.double()
    return float((result.double() - wanted).norm() / wanted.norm())


def not_finite(name: str, *results: torch.Tensor) -> Measure:
    """How many values are infinite or NaN; asked first, for one makes every other number void."""
    broken = sum(int((~torch.isfinite(result)).sum()) for result in results)
    return Measure(f"{name}: values not finite", broken, gates.EXACT)


def logits_measures(
    name: str, logits: torch.Tensor, wanted: torch.Tensor, dtype: str
) -> list[Measure]:
    """All tokens together, then the worst one; only "not finite" where that is broken.

    ``logits`` and ``wanted`` are (tokens, vocabulary).
    """
    finite = not_finite(name, logits)
    if not finite.ok:
        return [finite]
    by_token = (logits.double() - wanted).norm(dim=-1) / wanted.norm(dim=-1)
    worst = float(by_token.max())
    return [
        Measure(f"{name}: relRMS", rel_rms(logits, wanted), gates.LOGITS[dtype]),
        Measure(f"{name}: relRMS of the worst token", worst, gates.LOGITS_OF_TOKEN[dtype]),
    ]
