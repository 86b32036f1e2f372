"""Kernels that are called directly and are no attention: their judgement, and what really ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import torch

from . import gates
from .numerics import DTYPES, not_finite, rel_rms
from .rows import Measure, Unsupported

Tensors = dict[str, torch.Tensor]
Function = Callable[[Tensors], torch.Tensor]

COMPILED = "compiled"
INTERPRETED = "interpreter"


def drawn(seed: int, device: str, dtype: str, **shapes: tuple[int, ...]) -> Tensors:
    """Random tensors by name, drawn on the CPU, so that every device gets the same."""
    draw = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=draw).to(DTYPES[dtype]).to(device)
        for name, shape in shapes.items()
    }


def output_measures(tensors: Tensors, call: Function, right: Function, dtype: str) -> list[Measure]:
    """The output of ``call`` against that of ``right``, which gets the same tensors in float64."""
    with torch.no_grad():
        got = call(tensors)
        wanted = right({name: tensor.double() for name, tensor in tensors.items()})
    finite = not_finite("output", got)
    if not finite.ok:
        return [finite]
    return [finite, Measure("output: relRMS", rel_rms(got, wanted), gates.CALL[dtype])]


def gradient_measures(
    tensors: Tensors, call: Function, right: Function, dtype: str
) -> list[Measure]:
    """The gradient of each tensor, for a random gradient of the output."""
    leaves = {name: one.detach().requires_grad_() for name, one in tensors.items()}
    exact = {name: one.detach().double().requires_grad_() for name, one in tensors.items()}
    got, wanted = call(leaves), right(exact)
    upstream = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1))
    upstream = upstream.to(got.dtype).to(got.device)
    got.backward(upstream)
    wanted.backward(upstream.double())
    measures = []
    for name, leaf in leaves.items():
        if leaf.grad is None:
            measures.append(Measure(f"gradient of {name}: none", 1.0, gates.EXACT))
            continue
        finite = not_finite(f"gradient of {name}", leaf.grad)
        error = rel_rms(leaf.grad, exact[name].grad)
        gate = gates.CALL_GRADIENT[dtype]
        judged = Measure(f"gradient of {name}: relRMS", error, gate)
        measures.append(judged if finite.ok else finite)
    return measures


@contextmanager
def counted(kernels: Counter[str], module: ModuleType, *names: str) -> Iterator[None]:
    """Count the calls of these functions or Triton kernels of a module while the block runs.

    A Triton kernel is counted as how it ran, a function of an extension as the module it is in.
    """
    with ExitStack() as back:
        for name in names:
            found = getattr(module, name)
            setattr(module, name, _Counted(found, kernels))
            back.callback(setattr, module, name, found)
        yield


class _Counted:
    """Stands in for a function or a Triton kernel, and does all that it does."""

    def __init__(self, original: Any, kernels: Counter[str]) -> None:  # noqa: ANN401
        self._original = original
        self._kernels = kernels

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._original, name)

    def __getitem__(self, grid: object) -> Callable[..., object]:
        self._kernels[how(self._original)] += 1
        launch: Callable[..., object] = self._original[grid]
        return launch

    def __call__(self, *arguments: object, **named: object) -> object:
        self._kernels[self._original.__module__.rpartition(".")[2]] += 1
        return self._original(*arguments, **named)


def how(kernel: Any) -> str:  # noqa: ANN401
    """Whether a Triton kernel is compiled or interpreted, beneath its autotuner."""
    from triton.runtime import JITFunction

    while not isinstance(kernel, JITFunction) and hasattr(kernel, "fn"):
        if type(kernel).__name__ == "InterpretedFunction":
            break
        kernel = kernel.fn
    return COMPILED if isinstance(kernel, JITFunction) else INTERPRETED


def require_triton(kernel: Any, device: str) -> None:  # noqa: ANN401
    """Whether this Triton kernel can run on this device.

    Raises:
        Unsupported: it cannot, and why.
    """
    if how(kernel) == INTERPRETED and device != "cpu":
        raise Unsupported(f"TRITON_INTERPRET is set, so nothing would be compiled for {device}")
    if how(kernel) == COMPILED and device == "cpu":
        raise Unsupported(f"Triton compiles for a GPU; {_no_driver()}")


def _no_driver() -> str:
    """What Triton itself says where it finds no GPU."""
    import triton

    try:
        target = triton.runtime.driver.active.get_current_target()
    except RuntimeError as error:
        return f"here it finds none: {error}"
    return f"it would for {target.backend}:{target.arch}, see the rows of that device"
