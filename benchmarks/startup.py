"""CPU seconds, peak memory and facts of the commands that have to be quick.

    python benchmarks/startup.py [RUNS]

Prints one line for each command: the least user+system time of RUNS runs (default 5) with that of
its children, the highest peak of resident memory, and the facts about the machine that it printed
(leaves of its JSON).
Budgets: `check --format json` 0.10 s, 30 MB, 60 facts; `--help` 0.15 s.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "llmdoctor --help": ("-m", "llmdoctor", "--help"),
    "llmdoctor check --help": ("-m", "llmdoctor", "check", "--help"),
    "llmdoctor check --format json": ("-m", "llmdoctor", "check", "--format", "json"),
    "llmdoctor check": ("-m", "llmdoctor", "check"),
    "llmdoctor check --profile flashattn": ("-m", "llmdoctor", "check", "--profile", "flashattn"),
}


def measure(arguments: tuple[str, ...], out: Path) -> tuple[float, int]:
    """Run the interpreter once; CPU seconds and peak resident bytes. POSIX only."""
    with out.open("wb") as file:
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, *arguments],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, file.fileno(), 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
        _, _, usage = os.wait4(child, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


def leaves(value: object) -> int:
    """Scalars in a JSON document, those that say nothing left out."""
    if isinstance(value, dict):
        return sum(leaves(item) for item in value.values())
    if isinstance(value, list):
        return sum(leaves(item) for item in value)
    return int(value is not None)


def facts(out: Path) -> str:
    """How many facts about the machine the output holds, where it is JSON."""
    try:
        return str(leaves(json.loads(out.read_text("utf-8"))["machine"]))
    except ValueError:
        return "-"


def main(runs: int) -> None:
    """Measure every command and print a table."""
    print(f"{'command':38} {'CPU s':>7} {'peak MB':>8} {'facts':>6}")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        out = Path(folder) / "out"
        for name, arguments in COMMANDS.items():
            seen = [measure(arguments, out) for _ in range(runs)]
            seconds, peak = min(s for s, _ in seen), max(p for _, p in seen)
            print(f"{name:38} {seconds:7.3f} {peak / 1e6:8.1f} {facts(out):>6}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
