"""What only loading shows: the words of `check --deep`, a part of `Machine`.

One run of the environment's own Python imports the packages of an LLM stack, starts CUDA and runs a
kernel on every GPU. `None` and an empty tuple mean that there was nothing, as in `machine`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from llmdoctor.hardware import private

Ending = Literal["ok", "broken", "crash", "timeout"]


@dataclass(frozen=True)
class Import:
    """How the import of one module went.

    missing: Python finds no such module, although its package is installed (torch is always
    asked for). broken: it raised `error`. crash, timeout: the process died or hung in it.
    """

    module: str
    outcome: Literal["ok", "missing", "broken", "crash", "timeout"]
    version: str | None = None  # as the module itself says
    path: str | None = field(default=None, metadata=private("path"))
    # What put it on the path: environment, PYTHONPATH, user site, elsewhere (an editable install).
    origin: str | None = None
    error: str | None = field(
        default=None, metadata=private("text")
    )  # "ImportError: …", or how it died
    frames: tuple[str, ...] = ()  # the last files of the traceback, "__init__.py:416"
    warnings: tuple[str, ...] = field(default=(), metadata=private("text"))
    said: str | None = field(default=None, metadata=private("text"))  # the end of what it printed
    seconds: float | None = None


@dataclass(frozen=True)
class Device:
    """A GPU as torch sees it, and what became of one small kernel on it."""

    index: int
    outcome: Ending
    name: str | None = None
    compute_capability: str | None = None
    bf16: bool | None = None  # in hardware
    error: str | None = field(default=None, metadata=private("text"))
    said: str | None = field(default=None, metadata=private("text"))


@dataclass(frozen=True)
class CudaStart:
    """torch's CUDA (or HIP) once it was started; `architectures` are those compiled into torch."""

    outcome: Ending
    cuda: str | None = None
    hip: str | None = None
    cudnn: int | None = None
    available: bool | None = None
    count: int | None = None
    architectures: tuple[str, ...] = ()
    error: str | None = field(default=None, metadata=private("text"))
    warnings: tuple[str, ...] = field(default=(), metadata=private("text"))
    said: str | None = field(default=None, metadata=private("text"))


@dataclass(frozen=True)
class Loaded:
    """A shared library that was really loaded; `own` is the environment's copy of it.

    `name` goes to the first number, as programs ask for it: libcudart.so.12. `inside`: it lies in
    the environment.
    """

    name: str
    path: str = field(metadata=private("path"))
    inside: bool
    own: str | None = field(default=None, metadata=private("path"))


@dataclass(frozen=True)
class Deep:
    """A look from inside; `problem` says why there was none, or why it ended early.

    `beside` are files of the project that a Python started there imports instead of a package.
    """

    imports: tuple[Import, ...] = ()
    cuda: CudaStart | None = None
    devices: tuple[Device, ...] = ()
    libraries: tuple[Loaded, ...] = ()
    beside: tuple[str, ...] = field(default=(), metadata=private("path"))
    problem: str | None = field(default=None, metadata=private("text"))

    def imported(self, module: str) -> Import | None:
        """How that import went; None where it was not tried."""
        return next((item for item in self.imports if item.module == module), None)


@dataclass(frozen=True)
class Module:
    """A module of the stack and the distribution that brings it.

    `torch`: it is of no use without torch, so that it is not tried where torch fails.
    """

    name: str
    distribution: str
    torch: bool = True


# In the order in which they are imported: what others build on comes first.
MODULES = (
    Module("torch", "torch"),
    Module("numpy", "numpy", torch=False),
    Module("torchvision", "torchvision"),
    Module("torchaudio", "torchaudio"),
    Module("triton", "triton", torch=False),
    Module("safetensors", "safetensors", torch=False),
    Module("tokenizers", "tokenizers", torch=False),
    Module("huggingface_hub", "huggingface-hub", torch=False),
    Module("transformers", "transformers", torch=False),
    Module("accelerate", "accelerate"),
    Module("peft", "peft"),
    Module("bitsandbytes", "bitsandbytes"),
    Module("torchao", "torchao"),
    Module("hqq", "hqq"),
    Module("flash_attn_2_cuda", "flash-attn"),  # before the package that wraps it: its bare error
    Module("flash_attn", "flash-attn"),
    Module("xformers.ops", "xformers"),  # the package alone loads nothing
    Module("causal_conv1d", "causal-conv1d"),
    Module("mamba_ssm", "mamba-ssm"),
    Module("retention", "retention"),
    Module("mistral_common", "mistral-common", torch=False),
    Module("deepspeed", "deepspeed"),
    Module("vllm", "vllm"),
)
