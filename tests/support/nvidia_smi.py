"""A fake `nvidia-smi` program: CSV queries, `-L`, the plain table, and its real ways to fail."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from support.nvml import Gpu

Failure = Literal["no-driver", "mismatch", "no-devices"]

FIELDS = (
    "index",
    "name",
    "driver_version",
    "memory.total",
    "compute_cap",
    "uuid",
    "pci.bus_id",
    "mig.mode.current",
)
"""The query fields it knows; a driver before R510 lacks `compute_cap`."""

_FAILURES: dict[Failure, tuple[int, str]] = {
    "no-driver": (
        9,
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
            " Make sure that the latest NVIDIA driver is installed and running.\n"
        ),
    ),
    "mismatch": (
        18,
        "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: {series}\n",
    ),
    "no-devices": (6, "No devices were found\n"),
}

_PROGRAM = """\
import sys
import time

ANSWERS = {answers}

if ANSWERS["hang"]:
    time.sleep(3600)
if ANSWERS["failure"]:
    code, text = ANSWERS["failure"]
    sys.stdout.write(text)
    sys.exit(code)
options = dict(a.partition("=")[::2] for a in sys.argv[1:])
if not options:
    sys.stdout.write(ANSWERS["table"])
elif "-L" in options or "--list-gpus" in options:
    for row in ANSWERS["rows"]:
        sys.stdout.write("GPU %(index)s: %(name)s (UUID: %(uuid)s)\\n" % row)
elif "--query-gpu" in options:
    fields = options["--query-gpu"].split(",")
    for field in fields:
        if field not in ANSWERS["fields"]:
            sys.stdout.write('Field "%s" is not a valid field to query.\\n\\n' % field)
            sys.exit(2)
    style = options.get("--format", "").split(",")
    if style[0] != "csv":
        sys.stdout.write("\\"--format=\\" switch is missing. Try --help for more information.\\n")
        sys.exit(2)
    unit = "" if "nounits" in style else " MiB"
    if "noheader" not in style:
        heads = ["memory.total [MiB]" if f == "memory.total" else f for f in fields]
        sys.stdout.write(", ".join(heads) + "\\n")
    for row in ANSWERS["rows"]:
        cells = [row[f] + unit if f == "memory.total" and row[f][0] != "[" else row[f] for f in fields]
        sys.stdout.write(", ".join(cells) + "\\n")
else:
    sys.stdout.write("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\\n\\n")
    sys.exit(1)
"""


def fake_nvidia_smi(
    folder: Path,
    *,
    driver: str,
    cuda: str,
    gpus: Sequence[Gpu],
    fail: Failure | None = None,
    hang: bool = False,
    fields: Sequence[str] = FIELDS,
) -> Path:
    """Write an executable `nvidia-smi` into *folder* (to be put on PATH) and return its path.

    *cuda* is what the head of the table ("12.2", layout of the drivers since R550) says. The program needs nothing else on PATH. POSIX only.
    """
    rows = [_row(index, gpu.numbered(index), driver) for index, gpu in enumerate(gpus)]
    failure = None
    if fail is not None:
        code, text = _FAILURES[fail]
        failure = (code, text.format(series=".".join(driver.split(".")[:2])))
    answers = {
        "hang": hang,
        "failure": failure,
        "fields": list(fields),
        "rows": rows,
        "table": _table(rows, driver, cuda),
    }
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / ".nvidia-smi.py"
    program.write_text(
        _PROGRAM.format(answers=f"__import__('json').loads({json.dumps(answers)!r})")
    )
    launcher = folder / "nvidia-smi"
    # A shell line, not `#!python`: the interpreter's path may hold spaces or be too long for that.
    command = f"exec {shlex.quote(sys.executable)} -IS {shlex.quote(str(program))}"
    launcher.write_text(f'#!/bin/sh\n{command} "$@"\n')
    launcher.chmod(0o755)
    return launcher


def _row(index: int, gpu: Gpu, driver: str) -> dict[str, str]:
    mig = "[N/A]" if gpu.mig is None else "Disabled" if gpu.mig is False else "Enabled"
    return {
        "index": str(index),
        "name": gpu.name,
        "driver_version": driver,
        "memory.total": "[N/A]" if gpu.memory_mib is None else str(gpu.memory_mib),
        "compute_cap": gpu.compute_capability,
        "uuid": str(gpu.uuid),
        "pci.bus_id": str(gpu.pci_bus_id),
        "mig.mode.current": mig,
    }


def _table(rows: Sequence[dict[str, str]], driver: str, cuda: str) -> str:
    wide = "+" + "-" * 89 + "+"
    split = "|" + "-" * 41 + "+" + "-" * 24 + "+" + "-" * 22 + "|"
    head = f" NVIDIA-SMI {driver:<22} Driver Version: {driver:<14} CUDA Version: {cuda:<8}"
    lines = [
        "Fri Nov 20 12:00:00 2026",
        wide,
        f"|{head:<89}|",
        f"{split[:-1]}+",
        "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |",
        "| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |",
        "|                                         |                        |               MIG M. |",
        split.replace("-", "="),
    ]
    for row in rows:
        total = row["memory.total"]
        memory = "Not Supported" if total == "[N/A]" else f"0MiB / {total:>5}MiB"
        mig = "N/A" if row["mig.mode.current"] == "[N/A]" else row["mig.mode.current"]
        name = row["name"] if len(row["name"]) <= 27 else row["name"][:24] + "..."
        lines += [
            f"| {row['index']:>3}  {name:<27}{'Off':>7} |   {row['pci.bus_id']:<16} Off |{'N/A':>21} |",
            f"| N/A   30C    P0{'50W / 300W':>24} | {memory:>22} |{'0%      Default':>21} |",
            f"|{'':41}|{'':24}|{mig:>21} |",
            split.replace("|", "+"),
        ]
    lines += ["", wide, f"| {'Processes:':<88}|", f"| {'  No running processes found':<88}|", wide]
    return "\n".join(lines) + "\n"
