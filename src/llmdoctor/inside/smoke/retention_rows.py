"""What a row proves of power retention: its Triton kernels, whole and in chunks.

Power retention is attention whose weights are an even power of the product of query and key, faded
by a gate and divided by their sum (Buckman, Gelada and Zhang, "Symmetric Power Transformers",
2024). Without a softmax long sequences can go through a state, chunk by chunk.
"""

from __future__ import annotations

import importlib
from collections import Counter
from contextlib import ExitStack
from importlib.metadata import version
from typing import Any

import retention
import torch

from . import calls
from .backends import Backend
from .lab import Lab
from .rows import Measure, Trial

POWER = 2
SHAPE = (2, 32, 2, 32)  # batch, tokens, heads, dimension
SCALE = SHAPE[3] ** -0.5
CHUNK = 16
# The kernels of the forward by the part of the package that they are in.
KERNELS = {
    "_attention": "_attn_fwd",
    "_update_state": "_update_state_fwd",
    "_discumsum": "discumsum_fwd_kernel",
    "_query_state": "_query_state_fwd",
}


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The output, of the whole sequence at once and by chunks.

    Raises:
        RuntimeError: what is installed is another package of the same name.
        Unsupported: Triton has nothing to compile for.
    """
    power_retention = _function()
    modules = {name: importlib.import_module(f"retention.{name}.triton") for name in KERNELS}
    calls.require_triton(modules["_attention"]._attn_fwd, lab.device)  # noqa: SLF001
    tensors = calls.drawn(lab.seed, lab.device, dtype, query=SHAPE, key=SHAPE, value=SHAPE)
    # In float32 whatever the rest is; near 1, as a gate that has learned to keep is.
    gate = calls.drawn(lab.seed + 1, lab.device, "fp32", gate=SHAPE[:3])["gate"]
    tensors["gate"] = torch.nn.functional.logsigmoid(gate + 3.0)
    kernels: Counter[str] = Counter()
    measures: list[Measure] = []
    with ExitStack() as counting:
        for name, module in modules.items():
            counting.enter_context(calls.counted(kernels, module, KERNELS[name]))
        for name, chunk in (("whole", None), ("chunks", CHUNK)):

            def call(given: calls.Tensors, chunk: int | None = chunk) -> torch.Tensor:
                output: torch.Tensor = power_retention(
                    given["query"], given["key"], given["value"], log_G=given["gate"],
                    deg=POWER, scale=SCALE, chunk_size=chunk,
                )  # fmt: skip
                return output

            found = calls.output_measures(tensors, call, expected, dtype)
            measures += [Measure(f"{name}: {one.name}", one.value, one.gate) for one in found]
    return Trial(tuple(measures), kernels, (f"retention {version('retention')}",))


def expected(given: calls.Tensors) -> torch.Tensor:
    """(batch, tokens, heads, dimension) in the dtype of what is given, by the definition."""
    faded = given["gate"].cumsum(1).transpose(1, 2)
    scores = torch.einsum("bqhd,bkhd->bhqk", given["query"], given["key"]) * SCALE
    # what token j left behind has gone through the gates of j + 1 to i
    weights = scores**POWER * torch.exp(faded[..., :, None] - faded[..., None, :])
    weights = weights.tril()
    weights = weights / weights.sum(-1, keepdim=True)
    return torch.einsum("bhqk,bkhd->bqhd", weights, given["value"])


def _function() -> Any:  # noqa: ANN401 - the patient's
    function = getattr(retention, "power_retention", None)
    if function is None:
        raise RuntimeError(
            f"retention {version('retention')} has no power_retention: a trading library has the"
            " same name; power retention is retention 1.0 and newer"
        )
    return function
