"""Attention in Triton, forward and backward: small, made to prove Triton and not to be fast.

Blocks of queries meet blocks of keys with an online softmax, as in FlashAttention (Dao et al.,
2022, https://arxiv.org/abs/2205.14135, algorithm 1; backward as in algorithm 4). Products of
float32 are asked for in IEEE precision: Triton's default on an NVIDIA GPU is TF32, which is off by
1e-3.
"""

# mypy: disable-error-code="no-untyped-def, untyped-decorator, misc"
# (Triton's compiler gives the arguments of its kernels their types.)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
import triton.language as tl

# Queries and keys of one block; 16 is the least that tl.dot takes.
BLOCK = 32
# Smaller than any score, and unlike -inf it may be subtracted from itself.
LOWEST = tl.constexpr(-1.0e30)


@triton.jit
def _load(base, place, rows, dims, length, DIM: tl.constexpr):
    """Rows of one head: (rows, DIM), zero beyond the sequence."""
    at = (place * length + rows)[:, None] * DIM + dims[None, :]
    return tl.load(base + at, mask=rows[:, None] < length, other=0.0)


@triton.jit
def _scores(queries, keys, rows, columns, begin, scale):
    """Scores of queries against keys: (rows, columns), LOWEST where a query does not see a key."""
    scores = tl.dot(queries, tl.trans(keys), input_precision="ieee") * scale
    earlier = (columns[None, :] < rows[:, None]) & (columns[None, :] >= begin)
    # A padding position sees itself, or its softmax would be 0/0; no token ever sees it.
    return tl.where(earlier | (columns[None, :] == rows[:, None]), scores, LOWEST)


@triton.jit
def forward_kernel(
    query, key, value, first, output, log_sum, scale, length, heads, groups,
    BLOCK: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    """One block of queries of one head, against every block of keys that it sees."""
    block = tl.program_id(0)
    head = tl.program_id(1)  # counted through the batch, as key_head is
    key_head = head // groups
    begin = tl.load(first + head // heads)
    rows = block * BLOCK + tl.arange(0, BLOCK)
    dims = tl.arange(0, DIM)
    queries = _load(query, head, rows, dims, length, DIM)
    peak = tl.full([BLOCK], LOWEST, tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    mixed = tl.zeros([BLOCK, DIM], tl.float32)
    for start in range(0, (block + 1) * BLOCK, BLOCK):
        columns = start + tl.arange(0, BLOCK)
        keys = _load(key, key_head, columns, dims, length, DIM)
        values = _load(value, key_head, columns, dims, length, DIM)
        scores = _scores(queries, keys, rows, columns, begin, scale)
        higher = tl.maximum(peak, tl.max(scores, 1))
        weights = tl.where(scores > LOWEST, tl.exp(scores - higher[:, None]), 0.0)
        shrink = tl.exp(peak - higher)
        total = total * shrink + tl.sum(weights, 1)
        mixed = mixed * shrink[:, None]
        mixed += tl.dot(weights.to(values.dtype), values, input_precision="ieee")
        peak = higher
    at = (head * length + rows)[:, None] * DIM + dims[None, :]
    there = rows < length
    result = (mixed / total[:, None]).to(output.dtype.element_ty)
    tl.store(output + at, result, mask=there[:, None])
    tl.store(log_sum + head * length + rows, peak + tl.log(total), mask=there)


@triton.jit
def backward_kernel(
    query, key, value, first, grad, log_sum, product, grad_query, grad_key, grad_value,
    scale, length, heads, groups, BLOCK: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    """One block of keys of one key-value head, against every query that sees it.

    ``product`` (batch, heads, length) is the dot product of each output with its gradient. The
    gradient of the queries is float32, since the programs of all blocks of keys add to it.
    """
    block = tl.program_id(0)
    key_head = tl.program_id(1)
    begin = tl.load(first + key_head * groups // heads)
    columns = block * BLOCK + tl.arange(0, BLOCK)
    dims = tl.arange(0, DIM)
    keys = _load(key, key_head, columns, dims, length, DIM)
    values = _load(value, key_head, columns, dims, length, DIM)
    by_key = tl.zeros([BLOCK, DIM], tl.float32)
    by_value = tl.zeros([BLOCK, DIM], tl.float32)
    for member in range(groups):
        head = key_head * groups + member
        for start in range(block * BLOCK, length, BLOCK):
            rows = start + tl.arange(0, BLOCK)
            there = rows < length
            queries = _load(query, head, rows, dims, length, DIM)
            upstream = _load(grad, head, rows, dims, length, DIM)
            normal = tl.load(log_sum + head * length + rows, mask=there, other=0.0)
            inner = tl.load(product + head * length + rows, mask=there, other=0.0)
            scores = _scores(queries, keys, rows, columns, begin, scale)
            seen = (scores > LOWEST) & there[:, None]
            weights = tl.where(seen, tl.exp(scores - normal[:, None]), 0.0)
            by_value += tl.dot(
                tl.trans(weights.to(upstream.dtype)), upstream, input_precision="ieee"
            )
            change = tl.dot(upstream, tl.trans(values), input_precision="ieee")
            change = (weights * (change - inner[:, None]) * scale).to(queries.dtype)
            by_key += tl.dot(tl.trans(change), queries, input_precision="ieee")
            at = (head * length + rows)[:, None] * DIM + dims[None, :]
            part = tl.dot(change, keys, input_precision="ieee")
            tl.atomic_add(grad_query + at, part, mask=there[:, None])
    at = (key_head * length + columns)[:, None] * DIM + dims[None, :]
    there = columns[:, None] < length
    tl.store(grad_key + at, by_key.to(grad_key.dtype.element_ty), mask=there)
    tl.store(grad_value + at, by_value.to(grad_value.dtype.element_ty), mask=there)


# What Triton gives back for a launch: the compiled kernel, None from its interpreter.
Launched = Any


class Attention(torch.autograd.Function):
    """Causal attention of padded, whole sequences with grouped queries.

    ``apply(query, key, value, first, scale, launched)``: query (batch, heads, length, DIM), key
    and value (batch, key heads, length, DIM), first (batch,) int32, the position of the first
    token of each sequence. ``launched(name, result)`` is told of every launch. Gives (batch,
    heads, length, DIM) in the dtype of the query.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        first: torch.Tensor,
        scale: float,
        launched: Callable[[str, Launched], None],
    ) -> torch.Tensor:
        """The output, and the logarithm of each query's softmax sum for the backward."""
        batch, heads, length, dim = query.shape
        output = torch.empty_like(query)
        log_sum = torch.empty(batch, heads, length, dtype=torch.float32, device=query.device)
        grid = (triton.cdiv(length, BLOCK), batch * heads)
        sizes = (scale, length, heads, heads // key.shape[1], BLOCK, dim)
        launched("forward", forward_kernel[grid](query, key, value, first, output, log_sum, *sizes))
        ctx.save_for_backward(query, key, value, first, output, log_sum)
        ctx.sizes, ctx.launched = sizes, launched
        return output

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:
        """The gradients of query, key and value."""
        query, key, value, first, output, log_sum = ctx.saved_tensors
        grad = grad.contiguous()
        by_query = torch.zeros(query.shape, dtype=torch.float32, device=query.device)
        by_key, by_value = torch.empty_like(key), torch.empty_like(value)
        product = (output.float() * grad.float()).sum(-1)
        grid = (triton.cdiv(key.shape[2], BLOCK), key.shape[0] * key.shape[1])
        launched = backward_kernel[grid](
            query, key, value, first, grad, log_sum, product, by_query, by_key, by_value, *ctx.sizes
        )
        ctx.launched("backward", launched)
        return by_query.to(query.dtype), by_key, by_value, None, None, None
