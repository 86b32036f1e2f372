"""What a row proves of mamba-ssm: the scan of Mamba-2, which is written in Triton."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack

import mamba_ssm
import torch
from mamba_ssm.ops.triton import ssd_chunk_scan, ssd_chunk_state, ssd_combined

from . import calls
from .backends import Backend
from .lab import Lab
from .rows import Trial

BATCH, LENGTH, HEADS, DIM, STATES = 2, 40, 2, 16, 16
CHUNK = 16
KERNELS = (
    (ssd_chunk_state, "_chunk_cumsum_fwd_kernel"),
    (ssd_chunk_state, "_chunk_state_fwd_kernel"),
    (ssd_chunk_scan, "_chunk_scan_fwd_kernel"),
)


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The output."""
    calls.require_triton(ssd_chunk_scan._chunk_scan_fwd_kernel, lab.device)  # noqa: SLF001
    kernels: Counter[str] = Counter()
    with ExitStack() as counting:
        for module, name in KERNELS:
            counting.enter_context(calls.counted(kernels, module, name))
        measures = calls.output_measures(drawn(lab, dtype), scan, expected, dtype)
    return Trial(tuple(measures), kernels, (f"mamba-ssm {mamba_ssm.__version__}",))


def drawn(lab: Lab, dtype: str) -> calls.Tensors:
    """``A``, ``D`` and ``bias`` are float32 whatever the rest is, as Mamba-2 has them."""
    group = (BATCH, LENGTH, 1, STATES)
    tensors = calls.drawn(
        lab.seed,
        lab.device,
        dtype,
        x=(BATCH, LENGTH, HEADS, DIM),
        step=(BATCH, LENGTH, HEADS),
        B=group,
        C=group,
    )
    kept = calls.drawn(lab.seed + 1, lab.device, "fp32", A=(HEADS,), D=(HEADS,), bias=(HEADS,))
    kept["A"] = -torch.exp(kept["A"])  # negative: states fade
    return {**tensors, **kept}


def scan(given: calls.Tensors) -> torch.Tensor:
    """(batch, length, heads, dim) by mamba-ssm."""
    output: torch.Tensor = ssd_combined.mamba_chunk_scan_combined(
        given["x"], given["step"], given["A"], given["B"], given["C"], CHUNK,
        D=given["D"], dt_bias=given["bias"], dt_softplus=True,
    )  # fmt: skip
    return output


def expected(given: calls.Tensors) -> torch.Tensor:
    """The same, token by token (Dao and Gu, "Transformers are SSMs", 2024, arXiv:2405.21060)."""
    step = torch.nn.functional.softplus(given["step"] + given["bias"])
    x, into, out = given["x"], given["B"], given["C"]
    state = torch.zeros(BATCH, HEADS, DIM, STATES, dtype=x.dtype, device=x.device)
    outputs = []
    for token in range(LENGTH):
        by = step[:, token, :, None, None]
        kept = torch.exp(by * given["A"][:, None, None]) * state
        state = kept + by * x[:, token, :, :, None] * into[:, token, :, None]
        outputs.append((state * out[:, token, :, None]).sum(-1))
    return torch.stack(outputs, dim=1) + given["D"][:, None] * x
