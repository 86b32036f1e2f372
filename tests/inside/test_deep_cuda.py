"""`check --deep` from inside: CUDA's start, a kernel on each GPU, and the libraries in use."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from inside.deep_looks import TORCH, install, look, outcomes
from support.venvs import make_venv, site_packages

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return make_venv(tmp_path / "env")


def torch_with(env: Path, more: str) -> None:
    path = install(env, "torch", TORCH)
    path.write_text(f"{path.read_text()}\n{more}\n")


def test_every_gpu_is_named_and_adds_numbers(env: Path) -> None:
    torch_with(env, "")
    told: list[str] = []
    deep = look(env, told=told)
    assert deep.cuda is not None
    assert (deep.cuda.outcome, deep.cuda.available, deep.cuda.count) == ("ok", True, 3)
    assert (deep.cuda.cuda, deep.cuda.cudnn) == ("12.6", 91002)
    assert deep.cuda.architectures == ("sm_80", "sm_90", "compute_90")
    seen = [(gpu.index, gpu.name, gpu.compute_capability, gpu.bf16) for gpu in deep.devices]
    assert seen == [
        (0, "GPU A", "8.9", True),
        (1, "GPU B", "12.0", True),
        (2, "GPU C", "9.0", False),
    ]
    assert told[-1] == "running a kernel on GPU 2"


def test_a_kernel_that_fails_is_the_result_of_its_gpu_alone(env: Path) -> None:
    torch_with(env, "def broken(i):\n    if i == 1: raise RuntimeError('no kernel image')")
    deep = look(env)
    assert [gpu.outcome for gpu in deep.devices] == ["ok", "broken", "ok"]
    assert deep.devices[1].error == "RuntimeError: no kernel image"
    assert deep.devices[1].compute_capability == "12.0"


def test_a_kernel_that_counts_wrongly_has_failed(env: Path) -> None:
    torch_with(env, "_Numbers.item = lambda self: 3.0")
    assert [gpu.outcome for gpu in look(env).devices] == ["broken"] * 3


@pytest.mark.parametrize(
    ("death", "outcome"),
    [("os.kill(os.getpid(), 11)", "crash"), ("time.sleep(120)", "timeout")],
)
def test_a_kernel_that_ends_python_hides_no_other_gpu(death: str, outcome: str, env: Path) -> None:
    torch_with(env, f"def broken(i):\n    if i < 2: print('on', i, flush=True); {death}")
    deep = look(env, limit=3.0)
    assert [gpu.outcome for gpu in deep.devices] == [outcome, outcome, "ok"]
    assert [gpu.index for gpu in deep.devices] == [0, 1, 2]
    assert "on 1" in (deep.devices[1].said or "")
    assert deep.cuda is not None
    assert deep.cuda.outcome == "ok"


def test_a_cuda_that_does_not_start_says_why_with_its_warning(env: Path) -> None:
    torch_with(
        env,
        """
def no():
    warnings.warn("CUDA initialization: The NVIDIA driver on your system is too old")
    return False
def init():
    raise RuntimeError("No CUDA GPUs are available")
cuda.is_available, cuda.init = no, init
""",
    )
    deep = look(env)
    assert deep.cuda is not None
    assert (deep.cuda.outcome, deep.cuda.available) == ("broken", False)
    assert deep.cuda.error == "RuntimeError: No CUDA GPUs are available"
    assert deep.cuda.warnings == (
        "UserWarning: CUDA initialization: The NVIDIA driver on your system is too old",
    )
    assert deep.devices == ()


def test_a_start_that_kills_python_is_a_result(env: Path) -> None:
    torch_with(env, "cuda.is_available = lambda: os.abort()")
    deep = look(env)
    assert deep.cuda is not None
    assert (deep.cuda.outcome, deep.cuda.error) == ("crash", "killed by signal 6")
    assert outcomes(deep) == {"torch": "ok"}
    assert deep.problem is None


def test_a_cudnn_that_does_not_fit_leaves_the_kernels(env: Path) -> None:
    torch_with(env, "def no():\n    raise RuntimeError('cuDNN version incompatibility')")
    torch = site_packages(env) / "torch" / "__init__.py"
    torch.write_text(torch.read_text() + "backends.cudnn.version = no\n")
    deep = look(env)
    assert deep.cuda is not None
    assert (deep.cuda.outcome, deep.cuda.available) == ("broken", True)
    assert [gpu.outcome for gpu in deep.devices] == ["ok"] * 3


def test_a_torch_of_before_the_word_for_emulation_tells_bf16_too(env: Path) -> None:
    torch_with(env, "cuda.is_bf16_supported = lambda: True")
    assert [gpu.bf16 for gpu in look(env).devices] == [True] * 3


def test_a_cpu_build_starts_no_cuda(env: Path) -> None:
    torch_with(env, "version.cuda = None\ncuda.is_available = lambda: False\ncuda.init = None")
    deep = look(env)
    assert deep.cuda is not None
    assert (deep.cuda.outcome, deep.cuda.available, deep.cuda.cuda) == ("ok", False, None)


def library(path: Path) -> Path:
    """A library that the loader takes, whatever its name says: one of Python's own."""
    import _ctypes

    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_ctypes.__file__, path)
    return path


LOADS = "import ctypes\nctypes.CDLL('libcudart.so.12')"


@linux
def test_a_library_from_outside_is_told_from_the_environments_own(
    env: Path, tmp_path: Path
) -> None:
    own = library(site_packages(env) / "nvidia" / "cuda_runtime" / "lib" / "libcudart.so.12")
    other = library(tmp_path / "cuda" / "lib64" / "libcudart.so.12.4.127")
    (other.parent / "libcudart.so.12").symlink_to(other.name)
    torch_with(env, LOADS)
    outside = look(env, variables={"LD_LIBRARY_PATH": str(other.parent)})
    found = [item for item in outside.libraries if item.name == "libcudart.so.12"]
    assert [(item.path, item.inside, item.own) for item in found] == [(str(other), False, str(own))]
    inside = look(env, variables={"LD_LIBRARY_PATH": str(own.parent)})
    (mine,) = (item for item in inside.libraries if item.name == "libcudart.so.12")
    assert (mine.path, mine.inside) == (str(own), True)


@linux
def test_a_file_that_is_linked_into_the_environment_is_its_own(env: Path, tmp_path: Path) -> None:
    """uv can link an environment's files to its cache."""
    cached = library(tmp_path / "cache" / "libcudart.so.12")
    own = site_packages(env) / "nvidia" / "cu13" / "lib" / "libcudart.so.12"
    own.parent.mkdir(parents=True)
    own.symlink_to(cached)
    torch_with(env, f"import ctypes\nctypes.CDLL({str(own)!r})")
    (mine,) = (item for item in look(env).libraries if item.name == "libcudart.so.12")
    assert (mine.path, mine.inside, mine.own) == (str(cached), True, str(own))


@linux
def test_libraries_that_a_failing_import_loaded_are_seen(env: Path, tmp_path: Path) -> None:
    other = library(tmp_path / "libnvJitLink.so.12")
    install(
        env, "torch", f"import ctypes\nctypes.CDLL({str(other)!r})\nraise ImportError('symbol')"
    )
    deep = look(env)
    assert outcomes(deep) == {"torch": "broken"}
    assert "libnvJitLink.so.12" in {item.name for item in deep.libraries}
