"""What a row proves of mamba-ssm: its selective scan, whose kernel is a CUDA extension."""

from __future__ import annotations

from collections import Counter

import torch
from mamba_ssm.ops import selective_scan_interface

from . import calls
from .backends import Backend
from .lab import Lab
from .recurrences import selective_scan
from .rows import Trial

BATCH, CHANNELS, STATES, LENGTH = 2, 16, 8, 72


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The output."""
    kernels: Counter[str] = Counter()
    with calls.counted(kernels, selective_scan_interface.selective_scan_cuda, "fwd"):
        measures = calls.output_measures(drawn(lab, dtype), scan, selective_scan, dtype)
    return Trial(tuple(measures), kernels)


def train(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The gradients of all inputs and parameters."""
    kernels: Counter[str] = Counter()
    with calls.counted(kernels, selective_scan_interface.selective_scan_cuda, "fwd", "bwd"):
        measures = calls.gradient_measures(drawn(lab, dtype), scan, selective_scan, dtype)
    return Trial(tuple(measures), kernels)


def drawn(lab: Lab, dtype: str) -> calls.Tensors:
    """``A``, ``D`` and ``bias`` are float32 whatever the rest is, as Mamba has them."""
    wide = (BATCH, CHANNELS, LENGTH)
    narrow = (BATCH, STATES, LENGTH)
    tensors = calls.drawn(
        lab.seed, lab.device, dtype, x=wide, step=wide, gate=wide, B=narrow, C=narrow
    )
    kept = calls.drawn(
        lab.seed + 1, lab.device, "fp32", A=(CHANNELS, STATES), D=(CHANNELS,), bias=(CHANNELS,)
    )
    kept["A"] = -torch.exp(kept["A"])  # negative: states fade
    return {**tensors, **kept}


def scan(given: calls.Tensors) -> torch.Tensor:
    """(batch, channels, length) by mamba-ssm."""
    output: torch.Tensor = selective_scan_interface.selective_scan_fn(
        given["x"], given["step"], given["A"], given["B"], given["C"], given["D"],
        z=given["gate"], delta_bias=given["bias"], delta_softplus=True,
    )  # fmt: skip
    return output
