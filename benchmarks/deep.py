"""What `check --deep` costs over the imports that it makes.

    python benchmarks/deep.py PYTHON [RUNS]

PYTHON is an interpreter with torch. Runs in turn `PYTHON -c "import torch"` and the program of
`check --deep` over torch and its CUDA, then the same with every module of the stack that it has;
prints the CPU seconds (user and system, all threads) of each pair, and the ratio of the least and
of the middle of RUNS (default 7). Budget: 1.10. Both leave by `os._exit`, since what libraries do
at Python's end costs more than the look. On a machine with a GPU the start of CUDA and the kernels
are part of it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from llmdoctor.deep import MODULES
from llmdoctor.probe.deep import PROGRAM


def seconds(argv: list[str]) -> float:
    """CPU seconds of one run to its end. POSIX only."""
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    child = os.posix_spawn(argv[0], argv, os.environ, file_actions=nowhere)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{argv[:4]} ended with status {status}")
    return usage.ru_utime + usage.ru_stime


def main(python: str, runs: int) -> None:
    """Measure in turn and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "deep.jsonl"
        deep = [python, "-I", "-B", str(PROGRAM), "--out", str(out)]
        seconds([*deep, *(module.name for module in MODULES)])
        records = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
        there = [item["module"] for item in records if item.get("outcome") == "ok"]
        for modules in (["torch"], there):
            plain = f"import os, {', '.join(modules)}; os._exit(0)"
            compare([python, "-I", "-B", "-c", plain], [*deep, *modules, "cuda"], modules, runs)


def compare(plain: list[str], deep: list[str], modules: list[str], runs: int) -> None:
    """Run both in turn and print what each took."""
    print(f"modules: {', '.join(modules)}")
    print(f"{'imports':>8} {'deep':>8} {'ratio':>6}")
    pairs = []
    for _ in range(runs):
        pairs.append((seconds(plain), seconds(deep)))
        print(f"{pairs[-1][0]:8.2f} {pairs[-1][1]:8.2f} {pairs[-1][1] / pairs[-1][0]:6.3f}")
    for name, of in (("least", min), ("middle", statistics.median)):
        imports, whole = of(pair[0] for pair in pairs), of(pair[1] for pair in pairs)
        print(f"{name:>8} {whole / imports:15.3f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7)
