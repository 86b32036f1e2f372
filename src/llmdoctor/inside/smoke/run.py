"""Runs the rows one after the other and judges them."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from . import imports
from .backends import BACKENDS, Backend
from .rows import Result, Row, Trial
from .stream import Stream

if TYPE_CHECKING:
    from .bench import Bench

DEVICES = ("cpu",)


def main(arguments: list[str], backends: Sequence[Backend] = BACKENDS) -> int:
    """The program that ``__main__`` describes; returns the exit status."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser(
        prog="smoke", description="Prove this interpreter's LLM stack."
    )
    parser.add_argument("--out", metavar="FILE", help="write the JSON lines here, not to stdout")
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", action="append", metavar="GLOB", help="backend/kernel/mode/dtype; repeatable"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    options = parser.parse_args(arguments)
    chosen = [
        (backend, row)
        for backend in backends
        for row in backend.rows(options.device)
        if row.matches(options.only or [])
    ]
    if not chosen:
        parser.error(f"no row matches {options.only}: see --list")
    if options.list:
        print("\n".join(row.name for _, row in chosen))
        return 0
    faulthandler.enable()
    with contextlib.ExitStack() as cleanup:
        file = sys.stdout
        if options.out:
            file = cleanup.enter_context(Path(options.out).open("w", encoding="utf-8"))
        folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="llmdoctor-smoke-"))
        imports.keep_offline(folder)
        stream = Stream(file)
        imported = imports.import_all(stream, {row.mode for _, row in chosen})
        stream.write(
            "environment", **imports.environment(imported, options.device), seed=options.seed
        )
        laboratory = Laboratory(options.seed, options.device)
        for backend, row in chosen:
            stream.write("start", row=row.identity())
            obstacle = imports.obstacle(imported, row.mode)
            if obstacle:
                result = Result(obstacle[0], 0.0, obstacle[1])
            else:
                result = laboratory.result(backend, row)
            name = backend.attention
            stream.write("row", **row.identity(), attention=name, **asdict(result))
        stream.write(
            "done",
            rows=len(chosen),
            seconds=time.perf_counter() - began,
            cpu_seconds=time.process_time(),
        )
    return 0


class Laboratory:
    """Runs single rows; the bench they share is made for the first one, once torch is there."""

    def __init__(self, seed: int, device: str) -> None:
        self._seed = seed
        self._device = device
        self._bench: Bench | None = None

    def result(self, backend: Backend, row: Row) -> Result:
        """Never raises: an exception is the result of this row and of no other."""
        began = time.perf_counter()
        try:
            trial = self._mode(row.mode)(self._shared_bench(), backend, row.dtype)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's result
            outcome = "skip" if backend.refuses(error) else "fail"
            detail = f"{type(error).__name__}: {error}"
            return Result(outcome, time.perf_counter() - began, detail)
        return judge(backend, trial, time.perf_counter() - began)

    def _shared_bench(self) -> Bench:
        if self._bench is None:
            from .bench import Bench

            self._bench = Bench(self._seed, self._device)
        return self._bench

    def _mode(self, mode: str) -> Callable[[Bench, Backend, str], Trial]:
        if mode == "lora":
            from .lora import lora  # its own module: peft may be absent

            return lora
        from . import modes

        return {"infer": modes.infer, "generate": modes.generate}[mode]


def judge(backend: Backend, trial: Trial, seconds: float) -> Result:
    """Pass when every measure is within its gate and nothing but the kernel asked for ran."""
    broken = [str(measure) for measure in trial.measures if not measure.ok]
    fallback = backend.fallback(trial.kernels)
    if fallback:
        broken.insert(0, fallback)
    rest = [str(measure) for measure in trial.measures if measure.ok]
    counts = [f"{kernel} called {calls} times" for kernel, calls in sorted(trial.kernels.items())]
    detail = "; ".join([*broken, *trial.remarks, *rest, *counts])
    worst = trial.worst
    return Result(
        "fail" if broken else "pass",
        seconds,
        detail,
        # JSON has no infinity and no NaN; detail says which it was.
        worst.value if math.isfinite(worst.value) else None,
        worst.gate,
        trial.ran_as,
    )
