"""Which attention kernels really ran, as torch's profiler saw it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.profiler import ProfilerActivity, profile

# Beginnings of operator names, longest match first. The backward operators begin like the forward
# ones, except that of MATH, which is made of ordinary operators.
OPERATORS = (
    ("aten::_scaled_dot_product_flash_attention", "FLASH_ATTENTION"),
    ("aten::_scaled_dot_product_efficient_attention", "EFFICIENT_ATTENTION"),
    ("aten::_scaled_dot_product_cudnn_attention", "CUDNN_ATTENTION"),
    ("aten::_scaled_dot_product_fused_attention_overrideable", "OVERRIDEABLE"),
    ("aten::_scaled_dot_product_attention_math", "MATH"),
    # what the packages of FlashAttention register
    ("flash_attn::", "flash_attention_2"),
    ("flash_attn_3::", "flash_attention_3"),
    ("flash_attn_4::", "flash_attention_4"),
    # transformers' own Mamba, in Python: the kernels have their softplus within
    ("aten::softplus", "slow path"),
)
SOFTMAX = "aten::_softmax"
# FlashAttention 4 is written in Python and registers no operator: its autograd functions, which
# the versions before it have as well.
FLASH_FUNCTIONS = ("FlashAttnFunc", "FlashAttnVarlenFunc")


@contextmanager
def _flex_calls(kernels: Counter[str]) -> Iterator[None]:
    """Count the calls of what flex_attention runs where it is not compiled."""
    # torch has a function of the same name in its place, so the module is found here alone
    module: Any = sys.modules.get("torch._higher_order_ops.flex_attention")
    original = getattr(module, "math_attention", None)
    if original is None:
        yield
        return

    def counted(*arguments: object, **named: object) -> object:
        kernels["flex"] += 1
        return original(*arguments, **named)

    module.math_attention = counted
    try:
        yield
    finally:
        module.math_attention = original


@contextmanager
def operators(calls: Counter[str]) -> Iterator[None]:
    """Count the operators of torch called in this block into ``calls``, by their names."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        yield
    # The raw events, since building profiler.events() takes forty times as long and costs more
    # than all the models together.
    calls.update(event.name() for event in profiler.profiler.kineto_results.events())


@contextmanager
def observed(kernels: Counter[str]) -> Iterator[None]:
    """Count the attention kernels called in this block into ``kernels``, forward and backward."""
    seen: Counter[str] = Counter()
    flex: Counter[str] = Counter()
    with operators(seen), _flex_calls(flex):
        yield
    kernels.update(attention_kernels(seen, flex["flex"]) + flex)


def attention_kernels(seen: Counter[str], flex: int = 0) -> Counter[str]:
    """The kernels of attention among the operators seen; ``flex`` calls were flex_attention's."""
    kernels: Counter[str] = Counter()
    for operator, calls in seen.items():
        for beginning, kernel in OPERATORS:
            if operator.startswith(beginning):
                kernels[kernel] += calls
    if not any(kernels[f"flash_attention_{version}"] for version in (2, 3)):
        kernels["flash_attention_4"] += sum(seen[name] for name in FLASH_FUNCTIONS)
    # MATH and flex take exactly one softmax and the fused kernels none: whatever is left is
    # attention written in Python. (The loss uses log_softmax, greedy decoding none.)
    eager = seen[SOFTMAX] - kernels["MATH"] - flex
    return +kernels + Counter(eager=max(eager, 0))
