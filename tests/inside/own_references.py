"""Our recurrences against those that mamba-ssm and causal-conv1d compare their kernels with.

A program for the interpreter under test: `python own_references.py SMOKE-DIRECTORY`. Prints a line
for each: row, dtype, the largest part of a gate that was used, over five seeds.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def main(smoke: Path) -> None:
    for extension in ("selective_scan_cuda", "causal_conv1d_cuda"):
        sys.modules[extension] = ModuleType(extension)
    import causal_conv1d
    from causal_conv1d.causal_conv1d_interface import causal_conv1d_ref
    from mamba_ssm.ops import selective_scan_interface

    spec = importlib.util.spec_from_file_location("smoke_main", smoke / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    lab, calls, right = program.load("lab"), program.load("calls"), program.load("recurrences")
    scan, convolution = program.load("scan_rows"), program.load("conv_rows")
    selective_scan_interface.selective_scan_fn = selective_scan_interface.selective_scan_ref
    causal_conv1d.causal_conv1d_fn = causal_conv1d_ref
    for name, module, call, ours in (
        ("scan", scan, scan.scan, right.selective_scan),
        ("convolution", convolution, convolution.convolution, right.causal_convolution),
    ):
        for dtype in ("fp32", "fp16", "bf16"):
            worst = 0.0
            for seed in range(5):
                tensors = module.drawn(lab.Lab(seed, "cpu"), dtype)
                for judge in (calls.output_measures, calls.gradient_measures):
                    for measure in judge(tensors, call, ours, dtype):
                        worst = max(worst, measure.strain)
            print(name, dtype, f"{worst:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
