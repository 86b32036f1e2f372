"""Looks from inside at environments with tiny packages, as `check --deep` takes them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from llmdoctor.deep import Deep
from llmdoctor.probe import look_at_environment
from llmdoctor.probe.deep import look_inside
from llmdoctor.system.local import Local
from llmdoctor.system.readonly import ReadOnly
from support.environment import hermetic_env
from support.venvs import install_fake_dist

# A torch that has CUDA: `GPUS` are (name, capability), and `BROKEN` what adding does on one of them.
TORCH = """
    import os, sys, time, types, warnings
    __version__ = "2.9.1+cu126"
    version = types.SimpleNamespace(cuda="12.6", hip=None)
    backends = types.SimpleNamespace(cudnn=types.SimpleNamespace(version=lambda: 91002))
    GPUS = [("GPU A", (8, 9)), ("GPU B", (12, 0)), ("GPU C", (9, 0))]
    def broken(index):
        pass
    class _Numbers:
        def __init__(self, size, device):
            self.size, self.index = size, int(device.partition(":")[2])
        def __add__(self, other):
            broken(self.index)
            return self
        def sum(self):
            return self
        def item(self):
            return 2.0 * self.size
    def ones(size, device):
        return _Numbers(size, device)
    class _Device:
        def __init__(self, index):
            self.index = index
        def __enter__(self):
            cuda.current = self.index
        def __exit__(self, *_):
            pass
    cuda = types.SimpleNamespace(
        is_available=lambda: True, init=lambda: None, device_count=lambda: len(GPUS),
        get_arch_list=lambda: ["sm_80", "sm_90", "compute_90"], device=_Device,
        get_device_name=lambda i: GPUS[i][0], get_device_capability=lambda i: GPUS[i][1],
        synchronize=lambda i: None,
        is_bf16_supported=lambda including_emulation=True: cuda.current != 2,
    )
"""


def install(env: Path, name: str, source: str, version: str = "1.0") -> Path:
    """A distribution with one module of that name; gives the module's file."""
    module = name.replace("-", "_")
    head = "" if "__version__" in source else f"__version__ = {version!r}\n"
    files: dict[str, str | bytes] = {f"{module}/__init__.py": head + textwrap.dedent(source)}
    info = install_fake_dist(env, name, version, files=files)
    return info.parent / module / "__init__.py"


def look(
    env: Path,
    *,
    project: Path | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
    limit: float = 60.0,
    told: list[str] | None = None,
) -> Deep:
    """What `check --deep` sees of that environment."""
    local = Local({**hermetic_env(env.parent / "outside"), **variables})
    with local.scratch() as folder:
        return look_inside(
            ReadOnly(local),
            look_at_environment(local, str(env)),
            str(project or env.parent),
            folder,
            (told if told is not None else []).append,
            limit=limit,
        )


def outcomes(deep: Deep) -> dict[str, str]:
    """How each import went."""
    return {item.module: item.outcome for item in deep.imports}
