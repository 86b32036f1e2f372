"""The kernels that are called directly: no ``attn_implementation`` of transformers names them.

One entry each, as in ``backends.py``. The module that ``proof`` names has a function for each mode.
"""

from __future__ import annotations

from .backends import Backend
from .needs import Package

# Without bf16, which Triton's interpreter multiplies wrongly: relRMS 1e9 (3.5.1 and 3.9.0).
INTERPRETABLE = ("fp32", "fp16")
HALVES = ("fp32", "fp16", "bf16")

DIRECT = (
    Backend(
        "triton",
        "attention",
        {
            "cpu": {"infer": INTERPRETABLE, "train": INTERPRETABLE},
            "cuda": {"infer": HALVES, "train": HALVES},
        },
        frozenset({"compiled", "interpreter"}),
        package=Package("triton", "triton"),
        proof="triton_rows",
        packages=("torch",),
    ),
)
