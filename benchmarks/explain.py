"""How fast `explain` reads, and how often its first cause is right.

    python benchmarks/explain.py [CASES.json ...]

Without files: the cases of the tests. Prints the accuracy of each file by half, and the time and
peak memory for a log of 100 MB.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from llmdoctor.explain import explain

CASES = Path(__file__).parents[1] / "tests" / "cases" / "logs"
NOISE = (
    "  [{}/90] /usr/local/cuda/bin/nvcc --generate-dependencies-with-compile -I/usr/include "
    "-gencode arch=compute_90,code=sm_90 -c kernels/flash_fwd_hdim{}_bf16_sm80.cu -o build/{}.o\n"
)


def accuracy(path: Path) -> None:
    """Print how many cases of a file are named right, by half, and those that are not."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    wrong = []
    for case in json.loads(path.read_text("utf-8")):
        causes = [named.cause for named in explain([case["input"].encode()]).causes]
        wanted = None if case["cause"] == "none" else case["cause"]
        half = case.get("half", "all")
        total[half] += 1
        if (causes[0] if causes else None) == wanted:
            right[half] += 1
        elif half != "held":  # of these only the number is looked at: see docs/explanation
            wrong.append(f"  {case['id']}: {wanted}, said {causes[:3]}")
    for half, count in sorted(total.items()):
        print(f"{path.name:24} {half:5} {right[half]:4}/{count:<4} {right[half] / count:.1%}")
    print("\n".join(wrong))


def noise(size: int) -> Iterator[bytes]:
    """A build log of about `size` bytes, with one failure at its end."""
    block = "".join(NOISE.format(n, n, n) for n in range(5000)).encode()
    for _ in range(size // len(block)):
        yield block
    yield b"nvcc fatal   : Unsupported gpu architecture 'compute_120'\n"


def main() -> None:
    """Print both tables."""
    for path in map(Path, sys.argv[1:] or sorted(map(str, CASES.glob("*.json")))):
        accuracy(path)
    explain([b"warm\n"])
    begin = time.process_time()
    found = explain(noise(100_000_000))
    seconds = time.process_time() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"100 MB, {found.lines} lines: {seconds:.1f} s CPU, peak {peak:.0f} MB")
    assert found.causes[0].cause == "nvcc-too-old-for-gpu"


if __name__ == "__main__":
    main()
