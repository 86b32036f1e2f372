"""Attention that is called directly, without a model around it: its inputs and its judgement.

What is called takes a ``Heads`` and gives the output for its queries; torch must be able to
differentiate it. Everything is compared with the float64 reference of ``reference.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from . import gates, reference
from .numerics import DTYPES, not_finite, rel_rms
from .rows import Measure

# Sequences of a batch. 72 is more than two blocks of 32 and not a multiple of any block; 3 and 7
# are there because one key weighs much in a short sequence.
LENGTHS = (3, 7, 36, 72)
HEADS = 4
KEY_HEADS = 2
DIM = 32


@dataclass(frozen=True)
class Heads:
    """The tensors of one call, grouped queries and padding on the left.

    ``query`` is (batch, HEADS, length, DIM), ``key`` and ``value`` (batch, KEY_HEADS, length,
    DIM); ``first`` (batch,) int32 is the position of the first token of each sequence, what lies
    before it is padding; ``upstream`` is the gradient of the output, zero at padding.
    """

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    first: torch.Tensor
    upstream: torch.Tensor

    @property
    def scale(self) -> float:
        """What the scores are multiplied by."""
        return float(DIM**-0.5)

    @property
    def valid(self) -> torch.Tensor:
        """(batch, length), true where there is a token and not padding."""
        position = torch.arange(self.query.shape[2], device=self.query.device)
        return position >= self.first[:, None]

    @property
    def inputs(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What can be differentiated by."""
        return self.query, self.key, self.value

    def of_tokens(self, output: torch.Tensor) -> torch.Tensor:
        """(tokens and heads, DIM) of an output (batch, HEADS, length, DIM): no padding."""
        return output.transpose(1, 2)[self.valid].reshape(-1, DIM)

    def leaves(self, dtype: torch.dtype) -> Heads:
        """A copy to differentiate."""
        query, key, value = (one.detach().to(dtype).requires_grad_() for one in self.inputs)
        return Heads(query, key, value, self.first, self.upstream.to(dtype))


Attend = Callable[[Heads], torch.Tensor]


def make(seed: int, device: str, dtype: str) -> Heads:
    """Random tensors, drawn on the CPU, so that every device gets the same."""
    draw = torch.Generator().manual_seed(seed)
    length = max(LENGTHS)

    def random(heads: int, size: float = 1.0) -> torch.Tensor:
        drawn = torch.randn(len(LENGTHS), heads, length, DIM, generator=draw) * size
        return drawn.to(DTYPES[dtype]).to(device)

    # Twice the usual size: scores that are nearly equal would hide a wrong mask.
    query, key, value = random(HEADS, 2.0), random(KEY_HEADS), random(KEY_HEADS)
    first = torch.tensor([length - tokens for tokens in LENGTHS], dtype=torch.int32, device=device)
    heads = Heads(query, key, value, first, random(HEADS))
    upstream = heads.upstream * heads.valid[:, None, :, None]
    return Heads(query, key, value, first, upstream)


def wanted(heads: Heads) -> torch.Tensor:
    """What the output should be, in float64: (batch, HEADS, length, DIM)."""
    output, _ = reference.attention(
        torch.nn.Identity(), *heads.inputs, heads.valid, scaling=heads.scale
    )
    return output.transpose(1, 2)


def output_measures(heads: Heads, attend: Attend, dtype: str) -> list[Measure]:
    """The output: finite, then all tokens together, then the worst head of a token."""
    with torch.no_grad():
        got = heads.of_tokens(attend(heads))
        right = heads.of_tokens(wanted(heads.leaves(torch.float64)))
    finite = not_finite("output", got)
    if not finite.ok:
        return [finite]
    by_head = (got.double() - right).norm(dim=-1) / right.norm(dim=-1)
    return [
        finite,
        Measure("output: relRMS", rel_rms(got, right), gates.CALL[dtype]),
        Measure("output: relRMS of the worst head", float(by_head.max()), gates.CALL_WORST[dtype]),
    ]


def gradient_measures(heads: Heads, attend: Attend, dtype: str) -> list[Measure]:
    """The gradients of query, key and value, against those of the reference."""
    exact = heads.leaves(torch.float64)
    wanted(exact).backward(exact.upstream)
    leaves = heads.leaves(DTYPES[dtype])
    attend(leaves).backward(leaves.upstream)
    measures = []
    for number, name in enumerate(("query", "key", "value")):
        leaf, right = leaves.inputs[number], exact.inputs[number]
        if leaf.grad is None or right.grad is None:
            measures.append(Measure(f"gradient of {name}: none", 1.0, gates.EXACT))
            continue
        finite = not_finite(f"gradient of {name}", leaf.grad)
        error = rel_rms(leaf.grad, right.grad)
        measures += (
            [Measure(f"gradient of {name}: relRMS", error, gates.CALL_GRADIENT[dtype])]
            if finite.ok
            else [finite]
        )
    return measures
