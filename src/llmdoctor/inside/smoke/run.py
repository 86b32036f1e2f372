"""Runs the rows one after the other and judges them."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import math
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from . import device, imports
from .backends import BACKENDS, Backend
from .direct import DIRECT
from .lab import Lab
from .rows import Result, Row, Trial, Unsupported
from .stream import Stream

ALL = (*BACKENDS, *DIRECT)
# Characters of an exception in the report; torch.compile has the whole source of a kernel in it.
LONGEST = 1000


def main(arguments: list[str], backends: Sequence[Backend] = ALL) -> int:
    """The program that ``__main__`` describes; returns the exit status."""
    began = time.perf_counter()
    parser = argparse.ArgumentParser(
        prog="smoke", description="Prove this interpreter's LLM stack."
    )
    parser.add_argument("--out", metavar="FILE", help="write the JSON lines here, not to stdout")
    parser.add_argument("--device", type=_device, default="cpu", help="cpu or cuda:N")
    parser.add_argument("--full", action="store_true", help="the rows that take minutes as well")
    parser.add_argument("--bytecode", action="store_true", help="keep what the imports compile")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", action="append", metavar="GLOB", help="backend/kernel/mode/dtype; repeatable"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    options = parser.parse_args(arguments)
    chosen = [
        (backend, row)
        for backend in backends
        for row in backend.rows(options.device, full=options.full)
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
        needed = {name for backend, row in chosen for name in backend.imports(row.mode)}
        with imports.bytecode(kept=options.bytecode):
            imported = imports.import_all(stream, needed)
        imports.one_thread(imported)
        found = imports.environment(imported, options.device)
        stream.write("environment", **found, seed=options.seed)
        if "absent" in found["device"]:
            chosen = []
        lab = Lab(options.seed, options.device)
        for backend, row in chosen:
            stream.write("start", row=row.identity())
            lacking = imports.obstacle(imported, backend.imports(row.mode))
            if lacking is None or lacking[0] == "skip":  # what no package would mend goes first
                lacking = backend.lacks(row) or lacking
            result = Result(lacking[0], 0.0, lacking[1]) if lacking else run(lab, backend, row)
            name = backend.attention
            stream.write("row", **row.identity(), attention=name, **asdict(result))
        stream.write(
            "done",
            rows=len(chosen),
            seconds=time.perf_counter() - began,
            cpu_seconds=time.process_time(),
        )
    return 0


def _device(word: str) -> str:
    if word == "cpu" or re.fullmatch(r"cuda:\d+", word):
        return word
    raise argparse.ArgumentTypeError(f"{word!r} is neither cpu nor cuda:N")


def run(lab: Lab, backend: Backend, row: Row) -> Result:
    """Never raises: an exception is the result of this row and of no other."""
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            device.begin(row.device)
            trial = backend.prove(lab, row)
            peak = device.end(row.device)
        except Unsupported as reason:
            return Result("skip", time.perf_counter() - began, str(reason))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this row's result
            outcome = "skip" if backend.refuses(error) else "fail"
            detail = "; ".join([_words(error), *_reasons(warned)])
            return Result(outcome, time.perf_counter() - began, detail)
    return judge(backend, trial, time.perf_counter() - began, peak)


def _words(error: Exception) -> str:
    """What an exception says; of a compiler's pages, the lines that say what is wrong."""
    text = f"{type(error).__name__}: {error}"
    if len(text) <= LONGEST:
        return text
    first, *lines = text.splitlines()
    wrong = [line.strip() for line in lines if "error:" in line.lower()]
    return "; ".join([first, *wrong])[:LONGEST]


def _reasons(warned: Sequence[warnings.WarningMessage]) -> list[str]:
    """Why torch did not take a kernel, which it says in warnings: each once, without its place."""
    texts = [str(one.message).partition(" (Triggered internally")[0] for one in warned]
    return [
        text for text in dict.fromkeys(texts) if "not used because" in text or "requires" in text
    ]


def judge(backend: Backend, trial: Trial, seconds: float, peak_bytes: int | None = None) -> Result:
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
        peak_bytes,
    )
