"""Runs the rows of directly called kernels that need a GPU on a processor, with packages of stubs.

A program for the interpreter under test: `python direct_on_cpu.py SMOKE-DIRECTORY ARGUMENT...`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path


def main(smoke: Path, arguments: list[str]) -> int:
    spec = importlib.util.spec_from_file_location("smoke_main", smoke / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    table = [dataclasses.replace(one, gpu=None) for one in program.load("direct").DIRECT]
    status: int = program.load("run").main(arguments, table)
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
