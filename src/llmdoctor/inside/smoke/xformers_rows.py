"""What a row proves of xformers: ``memory_efficient_attention`` called directly, and which kernel.

Sequences of different lengths are packed one after the other, as xformers has it for padding
(``BlockDiagonalCausalMask``); the key heads are repeated for the queries that share them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
import xformers
import xformers.ops
from xformers.ops.fmha.attn_bias import BlockDiagonalCausalMask

from . import heads
from .backends import SDPA_KERNELS, Backend
from .lab import Lab
from .observe import attention_kernels, operators
from .rows import Measure, Trial, Unsupported

# Beginnings of the names of torch's operators that xformers' own dispatch ends in; the backward
# operators have the same. From xformers/ops/fmha, 0.0.35; "xformers::" is of older ones.
OPERATORS = (
    ("xformers_flash::", "flash"),
    ("aten::_flash_attention_", "flash"),
    ("xformers_flash3::", "flash3"),
    ("flash_attn_3::", "flash3"),
    ("xformers::efficient_attention_", "cutlass"),
    ("aten::_efficient_attention_", "cutlass"),
)

TORCHS = SDPA_KERNELS | {"eager"}


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The output."""
    inputs = heads.make(lab.seed, lab.device, dtype)
    return _tried(lambda: heads.output_measures(inputs, attend, dtype))


def train(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The gradients."""
    inputs = heads.make(lab.seed, lab.device, dtype)
    return _tried(lambda: heads.gradient_measures(inputs, attend, dtype))


def attend(inputs: heads.Heads) -> torch.Tensor:
    """(batch, heads, length, DIM) by xformers, zero at padding."""
    valid = inputs.valid
    groups = inputs.query.shape[1] // inputs.key.shape[1]
    shared = [one.repeat_interleave(groups, dim=1) for one in (inputs.key, inputs.value)]
    # (1, tokens, heads, DIM): the sequences of the batch one after the other
    packed = [one.transpose(1, 2)[valid][None].contiguous() for one in (inputs.query, *shared)]
    mask = BlockDiagonalCausalMask.from_seqlens(valid.sum(1).tolist())
    output = xformers.ops.memory_efficient_attention(*packed, attn_bias=mask, scale=inputs.scale)
    whole = torch.zeros_like(inputs.query.transpose(1, 2))
    whole[valid] = output[0]
    return whole.transpose(1, 2)


def _tried(judge: Callable[[], list[Measure]]) -> Trial:
    """The measures with the kernels that were seen.

    Raises:
        RuntimeError: xformers is there and its extension is not, in its words.
        Unsupported: it has no kernel for this device, in its words.
    """
    unloaded = getattr(xformers._cpp_lib, "_cpp_library_load_exception", None)  # noqa: SLF001
    if unloaded is not None:
        raise RuntimeError(_line(str(unloaded)))
    seen: Counter[str] = Counter()
    try:
        with operators(seen):
            measures = judge()
    except NotImplementedError as error:
        raise Unsupported(_line(str(error))) from None
    # torch's own are a fallback; operators of FlashAttention's packages are xformers' way to them
    kernels = Counter({name: n for name, n in attention_kernels(seen).items() if name in TORCHS})
    for name, calls in seen.items():
        for beginning, kernel in OPERATORS:
            if name.startswith(beginning):
                kernels[kernel] += calls
    return Trial(tuple(measures), kernels, (f"xformers {xformers.__version__}",))


def _line(text: str) -> str:
    """A paragraph of xformers in one line."""
    return " ".join(text.split())
