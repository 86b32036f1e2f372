"""What a row needs beyond torch and transformers, and the exact reason where it is not there."""

from __future__ import annotations

import importlib
import platform
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A distribution (``name``) and the module of it that has the kernels."""

    name: str
    module: str

    def lacking(self) -> tuple[str, str] | None:
        """(outcome, detail) where it is absent (skip) or there and does not import (fail)."""
        try:
            importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            if error.name and f"{self.module}.".startswith(f"{error.name}."):
                return "skip", f"{self.name} is not installed"
            return "fail", f"{self.name} does not import: {type(error).__name__}: {error}"
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken package raises anything
            return "fail", f"{self.name} does not import: {type(error).__name__}: {error}"
        return None


@dataclass(frozen=True)
class HubKernel:
    """Attention from a ``repository`` of the Hugging Face Hub, as transformers loads it by name."""

    repository: str

    def lacking(self) -> tuple[str, str] | None:
        """(outcome, detail) where it is not at hand (skip) or there and does not load (fail)."""
        package = Package("kernels", "kernels").lacking()
        if package is not None:
            return package
        hub = importlib.import_module("transformers.integrations.hub_kernels")
        try:
            # not by making a model: some versions remember a failed attempt as done
            hub.load_and_register_attn_kernel(self.repository)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a kernel raises
            words = f"{self.repository} does not load: {type(error).__name__}: {error}"
            return ("fail" if _raised_within(error) else "skip"), words
        return None


def _raised_within(error: BaseException) -> bool:
    """Whether a kernel's own code raised it, or what that called.

    The package kernels says in other words in each version that the user's cache has no such
    kernel, or none for this torch and GPU; then no code of a kernel has run. That lies in
    ``build/VARIANT`` of its repository, or in a package there.
    """
    seen: BaseException | None = error
    while seen is not None:
        for frame, _ in traceback.walk_tb(seen.__traceback__):
            if "build" in Path(frame.f_code.co_filename).parts[-4:-2]:
                return True
        seen = seen.__cause__ or seen.__context__
    return False


def unknown_to_transformers(attention: str) -> str | None:
    """Why the installed transformers cannot run this ``attn_implementation`` for us.

    A name with a slash is a repository of the Hugging Face Hub with a kernel of FlashAttention.
    """
    import transformers

    release = f"transformers {transformers.__version__}"
    try:
        importlib.import_module("transformers.masking_utils")
    except ModuleNotFoundError:
        return f"{release} takes no attention function of others, as 4.53 and newer do"
    if "/" in attention:
        hub = importlib.import_module("transformers.integrations.hub_kernels")
        takes = hasattr(hub, "load_and_register_attn_kernel")
        return None if takes else f"{release} takes no attention of the Hub, as 5.0 and newer do"
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    names = ("eager", *ALL_ATTENTION_FUNCTIONS.valid_keys())
    return None if attention in names else f"{release} knows no {attention}"


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU of compute capability ``least`` or newer, up to ``most`` where one is named."""

    least: tuple[int, int]
    most: tuple[int, int] | None = None

    def lacking(self, device: str) -> str | None:
        """Why this device ("cpu", "cuda:0") is not such a GPU."""
        wanted = f"needs an NVIDIA GPU of compute capability {_dotted(self.least)}"
        if self.most is None:
            wanted += " or newer"
        elif self.most != self.least:
            wanted += f" to {_dotted(self.most)}"
        if not device.startswith("cuda"):
            return f"{wanted}; this is the processor"
        import torch

        capability = torch.cuda.get_device_capability(device)
        if capability < self.least or (self.most is not None and capability > self.most):
            name = torch.cuda.get_device_name(device)
            return f"{wanted}; {name} has {_dotted(capability)}"
        return None


class Compiler:
    """What torch.compile needs beyond torch: for a GPU Triton, for the processor C++."""

    def lacking(self, device: str) -> str | None:
        """Why nothing can be compiled for this device ("cpu", "cuda:0")."""
        if device != "cpu":
            triton = Package("triton", "triton").lacking()
            return triton[1] if triton else None
        from torch._inductor.cpp_builder import get_cpp_compiler

        try:
            get_cpp_compiler()
        except RuntimeError as error:
            return f"torch.compile needs a C++ compiler: {error}"
        header = Path(sysconfig.get_paths()["include"], "Python.h")
        if not header.is_file():
            version = ".".join(platform.python_version_tuple()[:2])
            return f"torch.compile needs the headers of Python {version}: there is no {header}"
        return None


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"
