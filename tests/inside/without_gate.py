"""Runs the smoke test's rows of one backend as on a GPU that fits, for its package to fail.

A program for the interpreter under test: `python without_gate.py SMOKE-DIRECTORY ARGUMENT...`; the
variable LLMDOCTOR_TEST_BACKEND names the backend, or it is flash_attention_2. The package is asked on the processor; what asks for a GPU before it, ours and transformers', is
told that there is one.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
from pathlib import Path


def open_transformers() -> None:
    import transformers.modeling_flash_attention_utils as flash
    import transformers.modeling_utils as modeling

    flash.is_flash_attn_2_available = lambda: True
    for name in ("_flash_attn_can_dispatch", "_flash_attn_2_can_dispatch"):  # newest, 5.0
        setattr(modeling.PreTrainedModel, name, lambda *_, **__: True)


def main(smoke: Path, arguments: list[str]) -> int:
    spec = importlib.util.spec_from_file_location("smoke_main", smoke / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    backends = program.load("backends").BACKENDS
    name = os.environ.get("LLMDOCTOR_TEST_BACKEND", "flash_attention_2")
    (asked,) = (one for one in backends if one.name == name)
    if name != "hub":  # whose cache is to be found as it is found without this program
        open_transformers()
    rows = {"cpu": dict.fromkeys(("infer", "generate"), ("fp32",))}
    status: int = program.load("run").main(
        arguments, [dataclasses.replace(asked, gpu=None, runs=rows)]
    )
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
