"""Which attention kernels really ran, as torch's profiler saw it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from torch.profiler import ProfilerActivity, profile

# Beginnings of operator names, longest match first. The backward operators begin like the forward
# ones, except that of MATH, which is made of ordinary operators.
OPERATORS = (
    ("aten::_scaled_dot_product_flash_attention", "FLASH_ATTENTION"),
    ("aten::_scaled_dot_product_efficient_attention", "EFFICIENT_ATTENTION"),
    ("aten::_scaled_dot_product_cudnn_attention", "CUDNN_ATTENTION"),
    ("aten::_scaled_dot_product_fused_attention_overrideable", "OVERRIDEABLE"),
    ("aten::_scaled_dot_product_attention_math", "MATH"),
)
SOFTMAX = "aten::_softmax"


@contextmanager
def observed(kernels: Counter[str]) -> Iterator[None]:
    """Count the attention kernels called in this block into ``kernels``, forward and backward."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        yield
    # The raw events, since building profiler.events() takes forty times as long and costs more
    # than all the models together.
    operators = Counter(event.name() for event in profiler.profiler.kineto_results.events())
    for operator, calls in operators.items():
        for beginning, kernel in OPERATORS:
            if operator.startswith(beginning):
                kernels[kernel] += calls
    # MATH takes exactly one softmax and the fused kernels none: whatever is left is attention
    # written in Python. (The loss uses log_softmax, greedy decoding none.)
    eager = operators[SOFTMAX] - kernels["MATH"]
    if eager > 0:
        kernels["eager"] += eager
    for kernel in [kernel for kernel, calls in kernels.items() if not calls]:
        del kernels[kernel]
