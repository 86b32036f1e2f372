"""What a row proves of Triton: that it compiles a kernel, assembles it, launches it, is right.

Without a GPU there is nothing to compile for. With ``TRITON_INTERPRET=1`` in the environment
Triton runs the same kernels step by step with numpy, which proves the program and not the compiler.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
import triton

from . import heads, triton_attention
from .backends import Backend
from .calls import COMPILED, INTERPRETED, require_triton
from .lab import Lab
from .rows import Trial
from .triton_attention import Launched


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The output of our attention kernel."""
    calls = Calls(lab)
    inputs = heads.make(lab.seed, lab.device, dtype)
    measures = heads.output_measures(inputs, calls.attend, dtype)
    return Trial(tuple(measures), calls.kernels, calls.remarks)


def train(lab: Lab, backend: Backend, dtype: str) -> Trial:  # noqa: ARG001 - as every proof
    """The gradients of our attention kernel."""
    calls = Calls(lab)
    inputs = heads.make(lab.seed, lab.device, dtype)
    measures = heads.gradient_measures(inputs, calls.attend, dtype)
    return Trial(tuple(measures), calls.kernels, calls.remarks)


class Calls:
    """Calls of the kernel on one device, counted by how they ran.

    Raises:
        Unsupported: nothing could run on this device.
    """

    def __init__(self, lab: Lab) -> None:
        self.kernels: Counter[str] = Counter()
        self._sizes: dict[str, int] = {}
        require_triton(triton_attention.forward_kernel, lab.device)

    def attend(self, inputs: heads.Heads) -> torch.Tensor:
        """Our kernel, as a function that torch can differentiate."""
        output: torch.Tensor = triton_attention.Attention.apply(
            *inputs.inputs, inputs.first, inputs.scale, self._launched
        )
        return output

    def _launched(self, name: str, launched: Launched) -> None:
        """Note what Triton gave back for a launch: the compiled kernel, or None if it has none."""
        assembled: dict[str, Any] = getattr(launched, "asm", None) or {}
        binary = next((assembled[kind] for kind in ("cubin", "hsaco") if kind in assembled), None)
        self.kernels[COMPILED if binary else INTERPRETED] += 1
        if binary:
            self._sizes[name] = len(binary)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Triton's version, and what it made."""
        sizes = [f"{name} assembled to {size} bytes" for name, size in self._sizes.items()]
        return (f"triton {triton.__version__}", *sizes)
