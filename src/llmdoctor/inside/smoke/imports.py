"""Imports what the rows need, says what happened, and describes the environment."""

from __future__ import annotations

import importlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from .device import describe
from .stream import Stream

# Nothing may go to the network.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    # compiles in this process, without a pool of others that import torch as well
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
}


@dataclass(frozen=True)
class Package:
    """``module`` is what the rows use of it: ``import transformers`` alone loads almost nothing."""

    name: str
    module: str
    optional: bool = False


# In the order of import: each builds on those before it.
PACKAGES = (
    Package("torch", "torch"),
    Package("transformers", "transformers.models.llama.modeling_llama"),
    Package("peft", "peft", optional=True),
)


@dataclass(frozen=True)
class Imported:
    """How the import of a package went; the fields are those of the "import" record."""

    package: str
    outcome: str
    version: str | None
    error: str | None
    message: str | None
    seconds: float

    @property
    def reason(self) -> str:
        """What went wrong, in one sentence."""
        if self.outcome == "missing":
            return f"{self.package} is not installed"
        return f"{self.package} does not import: {self.error}: {self.message}"


def keep_offline(folder: str) -> None:
    """Set the process's environment before the first import; all files go to ``folder``.

    Kernels of the Hugging Face Hub that the user has are found where they are, and only read.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    home = os.environ.get("HF_HOME") or os.path.join(cache, "huggingface")  # noqa: PTH118
    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")  # noqa: PTH118
    os.environ.setdefault("KERNELS_CACHE", hub)
    caches = ("HF_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TMPDIR", "TEMP", "TMP")
    os.environ.update(OFFLINE, **dict.fromkeys(caches, folder))
    os.environ.pop("TORCH_INDUCTOR_INSTALL_GXX", None)  # downloads a compiler
    tempfile.tempdir = folder  # compiled headers go there, wherever the cache is


def import_package(package: Package) -> Imported:
    """Import it and say how that went; never raises."""
    began = time.perf_counter()
    error: BaseException | None = None
    version = None
    try:
        importlib.import_module(package.module)
        # A folder left behind by a half-removed package imports, but has no version.
        version = str(sys.modules[package.name].__version__)
    except (Exception, SystemExit) as caught:  # noqa: BLE001 - a broken package raises anything
        error = caught
    seconds = time.perf_counter() - began
    if error is None:
        return Imported(package.name, "ok", version, None, None, seconds)
    absent = isinstance(error, ModuleNotFoundError) and error.name == package.name
    outcome = "missing" if absent else "broken"
    return Imported(package.name, outcome, None, type(error).__name__, str(error), seconds)


@contextmanager
def bytecode(*, kept: bool) -> Iterator[None]:
    """Python keeps what it compiles in this block, of the packages and not of this program.

    It is most of the cost of a first import, and uv leaves it to that.
    """
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = before and not kept
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def import_all(stream: Stream, names: set[str]) -> dict[str, Imported]:
    """Import the packages of these names, in order; after a failure nothing that builds on it."""
    done: dict[str, Imported] = {}
    for package in PACKAGES:
        if package.name not in names:
            continue
        stream.write("importing", package=package.name)
        done[package.name] = import_package(package)
        stream.write("import", **asdict(done[package.name]))
        if done[package.name].outcome != "ok":
            break
    return done


def one_thread(imported: dict[str, Imported]) -> None:
    """The models are so small that threads cost more than they bring, most on a busy machine."""
    if "torch" in imported and imported["torch"].outcome == "ok":
        sys.modules["torch"].set_num_threads(1)


def obstacle(imported: dict[str, Imported], names: tuple[str, ...]) -> tuple[str, str] | None:
    """(outcome, detail) of a row that needs these and cannot run for lack of one, else None.

    An optional package that is absent is nothing broken: skip. Everything else is a failure.
    """
    for package in PACKAGES:
        found = imported.get(package.name)
        if package.name in names and found is not None and found.outcome != "ok":
            skip = package.optional and found.outcome == "missing"
            return ("skip" if skip else "fail"), found.reason
    return None


def environment(imported: dict[str, Imported], device: str) -> dict[str, Any]:
    """The record's fields as ``__main__`` gives them; null where torch did not import."""
    ok = {name: found for name, found in imported.items() if found.outcome == "ok"}
    # Only where torch or transformers pulled it in: the rows do not need it.
    numpy = getattr(sys.modules.get("numpy"), "__version__", None)
    torch = sys.modules["torch"] if "torch" in ok else None
    versions = {p.name: ok[p.name].version if p.name in ok else None for p in PACKAGES}
    return {
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            "platform": platform.platform(),
            "machine": platform.machine(),
        },
        "packages": {**versions, "numpy": numpy},
        "cuda": torch.version.cuda if torch else None,
        # Asks NVML where it can, and starts no CUDA.
        "gpus": torch.cuda.device_count() if torch else None,
        "device": describe(torch, device),
        "threads": torch.get_num_threads() if torch else None,
        "arch_list": torch.cuda.get_arch_list() if torch else None,
        "import_seconds": {name: found.seconds for name, found in imported.items()},
    }
