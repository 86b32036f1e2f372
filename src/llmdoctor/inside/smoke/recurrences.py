"""The recurrences of Mamba, token by token, in the dtype of what they are given."""

from __future__ import annotations

import torch


def selective_scan(given: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mamba's scan: (batch, channels, length).

    ``x``, ``step`` and ``gate`` are (batch, channels, length), ``B`` and ``C`` (batch, states,
    length), ``A`` (channels, states), ``D`` and ``bias`` (channels,). From Gu and Dao, "Mamba",
    2023, https://arxiv.org/abs/2312.00752, algorithm 2.
    """
    step = torch.nn.functional.softplus(given["step"] + given["bias"][:, None])
    state = torch.zeros_like(given["x"][:, :, 0, None] * given["A"])
    outputs = []
    for token in range(given["x"].shape[2]):
        by = step[:, :, token, None]
        kept = torch.exp(by * given["A"]) * state
        state = kept + by * given["B"][:, None, :, token] * given["x"][:, :, token, None]
        outputs.append((state * given["C"][:, None, :, token]).sum(-1))
    output = torch.stack(outputs, dim=2) + given["D"][:, None] * given["x"]
    return output * torch.nn.functional.silu(given["gate"])


def causal_convolution(given: dict[str, torch.Tensor]) -> torch.Tensor:
    """Each channel's filter over the tokens before, then SiLU: (batch, channels, length).

    ``x`` is (batch, channels, length), ``weight`` (channels, width), ``bias`` (channels,).
    """
    x, weight = given["x"], given["weight"]
    width = weight.shape[1]
    padded = torch.nn.functional.pad(x, (width - 1, 0))
    parts = [weight[:, at, None] * padded[..., at : at + x.shape[2]] for at in range(width)]
    return torch.nn.functional.silu(sum(parts[1:], parts[0]) + given["bias"][:, None])
