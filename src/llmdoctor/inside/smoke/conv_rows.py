"""What a row proves of causal-conv1d: its convolution, whose kernel is a CUDA extension."""

from __future__ import annotations

from collections import Counter

import causal_conv1d
import torch
from causal_conv1d import cpp_functions

from . import calls
from .backends import Backend
from .lab import Lab
from .recurrences import causal_convolution
from .rows import Trial

BATCH, CHANNELS, LENGTH, WIDTH = 2, 32, 72, 4
FORWARD, BACKWARD = "causal_conv1d_fwd", "causal_conv1d_bwd"


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The output."""
    kernels: Counter[str] = Counter()
    with calls.counted(kernels, cpp_functions.causal_conv1d_cuda, FORWARD):
        measures = calls.output_measures(drawn(lab, dtype), convolution, causal_convolution, dtype)
    return Trial(tuple(measures), kernels, (f"causal-conv1d {causal_conv1d.__version__}",))


def train(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The gradients of the input, the weight and the bias."""
    kernels: Counter[str] = Counter()
    with calls.counted(kernels, cpp_functions.causal_conv1d_cuda, FORWARD, BACKWARD):
        measures = calls.gradient_measures(
            drawn(lab, dtype), convolution, causal_convolution, dtype
        )
    return Trial(tuple(measures), kernels, (f"causal-conv1d {causal_conv1d.__version__}",))


def drawn(lab: Lab, dtype: str) -> calls.Tensors:
    """A batch, and a filter of four tokens for each channel."""
    shapes = {"x": (BATCH, CHANNELS, LENGTH), "weight": (CHANNELS, WIDTH), "bias": (CHANNELS,)}
    return calls.drawn(lab.seed, lab.device, dtype, **shapes)


def convolution(given: calls.Tensors) -> torch.Tensor:
    """(batch, channels, length) by causal-conv1d."""
    output: torch.Tensor = causal_conv1d.causal_conv1d_fn(
        given["x"], given["weight"], given["bias"], activation="silu"
    )
    return output
