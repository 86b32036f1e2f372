"""Messages whose cause hangs on a word beside them."""

from __future__ import annotations

import pytest

from llmdoctor.explain import explain

HOME = '  File "/home/x/venv/lib/python3.11/site-packages/xformers/__init__.py", line 55\n'
WINDOWS = '  File "C:\\Users\\x\\venv\\Lib\\site-packages\\xformers\\__init__.py", line 55\n'
NO_TRITON = "ModuleNotFoundError: No module named 'triton'\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (HOME + NO_TRITON, "triton-missing"),
        (WINDOWS + NO_TRITON, "triton-unavailable-on-windows"),
        ("OSError: [Errno 28] No space left on device", "disk-full-tmp"),
        (
            'could not resize shared memory segment "/PostgreSQL.12": No space left on device',
            None,
        ),
        (
            "The fast path is not available because one of `(selective_state_update, ...)` is None.",
            "mamba-kernels-missing",
        ),
        ("module 'torch' has no attribute 'float8_e8m0fnu'", "torch-too-old-for-transformers"),
    ],
)
def test_the_cause_follows_the_words_beside_a_message(text: str, cause: str | None) -> None:
    causes = [named.cause for named in explain([text.encode()]).causes]
    assert (causes[0] if causes else None) == cause


def test_a_module_that_secure_boot_keeps_out_is_explained_with_secure_boot() -> None:
    text = b"modprobe: ERROR: could not insert 'nvidia': Key was rejected by service"
    (named, *_) = explain([text]).causes
    assert named.cause == "driver-missing"
    assert "Secure Boot" in named.explanation


FP8 = "FP8 quantized models is only supported on GPUs with compute capability >= "


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (f"{FP8}8.9 (e.g 4090/H100), actual = `8.0`. We will default", "gpu-too-old-for-fp8"),
        (f"ValueError: {FP8}9.0 (e.g H100)", "gpu-too-old-for-fp8"),
        ('ValueError("type fp8e4nv not supported in this architecture.', "gpu-too-old-for-fp8"),
        ("ModuleNotFoundError: No module named 'torch._six'", "torch-too-new-for-code"),
        (
            "dcn.cpp:3:10: fatal error: THC/THC.h: No such file or directory",
            "torch-too-new-for-code",
        ),
        ("ModuleNotFoundError: No module named 'triton.ops'", "bnb-outdated-release"),
        (
            "box:1:1 [0] enqueue.cc:1085 NCCL WARN Cuda failure 'out of memory'",
            "cuda-out-of-memory",
        ),
        ("Last error:\nCuda failure 2 'out of memory'", "cuda-out-of-memory"),
        ("RuntimeError: CUDA out of memory.", "cuda-out-of-memory"),
        (
            "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2 GiB",
            "cuda-out-of-memory",
        ),
        ("torch.OutOfMemoryError: Allocation on device 0 would exceed", "cuda-out-of-memory"),
        ("CUDA out of memory errors were not seen today", None),
        ("        except torch.cuda.OutOfMemoryError:\n            retry()", None),
        ("NCCL WARN Cuda failure 1 'invalid argument'", None),
        (
            "RuntimeError: package is only supported on CUDA 11.6 and above.",
            "cuda-toolkit-torch-mismatch",
        ),
    ],
)
def test_a_program_s_own_words_are_known(text: str, cause: str | None) -> None:
    causes = [named.cause for named in explain([text.encode()]).causes]
    assert (causes[0] if causes else None) == cause
