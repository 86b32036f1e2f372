"""Runs the judgement of directly called attention on kernels that are wrong on purpose.

A program for the interpreter under test: `python broken_calls.py SMOKE-DIRECTORY ARGUMENT...`.
A row is named after what does the work, "torch" (its MATH kernel) or "triton" (our kernel, where
Triton can run), and after the defect that is put around it.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

Attend = Callable[[Any], torch.Tensor]


def sound(call: Any, attend: Attend) -> torch.Tensor:
    return attend(call)


def sees_one_ahead(call: Any, attend: Attend) -> torch.Tensor:
    """Every key and value is where the one before it should be."""
    key, value = (torch.roll(tensor, -1, dims=2) for tensor in (call.key, call.value))
    return attend(dataclasses.replace(call, key=key, value=value))


def first_key_dropped(call: Any, attend: Attend) -> torch.Tensor:
    return attend(dataclasses.replace(call, first=call.first + 1))


def padding_ignored(call: Any, attend: Attend) -> torch.Tensor:
    return attend(dataclasses.replace(call, first=torch.zeros_like(call.first)))


def scale_missing(call: Any, attend: Attend) -> torch.Tensor:
    return attend(dataclasses.replace(call, query=call.query / call.scale))


def groups_mixed_up(call: Any, attend: Attend) -> torch.Tensor:
    """Query heads paired with key heads 0 1 0 1 in place of 0 0 1 1."""
    order = torch.tensor([0, 2, 1, 3])
    return attend(dataclasses.replace(call, query=call.query[:, order].contiguous()))[:, order]


def last_block_stale(call: Any, attend: Attend) -> torch.Tensor:
    """The last queries, those beyond the last whole block of 32, are left as they were: zero."""
    output = attend(call)
    return torch.cat([output[:, :, :64], torch.zeros_like(output[:, :, 64:])], dim=2)


def not_a_number(call: Any, attend: Attend) -> torch.Tensor:
    output = attend(call).clone()
    output[0, 0, -1, 0] = float("nan")
    return output


def gradient_of_key_zero(call: Any, attend: Attend) -> torch.Tensor:
    return attend(dataclasses.replace(call, key=call.key.detach()))


def gradient_slightly_off(call: Any, attend: Attend) -> torch.Tensor:
    """A backward of the value that is a thousandth too large; the forward is right."""
    value = call.value * 1.001 - (call.value * 0.001).detach()
    return attend(dataclasses.replace(call, value=value))


DEFECTS = (
    sound,
    sees_one_ahead,
    first_key_dropped,
    padding_ignored,
    scale_missing,
    groups_mixed_up,
    last_block_stale,
    not_a_number,
    gradient_of_key_zero,
    gradient_slightly_off,
)


def by_torch(call: Any) -> torch.Tensor:
    """Sound attention, to put the defects around."""
    position = torch.arange(call.query.shape[2])
    earlier = (position < position[:, None]) & (position >= call.first[:, None, None, None])
    seen = earlier | torch.eye(len(position), dtype=torch.bool)
    key, value = (tensor.repeat_interleave(2, dim=1) for tensor in (call.key, call.value))
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return torch.nn.functional.scaled_dot_product_attention(
            call.query, key, value, attn_mask=seen
        )


def planted(load: Callable[[str], ModuleType]) -> ModuleType:
    """The module of the proofs: as triton_rows, with the defect that the row is named after."""
    heads, rows = load("heads"), load("rows")

    def proof(judge: Callable[..., Any]) -> Callable[..., Any]:
        def mode(lab: Any, backend: Any, dtype: str) -> Any:
            attend = by_torch if backend.name == "torch" else load("triton_rows").Calls(lab).attend
            defect = next(one for one in DEFECTS if one.__name__ == backend.kernel)
            inputs = heads.make(lab.seed, lab.device, dtype)
            measures = judge(inputs, lambda call: defect(call, attend), dtype)
            return rows.Trial(tuple(measures), Counter({backend.name: 1}))

        return mode

    module = ModuleType("llmdoctor_smoke.planted")
    module.infer = proof(heads.output_measures)  # type: ignore[attr-defined]
    module.train = proof(heads.gradient_measures)  # type: ignore[attr-defined]
    return module


def main(smoke: Path, arguments: list[str]) -> int:
    spec = importlib.util.spec_from_file_location("smoke_main", smoke / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    backends = program.load("backends")
    sys.modules["llmdoctor_smoke.planted"] = planted(program.load)
    dtypes = {"torch": ("fp32", "fp16", "bf16"), "triton": ("fp32", "fp16")}
    table = [
        backends.Backend(
            name,
            defect.__name__,
            {"cpu": dict.fromkeys(("infer", "train"), kinds)},
            frozenset({name}),
            proof="planted",
            packages=("torch",),
        )
        for name, kinds in dtypes.items()
        for defect in DEFECTS
    ]
    status: int = program.load("run").main(arguments, table)
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
