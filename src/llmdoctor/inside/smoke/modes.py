"""What a row proves in the modes ``infer``, ``generate`` and ``train``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import torch

from . import gates
from .backends import Backend
from .batches import NEW_TOKENS, PAD, decoded
from .families import Subject
from .lab import Lab
from .numerics import logits_measures, rel_rms
from .observe import observed
from .rows import Measure, Trial


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """Logits of a causal, a left-padded and a right-padded batch, of each family."""
    kernels: Counter[str] = Counter()
    measures: list[Measure] = []
    remarks: list[str] = []
    batches = lab.bench.batches(backend)
    for subject in _subjects(lab, backend, remarks):
        model = subject.model(backend, dtype)
        with torch.no_grad(), backend.forced(), observed(kernels):
            results = [batch.logits(model) for batch in batches]
        for batch, logits in zip(batches, results):  # noqa: B905 - strict= is of Python 3.10
            name = batch.name if subject.name == "llama" else f"{subject.name} {batch.name}"
            measures += logits_measures(name, logits, subject.wanted_logits(batch, dtype), dtype)
    return Trial(tuple(measures), kernels, tuple(remarks))


def generate(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """Greedy decoding through the KV cache: in fp32 the reference's tokens, else right logits.

    A sound backend may take another token in bf16 and fp16, so there the logits of every step are
    compared with the reference's for the tokens that were taken, read without a cache.
    """
    bench = lab.bench
    prompt = bench.prompt(backend)
    model = bench.subject().model(backend, dtype)
    kernels: Counter[str] = Counter()
    with torch.no_grad(), backend.forced(), observed(kernels):
        made = model.generate(
            prompt.batch.input_ids,
            attention_mask=prompt.batch.attention_mask,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            use_cache=True,
            pad_token_id=PAD,
            output_logits=True,
            return_dict_in_generate=True,
        )
    tokens = made.sequences[:, -NEW_TOKENS:]
    if dtype != "fp32":
        wanted = decoded(prompt.batch, tokens, bench.subject().reference(dtype))
        logits = torch.stack(made.logits, dim=1)
        return Trial(
            tuple(logits_measures("decoded", logits.flatten(0, 1), wanted.flatten(0, 1), dtype)),
            kernels,
        )
    differing = Measure("tokens that differ", int((tokens != prompt.tokens).sum()), gates.EXACT)
    remarks = [f"{tokens.numel()} tokens, smallest lead in the reference {prompt.lead:.2g}"]
    if not differing.ok:
        remarks.append(f"generated {tokens.tolist()}, the reference {prompt.tokens.tolist()}")
    return Trial((differing,), kernels, tuple(remarks))


def train(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """The gradient of every parameter, of each family, from one backward through all batches."""
    kernels: Counter[str] = Counter()
    measures: list[Measure] = []
    remarks: list[str] = []
    batches = lab.bench.batches(backend)
    for subject in _subjects(lab, backend, remarks):
        model = subject.model(backend, dtype).train()
        with backend.forced(), observed(kernels):
            torch.stack([batch.loss(model) for batch in batches]).sum().backward()
        measures.append(_gradients(subject, model, subject.wanted_gradients(batches, dtype), dtype))
    return Trial(tuple(measures), kernels, tuple(remarks))


def _subjects(lab: Lab, backend: Backend, remarks: list[str]) -> Iterator[Subject]:
    """The families that this backend is tried on; what transformers does not have is remarked."""
    for family in backend.families:
        try:
            subject = lab.bench.subject(family)
        except ModuleNotFoundError:
            remarks.append(f"this transformers has no {family}")
            continue
        yield subject


def _gradients(
    subject: Subject, model: torch.nn.Module, wanted: dict[str, torch.Tensor], dtype: str
) -> Measure:
    """RelRMS of the worst parameter's gradient."""
    worst = Measure(f"{subject.name} gradients: relRMS", 0.0, gates.GRADIENT[dtype])
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            return Measure(f"{subject.name} gradients: none for {name}", math.inf, worst.gate)
        error = rel_rms(parameter.grad, wanted[name])
        if not error <= worst.value:
            worst = Measure(f"{subject.name} gradients: relRMS ({name})", error, worst.gate)
    return worst
