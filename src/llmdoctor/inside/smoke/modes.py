"""What a row proves in the modes ``infer`` and ``generate``."""

from __future__ import annotations

from collections import Counter

import torch

from . import gates
from .backends import Backend
from .bench import NEW_TOKENS, PAD
from .lab import Lab
from .numerics import logits_measures
from .observe import observed
from .rows import Measure, Trial


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """Logits of a causal and of a left-padded batch."""
    bench = lab.bench
    wanted = bench.wanted_logits(dtype)
    model = bench.model(backend, dtype)
    kernels: Counter[str] = Counter()
    with torch.no_grad(), backend.forced(), observed(kernels):
        results = {batch.name: batch.logits(model) for batch in bench.batches}
    measures: list[Measure] = []
    for name, logits in results.items():
        measures += logits_measures(name, logits, wanted[name], dtype)
    return Trial(tuple(measures), kernels)


def generate(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """Greedy tokens through the KV cache, from prompts of different lengths."""
    bench = lab.bench
    prompt = bench.prompt()
    model = bench.model(backend, dtype)
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
