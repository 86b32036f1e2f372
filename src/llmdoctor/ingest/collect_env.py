"""`python -m torch.utils.collect_env` of torch 1.0 to 2.13, and vLLM's, which has more of it.

Both print `KEY: VALUE`; vLLM pads the key. "No CUDA" is what they write where torch has no CUDA and
neither nvcc nor nvidia-smi answers; "Could not collect" is one program that does not answer. Where
torch cannot be imported, its lines say N/A.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from llmdoctor.ingest.facts import Facts, merge
from llmdoctor.ingest.fields import Fields, boolean, first, said
from llmdoctor.ingest.versions import libc_facts, platform_facts, python_facts, torch_facts
from llmdoctor.machine import Reading, Tool
from llmdoctor.probe.compilers import parse_version
from llmdoctor.probe.variables import read_variables
from llmdoctor.system.transcript import Replayed

# Keys that no other tool prints: one of them is enough to know the report.
_OWN = (
    "is debug build", "cuda used to build pytorch", "rocm used to build pytorch",
    "is cuda available", "cuda runtime version", "gpu models and configuration",
    "nvidia driver version", "is xnnpack available", "python platform", "libc version",
    "cuda_module_loading set to", "hip runtime version", "miopen runtime version",
    "xpu used to build pytorch", "vllm build flags", "caching allocator config",
)  # fmt: skip
_VERSION = re.compile(r"\d{1,4}(?:\.\d{1,6}){1,3}")
_BEHIND_BRACKETS = re.compile(r"(?:\([^()]{0,200}\) ?)+(\d+(?:\.\d+)+)")
_VARIABLE = re.compile(r"([A-Z][A-Z0-9_]{2,60})=(?!=)(\S*)$")


def read(lines: Sequence[str], fields: Fields) -> Facts:
    """What collect_env says, whichever of its lines are there and in whatever order."""
    own = tuple(key for key in _OWN if key in fields)
    parts = [
        Facts(("collect_env",) if own else ()),
        python_facts(first(fields, "python version") or ""),
        platform_facts(first(fields, "python platform") or ""),
        libc_facts(first(fields, "libc version") or ""),
        _variables(lines, fields),
    ]
    if own:
        parts += [_torch(fields), _gpu(fields), *_programs(fields)]
    return merge(parts)


def _torch(fields: Fields) -> Facts:
    version = first(fields, "pytorch version")
    cuda, hip = _number(fields, "cuda used to build pytorch"), None
    if match := _VERSION.match(first(fields, "rocm used to build pytorch") or ""):
        hip = f"rocm{match[0]}"
    available = boolean(first(fields, "is cuda available"))
    if version is None:
        said_nothing = fields.get("pytorch version", ("",))[0].lower() == "n/a"
        return Facts(torch="" if said_nothing else None, build=hip or cuda, available=available)
    built = "cpu" if said(fields, "cuda used to build pytorch") else None
    return merge([Facts(build=hip or cuda), torch_facts(version),
                  Facts(build=built, available=available)])  # fmt: skip


def _gpu(fields: Fields) -> Facts:
    driver = _number(fields, "nvidia driver version")
    words = {
        value.lower()
        for key in ("gpu models and configuration", "nvidia driver version")
        for value in fields.get(key, ())
    }
    none: Literal["no CUDA", "no answer"] | None = None
    if words & {"no cuda", "could not collect"}:
        none = "no CUDA" if "no cuda" in words else "no answer"
    return Facts(
        driver=(Reading("report", driver),) if driver else (),
        no_gpu=none,
    )


def _programs(fields: Fields) -> Iterator[Facts]:
    """What PATH found: nvcc and compilers."""
    if said(fields, "cuda runtime version"):
        yield Facts(nvcc=_number(fields, "cuda runtime version") or "")
    for name in ("gcc", "clang", "cmake"):
        value = first(fields, f"{name} version")
        if value is not None:
            match = _BEHIND_BRACKETS.match(value)
            version = match[1] if match else parse_version(value)
            yield Facts(compilers=(Tool(name, name, version),))
        elif said(fields, "gcc version"):
            yield Facts(no_compiler=True)


def _variables(lines: Sequence[str], fields: Fields) -> Facts:
    """The variables that vLLM lists; those of the live look's allow-list are kept."""
    environ = {match[1]: match[2] for line in lines if (match := _VARIABLE.match(line))}
    seen = Replayed(json.dumps({"flavour": "posix", "environ": environ, "calls": []}))
    listed = said(fields, "vllm build flags") and "CUDA_MODULE_LOADING" in environ
    headed = "Environment Variables" in lines
    return Facts(
        variables=read_variables(seen) if environ else {},
        all_variables=True if listed or headed else None,
    )


def _number(fields: Fields, key: str) -> str | None:
    match = _VERSION.match(first(fields, key) or "")
    return match[0] if match else None
