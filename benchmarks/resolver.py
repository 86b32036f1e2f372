"""CPU seconds that it takes to resolve every profile on many random machines.

    python benchmarks/resolver.py [MACHINES] [SEED]

Draws MACHINES (default 10,000) targets of every kind from the tables and resolves on each of them
every profile alone and a few combinations. Prints the resolves, the CPU seconds of resolving them
(the first, cold ones included; drawing the machines not), the time of one, and how many had a
feasible answer and how many were refused. The counts follow from SEED (default 3) alone.
Budget: 10,000 machines x every profile alone in 15 s.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence

from llmdoctor import profiles, tables
from llmdoctor.machine import Gpu
from llmdoctor.plan import Target
from llmdoctor.profile import Profile
from llmdoctor.resolve import resolve

COMBINATIONS = (
    "mainline flashattn",
    "legacy flashattn xformers",
    "edge bitsandbytes triton",
    "flashattn mamba mistral3",
    "gb10 triton",
)
SYSTEMS = (
    ("linux", "x86_64"),
    ("linux", "x86_64"),
    ("linux", "x86_64"),
    ("linux", "aarch64"),
    ("windows", "x86_64"),
    ("macos", "arm64"),
    ("macos", "x86_64"),
)
GLIBC = ("2.12", "2.17", "2.28", "2.31", "2.35", "2.39", "2.42")
PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.13t", "3.14", "3.15")
DRIVERS = ("390.157", "470.256.02", "525.60.13", "535.183.01", "550", "570.86.15", "580.95.05")


def machine(draw: random.Random) -> Target:
    """One machine: mostly one GPU of the table, sometimes none, several, or an unknown one."""
    os, arch = draw.choice(SYSTEMS)
    names = draw.sample(tables.gpu_names(), draw.choice((0, 1, 1, 1, 1, 2, 4)))
    gpus = [Gpu(index, name, capability) for index, (name, capability) in enumerate(names)]
    if draw.random() < 0.03:
        gpus.append(Gpu(len(gpus), "a GPU that no table has"))
    linux = os == "linux"
    musl = linux and draw.random() < 0.05
    return Target(
        os=os,
        arch=arch,
        glibc=draw.choice(GLIBC) if linux and not musl else None,
        musl=musl,
        python=draw.choice(PYTHONS),
        driver=draw.choice((None, *DRIVERS)),
        driver_missing=draw.random() < 0.05,
        gpus=() if os == "macos" else tuple(gpus),
        wsl=draw.choice((None, None, None, 1, 2)) if linux else None,
        ram=draw.choice((None, 2 * 10**9, 64 * 10**9)),
    )


def measure(
    wishes: Sequence[Sequence[Profile]], known: Sequence[Profile], machines: Sequence[Target]
) -> str:
    """Resolve every wish on every machine; one line of the table."""
    feasible = 0
    start = time.process_time()
    for target in machines:
        for wanted in wishes:
            feasible += resolve(wanted, known, target).feasible
    seconds = time.process_time() - start
    count = len(wishes) * len(machines)
    each = seconds / count * 1e6
    return f"{count:9} {seconds:7.1f} {each:8.0f} {feasible:9} {count - feasible:8}"


def main(count: int, seed: int) -> None:
    """Draw the machines, measure, and print a table."""
    draw = random.Random(seed)
    machines = [machine(draw) for _ in range(count)]
    known = tuple(profiles.builtin().values())
    alone = [(profile,) for profile in known]
    combined = [tuple(map(profiles.find, names.split())) for names in COMBINATIONS]
    print(f"{count} machines, {len(known)} profiles, {len(combined)} combinations, seed {seed}")
    print(f"{'':16} {'resolves':>9} {'CPU s':>7} {'µs each':>8} {'feasible':>9} {'refused':>8}")
    print(f"{'profiles alone':16} {measure(alone, known, machines)}")
    print(f"{'combinations':16} {measure(combined, known, machines)}")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    main(*numbers, *(10_000, 3)[len(numbers) :])
