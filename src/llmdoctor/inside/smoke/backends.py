"""The attention backends: what is asked for, how it is forced, and what may then run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from .rows import Row

# Names as in torch.nn.attention.SDPBackend, plus "eager" for transformers' own matmul + softmax.
SDPA_KERNELS = frozenset(
    {"MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "OVERRIDEABLE"}
)

# What torch says when the one kernel that is allowed cannot do the job on this device (the
# wording changed between releases).
NO_KERNEL = ("No viable backend for scaled_dot_product_attention", "No available kernel")


@dataclass(frozen=True)
class Backend:
    """One way to run attention.

    ``attention`` is the name transformers knows it by (``attn_implementation``), ``may_run`` the
    kernels that are not a fallback, ``forced`` a context manager under which it runs, and
    ``dtypes`` the dtypes of each mode.
    """

    name: str
    kernel: str
    attention: str
    may_run: frozenset[str]
    forced: Callable[[], AbstractContextManager[object]]
    dtypes: dict[str, tuple[str, ...]]
    devices: tuple[str, ...] = ("cpu",)

    def rows(self, device: str) -> list[Row]:
        """What there is to prove on a device of this type; nothing on one it is not made for."""
        if device not in self.devices:
            return []
        return [
            Row(self.name, self.kernel, mode, dtype, device)
            for mode, dtypes in self.dtypes.items()
            for dtype in dtypes
        ]

    def fallback(self, kernels: Counter[str]) -> str | None:
        """What ran instead of the kernel asked for, in words; None when all is as asked."""
        asked = f"{self.name}/{self.kernel}"
        if not kernels:
            return f"silent fallback: no attention kernel was seen, asked for {asked}"
        strangers = sorted(set(kernels) - self.may_run)
        if strangers:
            return f"silent fallback: {' and '.join(strangers)} ran, asked for {asked}"
        return None

    def refuses(self, error: Exception) -> bool:
        """Whether this says that the device does not have the kernel, rather than that it broke."""
        forced = self.kernel in SDPA_KERNELS and isinstance(error, RuntimeError)
        return forced and any(text in str(error) for text in NO_KERNEL)


def only(kernel: str) -> Callable[[], AbstractContextManager[object]]:
    """A context in which SDPA may use this kernel and no other."""

    def forced() -> AbstractContextManager[object]:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        context: AbstractContextManager[object] = sdpa_kernel(getattr(SDPBackend, kernel))
        return context

    return forced


CPU_DTYPES = {"infer": ("fp32", "bf16"), "generate": ("fp32",), "lora": ("fp32",)}

BACKENDS = (
    Backend("eager", "default", "eager", frozenset({"eager"}), nullcontext, CPU_DTYPES),
    Backend("sdpa", "default", "sdpa", SDPA_KERNELS, nullcontext, CPU_DTYPES),
    Backend("sdpa", "MATH", "sdpa", frozenset({"MATH"}), only("MATH"), CPU_DTYPES),
    Backend(
        "sdpa",
        "FLASH_ATTENTION",
        "sdpa",
        frozenset({"FLASH_ATTENTION"}),
        only("FLASH_ATTENTION"),
        CPU_DTYPES,
    ),
)
