"""Real failing logs are named right, also when they were bent on their way here.

All are from public issue threads. `first.json` holds those that the first rules were written for.
The others are in two halves: the rules were tuned on the one ("tune"); of the other ("held") only
the names of the causes that were missed were looked at, so that its accuracy is about what a new log
may expect. `fresh.json` and `later.json` were gathered afterwards, the latter in three goes, and each
was measured before any rule was changed for it; what it showed was mended then.
docs/explanation/explain.md says more.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from llmdoctor.explain import explain

CASES = Path(__file__).parents[1] / "cases" / "logs"
FAILING = ("first", "build", "runtime", "fresh", "later")
NEGATIVE = ("build-negative", "runtime-negative")


@cache
def cases(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((CASES / f"{name}.json").read_text("utf-8"))
    return found


@cache
def first_cause(log: bytes) -> str | None:
    causes = explain([log]).causes
    return causes[0].cause if causes else None


def named(case: dict[str, Any]) -> str | None:
    return _named(case["input"])


@cache
def _named(text: str) -> str | None:
    return first_cause(text.encode())


def accuracy(name: str, half: str | None) -> float:
    chosen = [case for case in cases(name) if half is None or case["half"] == half]
    right = [case for case in chosen if named(case) == case["cause"]]
    return len(right) / len(chosen)


def test_the_root_cause_comes_first_in_the_first_cases() -> None:
    assert accuracy("first", None) >= 0.95


@pytest.mark.parametrize("name", ["build", "runtime"])
def test_the_root_cause_comes_first_in_the_half_that_the_rules_were_tuned_on(name: str) -> None:
    assert accuracy(name, "tune") >= 0.95


@pytest.mark.parametrize(("name", "floor"), [("build", 0.95), ("runtime", 0.92)])
def test_the_root_cause_comes_first_in_the_half_that_no_rule_was_made_for(
    name: str, floor: float
) -> None:
    assert accuracy(name, "held") >= floor


@pytest.mark.parametrize("name", ["fresh", "later"])
def test_the_root_cause_comes_first_in_the_cases_that_were_gathered_afterwards(name: str) -> None:
    assert accuracy(name, None) >= 0.95


@pytest.mark.parametrize("name", NEGATIVE)
def test_a_log_without_a_known_cause_gives_none(name: str) -> None:
    wrong = {case["id"]: named(case) for case in cases(name) if named(case)}
    assert len(wrong) <= len(cases(name)) * 0.05, wrong


def test_halves_are_of_one_size_and_no_thread_is_in_both_files_of_a_kind() -> None:
    for name in ("build", "runtime"):
        halves = [case["half"] for case in cases(name)]
        assert abs(halves.count("tune") - halves.count("held")) <= len(halves) * 0.25
    every = [case for name in (*FAILING, *NEGATIVE) for case in cases(name)]
    assert len({case["id"] for case in every}) == len(every)
    for gathered in ("fresh", "later"):
        mine = {case["source_url"] for case in cases(gathered)}
        assert len(mine) == len(cases(gathered))
        others = (name for name in (*FAILING, *NEGATIVE) if name != gathered)
        assert not mine & {case["source_url"] for name in others for case in cases(name)}


# --- what happens to a log on its way

Bend = Callable[[str], bytes]


def lines(change: Callable[[str], str]) -> Bend:
    return lambda log: "\n".join(change(line) for line in log.split("\n")).encode()


def wrapped(width: int) -> Bend:
    def wrap(line: str) -> str:
        return "\n".join(line[at : at + width] for at in range(0, max(len(line), 1), width))

    return lines(wrap)


NOISE = "\n".join(
    f"[{n}/90] Building CXX object src/file_{n}.cc.o, all is well" for n in range(400)
)
STAMP = "2026-03-11T13:14:33.7360000Z "
MOVED = {
    "/home/user": "/data/people/someone",
    "python3.10": "python3.12",
    "/usr/local/lib": "/opt/tools/lib",
}


def moved(log: str) -> bytes:
    for old, new in MOVED.items():
        log = log.replace(old, new)
    return log.encode()


BENDS: dict[str, Bend] = {
    "windows line ends": lambda log: log.replace("\n", "\r\n").encode(),
    "utf-16 of PowerShell": lambda log: log.encode("utf-16"),
    "utf-16 without a mark": lambda log: ("log\n" + log).encode("utf-16-le"),
    "time stamps of a CI service": lines(lambda line: STAMP + line),
    "the frame of pip": lines(lambda line: "      │ " + line),
    "a quotation": lines(lambda line: "> " + line),
    "docker build": lines(lambda line: "#12 34.56 " + line),
    "docker compose": lines(lambda line: "trainer-1  | " + line),
    "colours": lines(lambda line: f"\x1b[31;1m{line}\x1b[0m" if line else line),
    "a terminal of 80 columns": wrapped(80),
    "a terminal of 61 columns": wrapped(61),
    "a progress bar before it": lambda log: ("  5%|▍ \r 95%|█████▉\r" + log).encode(),
    "noise around it": lambda log: f"{NOISE}\n{log}\n{NOISE}\n".encode(),
    "other paths": moved,
    "other output between its lines": lines(lambda line: f"{line}\n[worker 3] step 12 of 400"),
    "no line end": lambda log: log.rstrip("\n").encode(),
    "typographic quotes": lambda log: log.replace("`", "‘").replace("'", "’").encode(),  # noqa: RUF001
}


def bend_number(bend: str) -> int:
    return list(BENDS).index(bend) % 3


@pytest.mark.parametrize("bend", BENDS)
def test_a_bent_log_keeps_its_answer(bend: str) -> None:
    """A third of the logs by each bend, another third by the next; all of them where it is asked."""
    first, step = (0, 1) if os.environ.get("LLMDOCTOR_TEST_ALL_BENDS") else (bend_number(bend), 3)
    some = [case for name in FAILING for case in cases(name)][first::step]
    kept = [case for case in some if named(case) == case["cause"]]
    changed = {
        case["id"]: now
        for case in kept
        if (now := first_cause(BENDS[bend](case["input"]))) != case["cause"]
    }
    assert len(changed) <= len(kept) * 0.02, changed


def test_a_log_that_is_cut_off_after_its_evidence_keeps_its_answer() -> None:
    changed = []
    for case in cases("first"):
        causes = explain([case["input"].encode()]).causes
        last = max(item.line for item in causes[0].evidence)
        # the message may go on for some lines after the one that it begins in
        cut = "\n".join(case["input"].split("\n")[: last + 6])
        if first_cause(cut.encode()) != case["cause"]:
            changed.append(case["id"])
    assert changed == []


HARMLESS = {
    "CMake finds its compiler": (
        "-- The CUDA compiler identification is NVIDIA 12.4.131\n"
        "-- Check for working CUDA compiler: '/usr/local/cuda-12.4/bin/nvcc' - works\n"
        "-- Found CUDAToolkit: /usr/local/cuda-12.4/include\n-- Generating done\n"
    ),
    "nginx": (
        "2026/11/20 10:12:01 [error] 31#31: *7 connect() failed (111: Connection refused) while "
        'connecting to upstream, client: 10.0.0.2, upstream: "http://127.0.0.1:8000/"\n'
    ),
    "a database": (
        'psql: error: connection to server at "localhost", port 5432 failed: Connection refused\n'
    ),
    "java": "java.net.ConnectException: Connection refused (Connection refused)\n",
    "ssh": "ssh: connect to host box port 22: No route to host\n",
    "uv tries again": (
        "warning: Retrying after error sending request for url (https://files.example/a.whl)\n"
        "Resolved 12 packages in 1.2s\nInstalled 12 packages in 90ms\n + torch==2.9.1\n"
    ),
    "a ROCm build": (
        "Using hipcc\n/opt/rocm/bin/hipcc -c a.hip -o a.o\nBuilding wheel for flash-attn "
        "(setup.py): finished with status 'done'\nSuccessfully installed flash-attn-2.8.3\n"
    ),
    "a Jetson's packages": "Jetson AGX Orin\nSetting up libcudnn9-cuda-12 (9.3.0) ...\n",
    "Poetry removes a library": (
        "Package operations: 0 installs, 0 updates, 2 removals\n\n"
        "  - Removing cachecontrol (0.14)\n  - Removing msgpack (1.0)\n"
    ),
    "a stopped service": "build-agent-1 exited with code 137 (exit code: 137)\nbuild 7 done\n",
}


@pytest.mark.parametrize("name", HARMLESS)
def test_words_of_a_failure_in_a_log_without_one_are_no_cause(name: str) -> None:
    assert explain([HARMLESS[name].encode()]).causes == ()


def test_unrelated_logs_give_no_cause() -> None:
    web = "\n".join(
        f'10.0.0.{n % 250} - - [20/Nov/2026:10:{n % 60:02}:00 +0000] "GET /static/{n}.css" 200 {n}'
        for n in range(3000)
    )
    compiler = "\n".join(
        f"[{n}/300] Compiling serde_{n} v1.0.{n}\n    Finished" for n in range(300)
    )
    ours = "\n".join(
        f"tests/test_resolve.py::test_case[{n}] PASSED [ {n % 100}%]" for n in range(900)
    )
    for log in (web, compiler, ours):
        assert explain([log.encode()]).causes == ()


def test_every_line_of_evidence_is_a_line_of_the_log() -> None:
    for case in cases("first"):
        said = case["input"].split("\n")
        for cause in explain([case["input"].encode()]).causes:
            for item in cause.evidence:
                assert re.sub(r"\W", "", item.text)[:40] in re.sub(r"\W", "", said[item.line - 1])


# one message alone, and what it means; None: nothing
SENTENCES = {
    "bash: nvcc: command not found": "nvcc-missing",
    "/bin/sh: 1: nvcc: not found": "nvcc-missing",
    "zsh: command not found: nvcc": "nvcc-missing",
    "make: nvcc: No such file or directory": "nvcc-missing",
    "bash: gcc: command not found": "c-compiler-missing",
    "bash: cc: command not found": "c-compiler-missing",
    "distcc: command not found": None,
    "CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable CUDA_VISIBLE_DEVICES after program start.\nFutureWarning: `resume_download` is deprecated": "cuda-unknown-error-999",
    "AssertionError: Torch not compiled with CUDA enabled": "torch-cpu-wheel",
    "2026 nginx[1]: SSL: certificate verify failed": None,
    "inotify_add_watch: [Errno 28] inotify watch limit reached": None,
    "ImportError: Using `bitsandbytes` 8-bit quantization requires the latest version of bitsandbytes: `pip install -U bitsandbytes`": "bitsandbytes-missing",
    "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded": "torch-load-weights-only",
    "OMP: Error #15: Initializing libiomp5md.dll, but found libiomp5md.dll already initialized.": "openmp-loaded-twice",
    "CMake Error at CMakeLists.txt:1 (cmake_minimum_required):\n  Compatibility with CMake < 3.5 has been removed from CMake.": "cmake-too-new",
    "ImportError: libcusparseLt.so.0: cannot open shared object file: No such file or directory": "nvidia-library-missing",
    "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/usr/lib/python3'": "permission-denied-install",
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_alone_is_taken_for_what_it_means(sentence: str) -> None:
    assert first_cause(sentence.encode()) == SENTENCES[sentence]
