"""What a row proves of a Mamba model: on mamba-ssm's kernels, or on transformers' own slow path.

transformers takes its slow path, silently or with a warning, wherever mamba-ssm or causal-conv1d
does not import, for whatever reason: an undefined symbol in one of their extensions as well.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache

from . import calls, modes
from .backends import Backend
from .lab import Lab
from .mamba import MambaLab
from .rows import Trial

# Where each kernel is called from, whatever part of a model calls it.
EXTENSIONS = (
    ("selective_scan_cuda", ("fwd", "bwd")),
    ("causal_conv1d_cuda", ("causal_conv1d_fwd", "causal_conv1d_bwd", "causal_conv1d_update")),
    ("mamba_ssm.ops.triton.selective_state_update", ("_selective_scan_update_kernel",)),
)


def infer(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """Logits."""
    return _watched(modes.infer, lab, backend, dtype)


def generate(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """Greedy tokens through the states of the cache."""
    return _watched(modes.generate, lab, backend, dtype)


def lora(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """Adapters on in_proj, trained, saved, reloaded and merged."""
    from .lora import lora as trained  # its own module: peft may be absent

    return _watched(trained, lab, backend, dtype)


def _watched(
    mode: Callable[[Lab, Backend, str], Trial], lab: Lab, backend: Backend, dtype: str
) -> Trial:
    """The trial, with what ran of mamba-ssm and causal-conv1d among its kernels."""
    kernels: Counter[str] = Counter()
    with _counted(kernels):
        trial = mode(_mamba(lab.seed, lab.device), backend, dtype)
    return Trial(trial.measures, trial.kernels + kernels, trial.remarks)


@contextmanager
def _counted(kernels: Counter[str]) -> Iterator[None]:
    with ExitStack() as counting:
        for module, names in EXTENSIONS:
            try:
                found = importlib.import_module(module)
            except Exception:  # noqa: BLE001, S112 - without it the slow path runs: that is seen
                continue
            there = [name for name in names if hasattr(found, name)]
            counting.enter_context(calls.counted(kernels, found, *there))
        yield


@lru_cache(maxsize=1)
def _mamba(seed: int, device: str) -> MambaLab:
    return MambaLab(seed, device)
