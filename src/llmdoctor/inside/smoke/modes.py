"""What a row proves in the modes ``infer`` and ``generate``."""

from __future__ import annotations

from collections import Counter

import torch

from . import gates
from .backends import Backend
from .bench import NEW_TOKENS, PAD, Bench
from .observe import observed
from .reference import rel_rms
from .rows import Measure, Trial


def logits_measures(
    name: str, logits: torch.Tensor, wanted: torch.Tensor, dtype: str
) -> list[Measure]:
    """Finite first, for one NaN makes every other number meaningless; then all, then the worst.

    ``logits`` and ``wanted`` are (tokens, vocabulary).
    """
    broken = int((~torch.isfinite(logits)).sum())
    measures = [Measure(f"{name}: values not finite", broken, gates.EXACT)]
    if not broken:
        by_token = (logits.double() - wanted).norm(dim=-1) / wanted.norm(dim=-1)
        measures.append(Measure(f"{name}: relRMS", rel_rms(logits, wanted), gates.LOGITS[dtype]))
        measures.append(
            Measure(
                f"{name}: relRMS of the worst token",
                float(by_token.max()),
                gates.LOGITS_OF_TOKEN[dtype],
            )
        )
    return measures


def infer(bench: Bench, backend: Backend, dtype: str) -> Trial:
    """Logits of a causal and of a left-padded batch."""
    wanted = bench.wanted_logits(dtype)
    model = bench.model(backend.attention, dtype)
    kernels: Counter[str] = Counter()
    with torch.no_grad(), backend.forced(), observed(kernels):
        results = {batch.name: batch.logits(model) for batch in bench.batches}
    measures: list[Measure] = []
    for name, logits in results.items():
        measures += logits_measures(name, logits, wanted[name], dtype)
    return Trial(tuple(measures), kernels)


def generate(bench: Bench, backend: Backend, dtype: str) -> Trial:
    """Greedy tokens through the KV cache, from prompts of different lengths."""
    prompt = bench.prompt()
    model = bench.model(backend.attention, dtype)
    kernels: Counter[str] = Counter()
    with torch.no_grad(), backend.forced(), observed(kernels):
        tokens = model.generate(
            prompt.batch.input_ids,
            attention_mask=prompt.batch.attention_mask,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            use_cache=True,
            pad_token_id=PAD,
        )[:, -NEW_TOKENS:]
    differing = Measure("tokens that differ", int((tokens != prompt.tokens).sum()), gates.EXACT)
    remarks = [f"{tokens.numel()} tokens, smallest lead in the reference {prompt.lead:.2g}"]
    if not differing.ok:
        remarks.append(f"generated {tokens.tolist()}, the reference {prompt.tokens.tolist()}")
    return Trial((differing,), kernels, tuple(remarks))
