"""Which attention kernels really ran, as torch's profiler saw it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

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
# Where transformers takes it from if not from a kernel of the Hub: the packages, its own code for
# other accelerators, and what torch's compiler puts around either.
FLASH_PACKAGES = ("flash_attn", "flash_attn_interface", "torch", "transformers")
HUB_KERNEL = "hub kernel"
# A call of flex_attention as we mark it, and the call of a graph that Inductor has compiled.
FLEX_CALL = "llmdoctor::flex_attention"
COMPILED_GRAPH = "## Call CompiledFxGraph"


@contextmanager
def _replaced(module: Any, name: str, wrap: Callable[[Any], Any]) -> Iterator[None]:  # noqa: ANN401
    """A function of a module, where both are there, in what ``wrap`` makes of it."""
    original = getattr(module, name, None)
    if original is None:
        yield
        return
    setattr(module, name, wrap(original))
    try:
        yield
    finally:
        setattr(module, name, original)


@contextmanager
def _flex_calls(kernels: Counter[str]) -> Iterator[None]:
    """Count what flex_attention runs where it is not compiled, and mark its calls as FLEX_CALL."""

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def count(*arguments: object, **named: object) -> object:
            kernels["flex"] += 1
            return original(*arguments, **named)

        return count

    def marked(original: Callable[..., object]) -> Callable[..., object]:
        def mark(*arguments: object, **named: object) -> object:
            with record_function(FLEX_CALL):
                return original(*arguments, **named)

        return mark

    # torch has a function of the same name in its place, so the module is found here alone
    torchs = sys.modules.get("torch._higher_order_ops.flex_attention")
    theirs = sys.modules.get("transformers.integrations.flex_attention")
    in_torch = _replaced(torchs, "math_attention", counted)
    with in_torch, _replaced(theirs, "compile_friendly_flex_attention", marked):
        yield


@contextmanager
def _hub_calls(kernels: Counter[str]) -> Iterator[None]:
    """Count the calls of attention that transformers makes into a kernel of the Hub.

    Its operators are named anew by each build, so what tells is the module of the function called.
    """

    def counted(original: Callable[..., object] | None) -> Callable[..., object] | None:
        package = str(getattr(original, "__module__", None)).partition(".")[0]
        if original is None or package in FLASH_PACKAGES:
            return original

        def count(*arguments: object, **named: object) -> object:
            kernels[HUB_KERNEL] += 1
            return original(*arguments, **named)

        return count

    theirs = sys.modules.get("transformers.modeling_flash_attention_utils")
    with _replaced(theirs, "_flash_fn", counted), _replaced(theirs, "_flash_varlen_fn", counted):
        yield


@contextmanager
def _profiled() -> Iterator[list[Any]]:
    """The events of the profiler, there when the block has ended."""
    events: list[Any] = []
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        yield events
    # The raw events, since building profiler.events() takes forty times as long and costs more
    # than all the models together.
    events += profiler.profiler.kineto_results.events()


@contextmanager
def operators(calls: Counter[str]) -> Iterator[None]:
    """Count the operators of torch called in this block into ``calls``, by their names."""
    with _profiled() as events:
        yield
    calls.update(event.name() for event in events)


@contextmanager
def observed(kernels: Counter[str]) -> Iterator[None]:
    """Count the attention kernels called in this block into ``kernels``, forward and backward."""
    called: Counter[str] = Counter()
    with _profiled() as events, _flex_calls(called), _hub_calls(called):
        yield
    seen = Counter(event.name() for event in events)
    compiled = _compiled_calls(events) if FLEX_CALL in seen else 0
    if called[HUB_KERNEL]:  # whose autograd functions have these names as well
        seen -= Counter({name: seen[name] for name in FLASH_FUNCTIONS})
    kernels.update(attention_kernels(seen, called["flex"]) + called)
    kernels.update(+Counter({"compiled flex": compiled}))


def _compiled_calls(events: Sequence[Any]) -> int:
    """How many calls of flex_attention ran a graph that Inductor has compiled, within the call."""
    graphs = [event.start_ns() for event in events if event.name().startswith(COMPILED_GRAPH)]
    calls = [
        (event.start_ns(), event.start_ns() + event.duration_ns())
        for event in events
        if event.name() == FLEX_CALL
    ]
    return sum(any(start <= graph <= end for graph in graphs) for start, end in calls)


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
