"""The kernels that are called directly: no ``attn_implementation`` of transformers names them.

One entry each, as in ``backends.py``. The module that ``proof`` names has a function for each mode.
"""

from __future__ import annotations

from typing import Any

from .backends import Backend
from .needs import Gpu, Package

# Without bf16, which Triton's interpreter multiplies wrongly: relRMS 1e9 (3.5.1 and 3.9.0).
INTERPRETABLE = ("fp32", "fp16")
ALL = ("fp32", "fp16", "bf16")
# What mamba-ssm and causal-conv1d compile for (profiles/tables/gpu.toml).
MAMBA = Gpu((7, 5))


def _runs(*modes: str, cpu: tuple[str, ...] = ("fp32",)) -> dict[str, dict[str, tuple[str, ...]]]:
    return {"cpu": dict.fromkeys(modes, cpu), "cuda": dict.fromkeys(modes, ALL)}


MODES = ("infer", "generate", "lora")
# Whole sequences: what transformers makes of padding differs between its two paths.
MODEL: dict[str, Any] = {
    "proof": "mamba_rows",
    "families": ("mamba",),
    "batches": {"cpu": ("causal",), "cuda": ("causal",)},
}

DIRECT = (
    Backend(
        "triton",
        "attention",
        _runs("infer", "train", cpu=INTERPRETABLE),
        frozenset({"compiled", "interpreter"}),
        package=Package("triton", "triton"),
        proof="triton_rows",
        packages=("torch",),
    ),
    Backend(
        "xformers",
        "memory_efficient",
        _runs("infer", "train"),
        frozenset({"flash", "flash3", "cutlass"}),
        package=Package("xformers", "xformers"),
        proof="xformers_rows",
        packages=("torch",),
    ),
    Backend(
        "causal-conv1d",
        "convolution",
        _runs("infer", "train"),
        frozenset({"causal_conv1d_cuda"}),
        package=Package("causal-conv1d", "causal_conv1d"),
        gpu=MAMBA,
        proof="conv_rows",
        packages=("torch",),
    ),
    Backend(
        "mamba",
        "kernels",
        {
            "cpu": dict.fromkeys(MODES, ("fp32",)),
            "cuda": {"infer": ("fp32", "bf16"), "generate": ("fp32",), "lora": ("fp32",)},
        },
        frozenset({"selective_scan_cuda", "causal_conv1d_cuda", "compiled"}),
        package=Package("mamba-ssm", "mamba_ssm"),
        gpu=MAMBA,
        **MODEL,
    ),
    Backend(
        "mamba",
        "slow_path",
        {},
        frozenset({"slow path"}),
        full={"cpu": {"infer": ("fp32", "bf16"), "generate": ("fp32",), "lora": ("fp32",)}},
        **MODEL,
    ),
    Backend(
        "mamba-ssm",
        "selective_scan",
        _runs("infer", "train"),
        frozenset({"selective_scan_cuda"}),
        package=Package("mamba-ssm", "mamba_ssm"),
        gpu=MAMBA,
        proof="scan_rows",
        packages=("torch",),
    ),
    Backend(
        "mamba-ssm",
        "triton_scan",
        _runs("infer", cpu=INTERPRETABLE),
        frozenset({"compiled", "interpreter"}),
        package=Package("mamba-ssm", "mamba_ssm"),
        proof="ssd_rows",
        packages=("torch",),
    ),
    Backend(
        "mamba-ssm",
        "triton_norm",
        _runs("infer", cpu=INTERPRETABLE),
        frozenset({"compiled", "interpreter"}),
        package=Package("mamba-ssm", "mamba_ssm"),
        proof="norm_rows",
        packages=("torch",),
    ),
    Backend(
        "retention",
        "power_retention",
        _runs("infer", cpu=INTERPRETABLE),
        frozenset({"compiled", "interpreter"}),
        package=Package("retention", "retention"),
        proof="retention_rows",
        packages=("torch",),
    ),
)
