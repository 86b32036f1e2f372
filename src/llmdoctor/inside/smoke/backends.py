"""The attention backends: what is asked for, how it is forced, and what may then run.

A new backend is one entry of `BACKENDS`. What proves its rows is a function for each mode,
``mode(lab, backend, dtype) -> Trial``; for a backend that transformers knows these are in
``modes.py`` and ``lora.py``, for a kernel that is called directly in the module that ``proof``
names.
"""

from __future__ import annotations

import importlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .needs import Compiler, Gpu, HubKernel, Package, unknown_to_transformers
from .rows import Row, Trial

if TYPE_CHECKING:
    from .lab import Lab

# Names as in torch.nn.attention.SDPBackend, plus "eager" for transformers' own matmul + softmax.
SDPA_KERNELS = frozenset(
    {"MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "OVERRIDEABLE"}
)

# What torch says when the one kernel that is allowed cannot do the job on this device (the
# wording changed between releases).
NO_KERNEL = ("No viable backend for scaled_dot_product_attention", "No available kernel")
NO_BACKWARD = ("FlexAttention does not support backward on",)

# The module of each mode's proof, for the backends that transformers knows.
PROOFS = {"infer": "modes", "generate": "modes", "train": "modes", "lora": "lora"}

# The batches of `bench.py`: without a mask, and with one.
BATCHES = ("causal", "left-padded", "right-padded")
FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "ministral3")


@dataclass(frozen=True)
class Backend:
    """One way to run attention.

    ``runs``: the dtypes of each mode, by type of device; ``full`` has the rows of ``--full`` in
    the same form. ``attention`` is the name transformers knows it by (``attn_implementation``),
    ``may_run`` the kernels that are not a fallback, ``forced`` a context manager under which it
    runs. ``package`` is what has to be installed beyond torch and transformers, ``gpu`` the GPU it
    needs, ``compiler`` what compiles it; ``proof`` the module of its proofs, which then needs
    ``packages`` alone. ``batches`` says where it cannot take them all, by type of device;
    ``families`` which models it is tried on; ``refusals`` the words in which it says that the
    device does not have it.
    """

    name: str
    kernel: str
    runs: dict[str, dict[str, tuple[str, ...]]]
    may_run: frozenset[str]
    attention: str | None = None
    forced: Callable[[], AbstractContextManager[object]] = nullcontext
    full: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    package: Package | HubKernel | None = None
    gpu: Gpu | None = None
    compiler: Compiler | None = None
    proof: str | None = None
    packages: tuple[str, ...] = ("torch", "transformers")
    batches: dict[str, tuple[str, ...]] = field(default_factory=dict)
    families: tuple[str, ...] = ("llama",)
    refusals: tuple[str, ...] = ()

    def rows(self, device: str, *, full: bool = False) -> list[Row]:
        """What there is to prove on a device such as "cuda:0"; nothing if it is not made for it."""
        kind = device.partition(":")[0]
        found = [*self.runs.get(kind, {}).items()]
        found += self.full.get(kind, {}).items() if full else ()
        return [
            Row(self.name, self.kernel, mode, dtype, device)
            for mode, dtypes in found
            for dtype in dtypes
        ]

    def takes(self, device: str) -> tuple[str, ...]:
        """The names of the batches that it can take on a device."""
        return self.batches.get(device.partition(":")[0], BATCHES)

    def imports(self, mode: str) -> tuple[str, ...]:
        """The names of the packages that a row of this mode begins with."""
        return (*self.packages, "peft") if mode == "lora" and not self.proof else self.packages

    def lacks(self, row: Row) -> tuple[str, str] | None:
        """(outcome, detail) where the package or the GPU is not there; fail if it is broken."""
        unknown = unknown_to_transformers(self.attention) if self.attention else None
        if unknown:
            return "skip", unknown
        package = self.package.lacking() if self.package else None
        if package is not None and package[0] == "fail":
            return package
        gpu = self.gpu.lacking(row.device) if self.gpu else None
        compiler = self.compiler.lacking(row.device) if self.compiler else None
        found = (gpu, package[1] if package else None, compiler)
        reasons = [reason for reason in found if reason]
        return ("skip", "; ".join(reasons)) if reasons else None

    def prove(self, lab: Lab, row: Row) -> Trial:
        """Run the row; raises whatever the backend raises."""
        name = self.proof or PROOFS[row.mode]
        module: Any = importlib.import_module(f".{name}", __package__)
        trial: Trial = getattr(module, row.mode)(lab, self, row.dtype)
        return trial

    def fallback(self, kernels: Counter[str]) -> str | None:
        """What ran instead of the kernel asked for, in words; None when all is as asked."""
        asked = f"{self.name}/{self.kernel}"
        if not kernels:
            return f"silent fallback: no kernel was seen, asked for {asked}"
        strangers = sorted(set(kernels) - self.may_run)
        if strangers:
            return f"silent fallback: {' and '.join(strangers)} ran, asked for {asked}"
        return None

    def refuses(self, error: Exception) -> bool:
        """Whether this says that the device does not have the kernel, rather than that it broke."""
        return isinstance(error, RuntimeError) and any(text in str(error) for text in self.refusals)


def only(kernel: str) -> Callable[[], AbstractContextManager[object]]:
    """A context in which SDPA may use this kernel and no other."""

    def forced() -> AbstractContextManager[object]:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        context: AbstractContextManager[object] = sdpa_kernel(getattr(SDPBackend, kernel))
        return context

    return forced


@contextmanager
def uncompiled() -> Iterator[None]:
    """flex_attention without torch.compile: transformers compiles it once and keeps that."""
    from transformers.integrations.flex_attention import WrappedFlexAttention as Kept

    before = os.environ.get("TORCHDYNAMO_DISABLE")
    os.environ["TORCHDYNAMO_DISABLE"] = "1"  # torch.compile reads it whenever it is called
    Kept._is_flex_compiled = False  # noqa: SLF001 - what was kept before this block, and in it
    try:
        yield
    finally:
        Kept._is_flex_compiled = False  # noqa: SLF001
        if before is None:
            del os.environ["TORCHDYNAMO_DISABLE"]
        else:
            os.environ["TORCHDYNAMO_DISABLE"] = before


@contextmanager
def compiled() -> Iterator[None]:
    """flex_attention as transformers has it, compiled anew: a row owes nothing to those before."""
    import torch
    from transformers.integrations.flex_attention import WrappedFlexAttention as Kept

    torch.compiler.reset()
    Kept._is_flex_compiled = False  # noqa: SLF001 - what was kept before this block, and in it
    try:
        yield
    finally:
        Kept._is_flex_compiled = False  # noqa: SLF001
        torch.compiler.reset()


def _modes(*dtypes: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(PROOFS, dtypes)


# What the processor proves without being asked for more, then all it can; a GPU proves all at once.
FIRST = {**_modes("fp32"), "infer": ("fp32", "bf16")}
REST = {**_modes("bf16", "fp16"), "infer": ("fp16",)}
ALL = _modes("fp32", "bf16", "fp16")
HALVES = _modes("bf16", "fp16")


def _sdpa(
    kernel: str,
    cpu: dict[str, tuple[str, ...]] = FIRST,
    cuda: dict[str, tuple[str, ...]] = ALL,
    on_cuda: tuple[str, ...] = BATCHES,
) -> Backend:
    """SDPA with one kernel; `cpu` and `cuda` are its rows, `on_cuda` the batches it takes there."""
    more = {"cpu": REST} if cpu is FIRST else {}
    return Backend(
        "sdpa",
        kernel,
        {"cpu": cpu, "cuda": cuda},
        SDPA_KERNELS if kernel == "default" else frozenset({kernel}),
        "sdpa",
        nullcontext if kernel == "default" else only(kernel),
        more,
        batches={"cuda": on_cuda},
        families=FAMILIES if kernel == "default" else ("llama",),
        refusals=() if kernel == "default" else NO_KERNEL,
    )


def _flash(version: int, name: str, module: str, gpu: Gpu) -> Backend:
    """Transformers' own path to a package of FlashAttention; it has no fp32."""
    attention = f"flash_attention_{version}"
    return Backend(
        attention,
        "default",
        {"cpu": _modes("bf16"), "cuda": HALVES},
        frozenset({attention}),
        attention,
        package=Package(name, module),
        gpu=gpu,
    )


def _hub(repository: str, name: str, gpu: Gpu) -> Backend:
    """A kernel of FlashAttention from the Hugging Face Hub, where the user's cache has it."""
    return Backend(
        "hub",
        name,
        {"cuda": HALVES},
        frozenset({"hub kernel"}),
        repository,
        package=HubKernel(repository),
        gpu=gpu,
    )


def _paged(name: str, kernels: frozenset[str]) -> Backend:
    """Continuous batching with this attention; it can but generate, and compares in fp32 alone."""
    rows: dict[str, tuple[str, ...]] = {"generate": ("fp32",)}
    return Backend(
        name,
        "paged",
        {},
        frozenset(f"paged {kernel}" for kernel in kernels),
        name,
        full={"cpu": rows, "cuda": rows},
        proof="paged_rows",
    )


BACKENDS = (
    Backend(
        "eager",
        "default",
        {"cpu": FIRST, "cuda": ALL},
        frozenset({"eager"}),
        "eager",
        full={"cpu": REST},
    ),
    _sdpa("default"),
    _sdpa("MATH"),
    # on a GPU it takes no mask but the causal one
    _sdpa("FLASH_ATTENTION", cuda=HALVES, on_cuda=BATCHES[:1]),
    # without a mask transformers leaves the grouping of heads to the kernel, which has none
    _sdpa("EFFICIENT_ATTENTION", _modes("fp32"), on_cuda=BATCHES[1:]),
    _sdpa("CUDNN_ATTENTION", _modes("bf16"), HALVES),
    Backend(
        "flex_attention",
        "uncompiled",
        {"cpu": _modes("fp32"), "cuda": ALL},
        frozenset({"flex"}),
        "flex_attention",
        uncompiled,
        {"cpu": _modes("bf16", "fp16")},
        refusals=NO_BACKWARD,
    ),
    Backend(
        "flex_attention",
        "compiled",
        {},
        frozenset({"compiled flex"}),
        "flex_attention",
        compiled,
        {"cpu": _modes("fp32"), "cuda": ALL},
        compiler=Compiler(),
        refusals=NO_BACKWARD,
    ),
    _paged("eager", frozenset({"eager"})),
    _paged("sdpa", SDPA_KERNELS),
    _flash(2, "flash-attn", "flash_attn", Gpu((8, 0))),
    _flash(3, "flash-attn-3", "flash_attn_interface", Gpu((9, 0), (9, 0))),
    _flash(4, "flash-attn-4", "flash_attn.cute", Gpu((9, 0))),
    _hub("kernels-community/flash-attn2", "flash-attn2", Gpu((8, 0))),
)
