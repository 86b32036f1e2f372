# ruff: noqa: INP001 - a program, not a package
"""What sound backends measure and which rows see a planted defect, as Markdown tables.

    python tools/smoke_evidence.py PYTHON [--seeds 20]

PYTHON has torch, transformers and peft. Runs the smoke test's rows of the processor, with `--full`,
once for each seed, then each defect of tests/inside/broken_backends.py on each backend.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
SMOKE = ROOT / "src" / "llmdoctor" / "inside" / "smoke"
BROKEN = ROOT / "tests" / "inside" / "broken_backends.py"
SOUND = ("eager/*", "sdpa/*", "flex_attention/uncompiled/*")
MODES = ("infer", "generate", "train", "lora")

MEASURE = re.compile(r"(?P<name>[^;]+?) (?P<value>[-\d.e]+|nan|inf) \(gate (?P<gate>[-\d.e]+)\)")
# What is measured under several names, by the part that the names have in common.
KINDS = (
    ("worst token", "logits, worst token"),
    ("first gradient", "first gradient of lora_B, worst tensor"),
    ("gradients", "gradients of all parameters, worst one"),
    ("merged", "logits after merge_and_unload"),
    ("relRMS", "logits, all tokens of a batch"),
    ("tokens that differ", "tokens that differ"),
)


def run(python: str, *arguments: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The environment and the rows of a run that has ended well."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.jsonl"
        command = [python, "-I", "-B", *arguments, "--out", str(out)]
        subprocess.run(command, check=True, capture_output=True)
        records = [json.loads(line) for line in out.read_text().splitlines()]
    environment = next(one for one in records if one["type"] == "environment")
    return environment, [one for one in records if one["type"] == "row"]


def measured(python: str, seeds: int) -> Iterator[str]:
    """A line for each kind of measure and dtype: median, worst, gate."""
    only = [word for glob in SOUND for word in ("--only", glob)]
    found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    bad = 0
    for seed in range(seeds):
        _, rows = run(python, str(SMOKE), "--full", "--seed", str(seed), *only)
        for row in rows:
            bad += row["outcome"] not in ("pass", "skip")
            for match in MEASURE.finditer(row["detail"]):
                kind = next((text for part, text in KINDS if part in match["name"]), None)
                if kind:
                    key = (kind, row["dtype"], match["gate"])
                    found[key].append(float(match["value"]))
    yield f"{seeds} seeds; rows that did not pass: {bad}"
    yield ""
    yield "| what | dtype | median | worst | gate | numbers |"
    yield "|---|---|---|---|---|---|"
    for (kind, dtype, gate), values in sorted(found.items()):
        numbers = f"{median(values):.2g} | {max(values):.2g}"
        yield f"| {kind} | {dtype} | {numbers} | {gate} | {len(values)} |"


def defects(python: str) -> Iterator[str]:
    """A line for each defect: the modes whose rows fail, by backend."""
    _, rows = run(python, str(BROKEN), str(SMOKE))
    backends = list(dict.fromkeys(row["kernel"] for row in rows))
    yield f"| defect | {' | '.join(backends)} |"
    yield f"|---|{'---|' * len(backends)}"
    for defect in dict.fromkeys(row["backend"] for row in rows):
        cells = []
        for backend in backends:
            own = [row for row in rows if (row["backend"], row["kernel"]) == (defect, backend)]
            ran = {row["mode"] for row in own if row["outcome"] != "skip"}
            seen = {row["mode"] for row in own if row["outcome"] == "fail"}
            names = "all" if seen == ran else ", ".join(mode for mode in MODES if mode in seen)
            cells.append((names or "none") + (f" of {len(ran)}" if len(ran) < len(MODES) else ""))
        yield f"| {defect.replace('_', ' ')} | {' | '.join(cells)} |"


def main(words: Sequence[str]) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Measure the smoke test's gates and defects.")
    parser.add_argument("python")
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args(words)
    environment, _ = run(options.python, str(SMOKE), "--only", "eager/*/lora/fp32")
    packages = {name: version for name, version in environment["packages"].items() if version}
    words = [f"{name} {version}" for name, version in packages.items()]
    print(f"{', '.join(words)}; {environment['device']['name']}\n")
    for line in measured(options.python, options.seeds):
        print(line, flush=True)
    print()
    for line in defects(options.python):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
