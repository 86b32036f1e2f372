"""Attention in float64, written out, that every backend is compared with.

transformers' own "eager" is no reference: its softmax is float32 whatever the model's dtype, and
with left padding in float64 its mask overflows to NaN.
"""

from __future__ import annotations

import torch

NAME = "llmdoctor_reference"


def attention(
    module: torch.nn.Module,  # noqa: ARG001 - the signature is transformers'
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    sliding_window: int | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention of whole sequences, with grouped queries and padding, without a cache.

    With ``sliding_window`` a token sees itself and the ``sliding_window - 1`` before it.

    query (batch, heads, length, head_dim), key and value (batch, key-value heads, length,
    head_dim), all float64; attention_mask (batch, length), 0 at padding, or None. Returns
    (batch, length, heads, head_dim) and None in place of weights.
    """
    length = query.shape[2]
    if key.shape[2] != length or query.dtype != torch.float64:
        raise ValueError("the reference takes whole float64 sequences, without a cache")
    groups = query.shape[1] // key.shape[1]
    key = key.repeat_interleave(groups, dim=1)
    value = value.repeat_interleave(groups, dim=1)

    position = torch.arange(length, device=query.device)
    seen = position[None, :] <= position[:, None]
    if sliding_window is not None:
        seen &= position[None, :] > position[:, None] - sliding_window
    if attention_mask is not None:
        # A padding position sees itself, or its softmax would be 0/0; no token ever sees it.
        itself = position[None, :] == position[:, None]
        seen = (seen & attention_mask.bool()[:, None, None, :]) | itself

    scores = torch.einsum("bhqd,bhkd->bhqk", query, key) * scaling
    scores = scores.masked_fill(~seen, -torch.inf)
    weights = torch.exp(scores - scores.amax(dim=-1, keepdim=True))
    weights = weights / weights.sum(dim=-1, keepdim=True)
    return torch.einsum("bhqk,bhkd->bqhd", weights, value).contiguous(), None


def padding_mask(
    *_: object, attention_mask: torch.Tensor | None = None, **__: object
) -> torch.Tensor | None:
    """In place of transformers' mask: the padding as it was given; ``attention`` does the rest."""
    return attention_mask


def register() -> None:
    """Make it known to transformers as the attention implementation ``NAME``."""
    # here, since kernels that are called directly are compared with it without transformers
    from transformers.masking_utils import AttentionMaskInterface
    from transformers.modeling_utils import AttentionInterface

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, padding_mask)
