"""Runs the smoke test's own rows on attention backends that are wrong on purpose.

A program for the interpreter under test: `python broken_backends.py SMOKE-DIRECTORY ARGUMENT...`.
The defects go in where a real one would: as an attention function that transformers calls. Each
is planted on every backend that a processor has; a row's kernel names the backend.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, AttentionInterface
from transformers.models.llama import modeling_llama


@dataclass(frozen=True)
class Call:
    """A call of an attention function, its mask (batch or 1, 1, queries, keys) always spelt out."""

    module: torch.nn.Module
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor
    scaling: float
    rest: dict[str, Any]
    attention: str = "sdpa"

    @property
    def groups(self) -> int:
        return int(self.query.shape[1] // self.key.shape[1])

    def attend(self, **changes: Any) -> torch.Tensor:
        """(batch, queries, heads, head_dim), from transformers' own function of the backend."""
        call = dataclasses.replace(self, **changes)
        function = dict(ALL_ATTENTION_FUNCTIONS.items()).get(
            self.attention, modeling_llama.eager_attention_forward
        )
        mask = call.mask
        if self.attention != "sdpa":  # the others add it to the scores
            lowest = torch.finfo(call.query.dtype).min
            mask = torch.zeros_like(mask, dtype=call.query.dtype).masked_fill(~mask, lowest)
            mask = mask.expand(call.query.shape[0], -1, -1, -1)
        output: torch.Tensor = function(
            call.module, call.query, call.key, call.value, mask, scaling=call.scaling, **call.rest
        )[0]
        return output


def causal(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """The mask that `None` stands for: the last query sees every key."""
    ones = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool)
    return ones.tril(key.shape[2] - query.shape[2])[None, None]


def sound(call: Call) -> torch.Tensor:
    return call.attend()


def sees_one_ahead(call: Call) -> torch.Tensor:
    ahead = torch.roll(call.mask, -1, dims=-2)
    ahead[..., -1, :] = call.mask[..., -1, :]
    return call.attend(mask=call.mask | ahead)


def sees_not_itself(call: Call) -> torch.Tensor:
    """Off by one the other way; where that leaves no key at all (NaN: another defect), it stays."""
    if call.query.shape[2] == 1:
        return call.attend()
    behind = torch.roll(call.mask, 1, dims=-2)
    behind[..., 0, :] = call.mask[..., 0, :]
    return call.attend(mask=torch.where(behind.any(-1, keepdim=True), behind, call.mask))


def not_causal(call: Call) -> torch.Tensor:
    return call.attend(mask=torch.ones_like(call.mask))


def padding_ignored(call: Call) -> torch.Tensor:
    return call.attend(mask=causal(call.query, call.key))


def scale_missing(call: Call) -> torch.Tensor:
    return call.attend(scaling=1.0)


def last_key_dropped(call: Call) -> torch.Tensor:
    return call.attend(
        key=call.key[:, :, :-1], value=call.value[:, :, :-1], mask=call.mask[..., :-1]
    )


def groups_mixed_up(call: Call) -> torch.Tensor:
    """Query heads paired with key heads 0 1 0 1 in place of 0 0 1 1."""
    order = torch.arange(call.query.shape[1]).reshape(-1, call.groups).T.reshape(-1)
    return call.attend(query=call.query[:, order])[:, :, torch.argsort(order)]


def stale_cache(call: Call) -> torch.Tensor:
    """While decoding, the newest entry is still that of the token before."""
    if call.query.shape[2] == call.key.shape[2]:
        return call.attend()
    newest = [*range(call.key.shape[2] - 1), call.key.shape[2] - 2]
    return call.attend(key=call.key[:, :, newest], value=call.value[:, :, newest])


def not_a_number(call: Call) -> torch.Tensor:
    output = call.attend().clone()
    output[0, -1, 0, 0] = float("nan")
    return output


def gradient_zero(call: Call) -> torch.Tensor:
    return call.attend(query=call.query.detach(), key=call.key.detach(), value=call.value.detach())


def gradient_of_key_zero(call: Call) -> torch.Tensor:
    return call.attend(key=call.key.detach())


def gradient_slightly_off(call: Call) -> torch.Tensor:
    """A backward of the value that is a thousandth too large; the forward is right."""
    return call.attend(value=call.value * 1.001 - (call.value * 0.001).detach())


def as_eager(call: Call) -> torch.Tensor:
    """The right answer, by matmul and softmax, whatever kernel was asked for."""
    key, value = (tensor.repeat_interleave(call.groups, 1) for tensor in (call.key, call.value))
    scores = call.query @ key.transpose(2, 3) * call.scaling
    scores = scores.masked_fill(~call.mask, torch.finfo(scores.dtype).min)
    return (scores.softmax(-1) @ value).transpose(1, 2).contiguous()


def as_math(call: Call) -> torch.Tensor:
    """The right answer from the MATH kernel, whatever kernel was asked for."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return call.attend()


def raises(call: Call) -> torch.Tensor:
    raise RuntimeError("planted: the kernel broke")


BASES = ("eager", "sdpa", "MATH", "FLASH_ATTENTION", "uncompiled")
DEFECTS: tuple[Callable[[Call], torch.Tensor], ...] = (
    sound,
    sees_one_ahead,
    sees_not_itself,
    not_causal,
    padding_ignored,
    scale_missing,
    last_key_dropped,
    groups_mixed_up,
    stale_cache,
    not_a_number,
    gradient_zero,
    gradient_of_key_zero,
    gradient_slightly_off,
    as_eager,
    as_math,
    raises,
)


def register(name: str, defect: Callable[[Call], torch.Tensor], base: str) -> None:
    def attention(
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float,
        **rest: Any,
    ) -> tuple[torch.Tensor, None]:
        mask = causal(query, key) if attention_mask is None else attention_mask
        return defect(Call(module, query, key, value, mask, scaling, rest, base)), None

    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


def main(smoke: Path, arguments: list[str]) -> int:
    spec = importlib.util.spec_from_file_location("smoke_main", smoke / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    backends = program.load("backends")
    table = []
    for base in backends.BACKENDS:
        named = base.name if base.kernel == "default" else base.kernel
        if named not in BASES:
            continue
        for defect in DEFECTS:
            name, attention = defect.__name__, f"{defect.__name__}_{base.attention}"
            register(attention, defect, base.attention)
            planted = {"name": name, "kernel": named, "attention": attention}
            table.append(dataclasses.replace(base, families=("llama",), **planted))
    status: int = program.load("run").main(arguments, table)
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
