"""Runs the smoke test's rows of packages written in Triton under Triton's interpreter.

A program for the interpreter under test: `python interpreted.py SMOKE-DIRECTORY ARGUMENT...`, with
TRITON_INTERPRET=1. What stands between those packages and the interpreter is taken away: autotuners
that measure on a GPU take their first choice, a GPU is not selected, and the CUDA extensions that
mamba-ssm imports but does not use here are empty modules.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
from types import ModuleType
from typing import Any

import torch
from triton.runtime.autotuner import Autotuner


def first_choice(tuner: Any, *arguments: Any, **named: Any) -> Any:
    return tuner.fn.run(*arguments, **{**named, **tuner.configs[0].kwargs})


Autotuner.run = first_choice
torch.cuda.device = lambda *_: contextlib.nullcontext()
for extension in ("selective_scan_cuda", "causal_conv1d_cuda"):
    sys.modules[extension] = ModuleType(extension)
sys.argv[:] = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
