"""What torch itself said: its warnings and errors about CUDA, quoted in or around a report.

They are kept as evidence, under the source "torch": checks judge them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmdoctor.ingest.facts import Facts, merge
from llmdoctor.ingest.fields import boolean
from llmdoctor.ingest.transformers_env import is_gpu
from llmdoctor.ingest.versions import torch_facts
from llmdoctor.machine import Gpu, Reading

_MOST = 5  # different sentences; a training log repeats them for each process
_WORDS = (
    "CUDA initialization:", "Found no NVIDIA driver", "NVIDIA driver on your system is too old",
    "CUDA driver initialization failed", "No CUDA GPUs are available", "CUDA unknown error",
    "Can't initialize NVML", "cudaGetDeviceCount", "no kernel image is available",
    "forward compatibility was attempted", "system not yet initialized",
    "unsupported display driver", "operation not supported on this OS",
)  # fmt: skip
_BEGIN = re.compile(r"(?:\w{0,20}Warning|\w{0,20}Error): ")
_TRIGGERED = " (Triggered internally"
_FOUND = re.compile(r"found version (\d{1,2})(\d{2})0\)")
_CAPABILITY = re.compile(
    r"((?:NVIDIA|Tesla|GeForce|Quadro|TITAN)[\w ()./+-]{1,60})"
    r" with CUDA capability sm_(\d{1,2})(\d)"
)
_NOT_COMPILED = "Torch not compiled with CUDA enabled"
# What people ask an interpreter, and its answer in the next line or behind a colon.
_ASKED = re.compile(
    r"(?:print\()?(torch\.__version__|torch\.version\.cuda|torch\.cuda\.is_available\(\)"
    r"|torch\.cuda\.get_device_name\([\d\"'cuda:]{0,8}\))\)?(?: ?[:=] ?(\S.{0,80}))?"
)


def read(lines: Sequence[str]) -> Facts:
    """Torch's sentences, the CUDA that it says the driver speaks, and GPUs that it names."""
    said: dict[str, None] = {}
    cuda, build = None, None
    gpus: dict[str, str] = {}
    for line in lines:
        if _NOT_COMPILED in line:
            build = "cpu"
        if "with CUDA capability sm_" in line and (match := _CAPABILITY.search(line)):
            gpus.setdefault(match[1].strip(), f"{match[2]}.{match[3]}")
        if len(said) < _MOST and any(word in line for word in _WORDS):
            said[_sentence(line)] = None
            if found := _FOUND.search(line):
                cuda = f"{found[1]}.{int(found[2])}"
    own = Facts(
        hints=len(said) > 0,
        errors=tuple(Reading("torch", text) for text in said),
        cuda=(Reading("torch", cuda),) if cuda else (),
        gpus=tuple(
            Gpu(number, name, capability, source="torch")
            for number, (name, capability) in enumerate(gpus.items())
        ),
        build=build,
    )
    return merge([own, *_answers(lines)])


def _answers(lines: Sequence[str]) -> Iterator[Facts]:
    """Torch's version, build and GPU as an interactive Python gave them."""
    for line, after in zip(lines, (*lines[1:], ""), strict=True):
        match = _ASKED.fullmatch(line) if "torch." in line[:12] else None
        if match is None:
            continue
        question, answer = match[1], (match[2] or after).strip("'\" ")
        if question == "torch.__version__":
            yield merge([Facts(hints=1), torch_facts(answer)])
        elif question == "torch.version.cuda":
            version = re.fullmatch(r"\d{1,2}\.\d{1,2}", answer)
            yield Facts(hints=1, build=answer if version else "cpu" if answer == "None" else None)
        elif question == "torch.cuda.is_available()":
            yield Facts(hints=1, available=boolean(answer))
        elif is_gpu(answer):
            yield Facts(hints=1, gpus=(Gpu(0, answer, source="torch"),))


def _sentence(line: str) -> str:
    """Without the place in torch's files, which names a person's folders."""
    begin = _BEGIN.search(line)
    text = line[begin.end() :] if begin else line
    return text.partition(_TRIGGERED)[0].strip()[:500]
