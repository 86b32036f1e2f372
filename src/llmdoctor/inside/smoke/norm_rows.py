"""What a row proves of mamba-ssm: its RMSNorm, a kernel in Triton."""

from __future__ import annotations

from collections import Counter

import mamba_ssm
import torch
from mamba_ssm.ops.triton import layer_norm

from . import calls
from .backends import Backend
from .lab import Lab
from .rows import Trial

ROWS, WIDTH = 48, 64
EPSILON = 1e-5
KERNEL = "_layer_norm_fwd_1pass_kernel"


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The output."""
    calls.require_triton(getattr(layer_norm, KERNEL), lab.device)
    tensors = calls.drawn(lab.seed, lab.device, dtype, x=(ROWS, WIDTH), weight=(WIDTH,))
    kernels: Counter[str] = Counter()
    with calls.counted(kernels, layer_norm, KERNEL):
        measures = calls.output_measures(tensors, norm, expected, dtype)
    return Trial(tuple(measures), kernels, (f"mamba-ssm {mamba_ssm.__version__}",))


def norm(given: calls.Tensors) -> torch.Tensor:
    """(rows, width) by mamba-ssm."""
    output: torch.Tensor = layer_norm.rms_norm_fn(given["x"], given["weight"], None, eps=EPSILON)
    return output


def expected(given: calls.Tensors) -> torch.Tensor:
    """The same, by the definition (Zhang and Sennrich, 2019, https://arxiv.org/abs/1910.07467)."""
    x = given["x"]
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * given["weight"]
