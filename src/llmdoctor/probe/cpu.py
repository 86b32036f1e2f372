"""The processor: /proc/cpuinfo, else py-cpuinfo in a child: it sleeps a second on its way."""

from __future__ import annotations

import json
from pathlib import PurePath

from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Cpu
from llmdoctor.system import System

# What LLM kernels ask for, in the kernel's spelling; NEON is called asimd on 64-bit ARM.
FLAGS = (
    "avx2", "fma", "f16c", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16", "neon", "asimd", "sve",
    "bf16",
)  # fmt: skip

# ARM kernels give the number of the designer (MIDR_EL1) instead of a name.
_DESIGNERS = {
    "0x41": "ARM", "0x43": "Cavium", "0x46": "Fujitsu", "0x48": "HiSilicon", "0x4e": "NVIDIA",
    "0x51": "Qualcomm", "0x61": "Apple", "0xc0": "Ampere",
}  # fmt: skip

_FIRST_PROCESSOR = 16 * 1024  # characters; the same again follows for each thread


def read_cpu(system: System) -> Cpu:
    """Describe the processor.

    Raises:
        UnreadableError: /proc/cpuinfo is denied, or py-cpuinfo does not answer.
    """
    text = system.read_text("/proc/cpuinfo", _FIRST_PROCESSOR)
    if text is not None:
        return parse_cpuinfo(text, system.cpu_count())
    if system.uname().system == "linux":  # /proc is not mounted, and py-cpuinfo needs it too
        raise UnreadableError("/proc/cpuinfo", "is not there", status="failed")
    return _py_cpuinfo(system)


def parse_cpuinfo(text: str, threads: int | None) -> Cpu:
    """Read the first processor of /proc/cpuinfo."""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            facts.setdefault(key.strip(), value.strip())
    present = set((facts.get("flags") or facts.get("Features") or "").split())
    return Cpu(
        model=facts.get("model name") or facts.get("Model") or None,
        vendor=facts.get("vendor_id") or _DESIGNERS.get(facts.get("CPU implementer", "")),
        threads=threads,
        flags=tuple(flag for flag in FLAGS if flag in present),
    )


def parse_py_cpuinfo(text: str, threads: int | None) -> Cpu:
    """Read what `python -m cpuinfo --json` prints.

    Raises:
        ValueError: not a JSON object.
    """
    facts = json.loads(text)
    if not isinstance(facts, dict):
        raise ValueError("not a JSON object")
    listed = facts.get("flags")
    present = set(map(str, listed)) if isinstance(listed, list) else set()
    return Cpu(
        model=_text(facts.get("brand_raw")),
        vendor=_text(facts.get("vendor_id_raw")),
        threads=threads,
        flags=tuple(flag for flag in FLAGS if flag in present),
    )


def _py_cpuinfo(system: System) -> Cpu:
    # Run where nothing of the user's can be imported instead: -m puts the working folder first.
    here = str(PurePath(__file__).parent)
    done = system.run([system.interpreter(), "-m", "cpuinfo", "--json"], cwd=here, timeout=10.0)
    if not done.ok:
        reason = done.problem or (done.err.strip().splitlines() or ["no answer"])[-1]
        raise UnreadableError("py-cpuinfo", reason, status="failed")
    try:
        return parse_py_cpuinfo(done.out, system.cpu_count())
    except (ValueError, RecursionError) as error:
        raise UnreadableError("py-cpuinfo", str(error), status="failed") from None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
