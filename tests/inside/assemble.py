"""Compiles our Triton kernels for GPUs that need not be there, through ptxas to machine code.

A program for the interpreter under test: `python assemble.py SMOKE-DIRECTORY`. Prints a line for
each: compute capability, dtype, kernel, bytes of machine code.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

CAPABILITIES = (75, 80, 86, 89, 90, 100, 120)
LANES = 32
NUMBERS = {"scale": "fp32", "length": "i32", "heads": "i32", "groups": "i32"}


def main(smoke: Path) -> None:
    path = smoke / "triton_attention.py"
    spec = importlib.util.spec_from_file_location("triton_attention", path)
    assert spec is not None
    assert spec.loader is not None
    kernels = importlib.util.module_from_spec(spec)
    sys.modules["triton_attention"] = kernels
    spec.loader.exec_module(kernels)
    constants = {"BLOCK": kernels.BLOCK, "DIM": 32}
    for dtype in ("fp32", "fp16", "bf16"):
        here, wide = f"*{dtype}", "*fp32"
        read = {"query": here, "key": here, "value": here, "first": "*i32"}
        signatures = {
            kernels.forward_kernel: {**read, "output": here, "log_sum": wide},
            kernels.backward_kernel: {
                **read,
                "grad": here,
                "log_sum": wide,
                "product": wide,
                "grad_query": wide,
                "grad_key": here,
                "grad_value": here,
            },
        }
        for kernel, tensors in signatures.items():
            signature = {**tensors, **NUMBERS, **dict.fromkeys(constants, "constexpr")}
            for capability in CAPABILITIES:
                source = ASTSource(kernel, signature, constexprs=constants)
                made = triton.compile(source, target=GPUTarget("cuda", capability, LANES))
                print(capability, dtype, made.metadata.name, len(made.asm["cubin"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
