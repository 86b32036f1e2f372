"""Short bulleted reports: `transformers env`, `accelerate env`, and those made after them.

diffusers, trl, huggingface_hub, lerobot, LLaMA-Factory, bitsandbytes, DeepSpeed's `ds_report`,
SGLang and xformers.info write the same `KEY: VALUE` with few keys of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmdoctor.ingest.facts import Facts, merge
from llmdoctor.ingest.fields import NOTHING, Fields, boolean, first, said
from llmdoctor.ingest.system_lines import bytes_of
from llmdoctor.ingest.versions import platform_facts, python_facts, torch_facts
from llmdoctor.machine import Gpu, Package, Reading
from llmdoctor.probe.packages import normalise

# The packages whose versions these tools print, by the name that stands before "version".
_PACKAGES = {
    name: name
    for name in (
        "accelerate", "bitsandbytes", "datasets", "deepspeed", "diffusers", "flash-attn",
        "huggingface-hub", "lerobot", "liger-kernel", "llamafactory", "numpy", "optimum", "peft",
        "safetensors", "sentence-transformers", "tokenizers", "torchaudio", "torchvision",
        "transformers", "triton", "trl", "unsloth", "vllm", "xformers", "axolotl", "torchao",
        "sglang", "flashinfer", "sgl-kernel",
    )
} | {"hf-hub": "huggingface-hub", "flash-attention": "flash-attn"}  # fmt: skip
_VERSION = re.compile(r"\d[\w.+!-]{0,60}")
_PYTORCH = ("pytorch version (gpu?)", "pytorch version (accelerator?)", "pytorch version",
            "torch version", "pytorch", "torch", "pytorch.version")  # fmt: skip
_GPU = ("gpu type", "gpu model", "cuda device", "cuda device(s)", "accelerator(s)", "accelerator",
        "gpu.name")  # fmt: skip
_GPU_BY_HAND = ("gpu", "gpu(s)", "gpus", "gpu models", "gpu name", "graphics card")
_SAYS = re.compile(r"\((true|false|gpu|cpu|cuda|na)\)", re.IGNORECASE)
_DRIVER = ("cuda driver version", "nvidia driver", "gpu driver", "driver", "nvidia-driver",
           "nvidia drivers")  # fmt: skip
_BRANDS = ("NVIDIA ", "Tesla ", "GeForce ", "Quadro ", "TITAN ", "GRID ")
_FOREIGN = ("amd", "radeon", "instinct", "intel", "apple", "gfx", "ascend", "gaudi", "metax")


def read(fields: Fields) -> Facts:
    """What such a report says. One line of it may stand in any text, three of them do not."""
    packages = tuple(_packages(fields))
    platform = platform_facts(first(fields, "platform") or "")
    version = first(fields, *_PYTORCH)
    python = python_facts(first(fields, "python version", "python") or "")
    gpus, driver = _gpus(fields), _driver(fields)
    parts = [platform, python, gpus, driver, _torch(fields, version), Facts(packages=packages)]
    told = (platform.system, python.python, gpus.gpus, driver.driver)
    hints = len(packages) + sum(map(bool, told)) + bool(version and _VERSION.match(version))
    own = ("ds_report",) if said(fields, "torch cuda version") else ()
    parts.append(Facts(own, hints))
    if libc := re.fullmatch(r"(glibc|musl)-(\d+\.\d+)", first(fields, "libc") or ""):
        parts.append(Facts(libc=f"{libc[1]} {libc[2]}"))
    if nvcc := _number(fields, "nvcc version"):
        parts.append(Facts(nvcc=nvcc))
    return merge(parts)


def is_telling(package: str) -> bool:
    """Whether a package of that normalised name tells something about an LLM stack."""
    return package in _PACKAGES or package.startswith(("torch", "pytorch", "nvidia-"))


def is_gpu(name: str) -> bool:
    """Whether these words are an NVIDIA GPU's name: people also write "A100 x 4", "yes", "none"."""
    if any(word.startswith(_FOREIGN) for word in name.lower().replace("(", " ").split()):
        return False
    if name.startswith(_BRANDS):
        return True
    from llmdoctor.tables import capability_of

    return capability_of(name) is not None


def _torch(fields: Fields, version: str | None) -> Facts:
    if version is None:
        missing = any("not installed" in value for key in _PYTORCH for value in fields.get(key, ()))
        return Facts(torch="") if missing else Facts()
    facts = torch_facts(version)
    if facts.torch is None:
        return facts
    mark = _SAYS.search(version)
    available = {"true": True, "gpu": True, "cuda": True, "false": False, "cpu": False}.get(
        mark[1].lower() if mark else ""
    )
    if said(fields, "pytorch accelerator"):  # accelerate names it: CUDA, XPU, N/A
        available = first(fields, "pytorch accelerator") == "CUDA"
    if first(fields, "pytorch.cuda") == "available":
        available = True
    available = boolean(first(fields, "cuda available")) if available is None else available
    cuda = _number(fields, "torch cuda version")
    if cuda is None and said(fields, "is pytorch built with cuda support?"):
        cuda = _number(fields, "cuda version")
        built = boolean(first(fields, "is pytorch built with cuda support?"))
        cuda = "cpu" if built is False else cuda
    if cuda is None and said(fields, "hip") and said(fields, "related packages"):
        cuda = _number(fields, "cuda")  # bitsandbytes, below its line for PyTorch
    return merge([Facts(build=cuda), facts, Facts(available=available)])


def _gpus(fields: Fields) -> Facts:
    """GPUs by the name that torch gives; some tools add how many, how large and how capable."""
    key = next((key for key in (*_GPU, *_GPU_BY_HAND) if first(fields, key)), "")
    source = "report" if key in _GPU_BY_HAND else "torch"
    names = [
        part.strip()
        for value in fields.get(key, ())
        for part in re.split(r", (?=NVIDIA|Tesla|GeForce)|;", value)
        if part.strip().lower() not in NOTHING
    ]
    size = bytes_of(first(fields, "gpu memory") or "")
    capability = _number(fields, "gpu.compute_capability")
    gpus: list[Gpu] = []
    for name in names:
        plain, comma, memory = name.removesuffix(" VRAM").partition(", ")
        if is_gpu(plain):
            found = bytes_of(memory) if comma else size
            gpus.append(Gpu(len(gpus), plain, capability, found, source=source))
    count = first(fields, "gpu number", "number of gpus", "gpu count")
    return Facts(
        gpus=tuple(gpus),
        gpu_count=int(count) if count and re.fullmatch(r"\d{1,3}", count) else None,
    )


def _driver(fields: Fields) -> Facts:
    """The driver's version, as SGLang and people write it."""
    for key in _DRIVER:
        if match := re.match(r"\d{3,4}(?:\.\d{1,4}){1,2}", first(fields, key) or ""):
            return Facts(driver=(Reading("report", match[0]),))
    return Facts()


def _packages(fields: Fields) -> Iterator[Package]:
    for key, values in fields.items():
        name = normalise(key.removesuffix(" version").replace(" ", "-"))
        if name not in _PACKAGES:
            continue
        # "flash-attn: 2.5" is a line of a list; "transformers: v4.40" one that a person wrote.
        match = _VERSION.match(values[0].removeprefix("v"))
        if match:
            yield Package(_PACKAGES[name], match[0])


def _number(fields: Fields, key: str) -> str | None:
    match = re.match(r"\d{1,4}(?:\.\d{1,4}){1,3}", first(fields, key) or "")
    return match[0] if match else None
