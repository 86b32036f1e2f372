"""A package of FlashAttention that is broken, has no kernel or is not used is reported as that."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from inside.smoke_runs import SMOKE, Run, run_smoke
from support.venvs import python_of, site_packages

# What transformers takes from the package, over one function `attend` of whole sequences:
# (batch, length, heads, head_dim), the last query sees the last key.
PACKAGE = """
import torch

def spelt_out(q, k, v, scale, causal):
    k, v = (x.repeat_interleave(q.shape[2] // k.shape[2], dim=2) for x in (k, v))
    scores = torch.einsum("bqhd,bkhd->bhqk", q, k) * scale
    if causal:
        ones = torch.ones(scores.shape[-2:], dtype=torch.bool)
        scores = scores.masked_fill(~ones.tril(scores.shape[-1] - scores.shape[-2]), -torch.inf)
    weights = (scores - scores.amax(-1, keepdim=True)).exp()
    return torch.einsum("bhqk,bkhd->bqhd", weights / weights.sum(-1, keepdim=True), v).contiguous()

{attend}

def flash_attn_func(q, k, v, dropout_p=0.0, softmax_scale=None, causal=False, **_):
    return attend(q, k, v, softmax_scale or q.shape[-1] ** -0.5, causal)

def flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k,
    dropout_p=0.0, softmax_scale=None, causal=False, **_
):
    ends = zip(cu_seqlens_q[:-1], cu_seqlens_q[1:], cu_seqlens_k[:-1], cu_seqlens_k[1:])
    parts = [
        flash_attn_func(q[None, a:b], k[None, c:d], v[None, c:d], 0.0, softmax_scale, causal)[0]
        for a, b, c, d in ends
    ]
    return torch.cat(parts)

def flash_attn_with_kvcache(*_, **__):
    raise NotImplementedError
"""
PADDING = """
from transformers.modeling_flash_attention_utils import _pad_input as pad_input
from transformers.modeling_flash_attention_utils import _unpad_input as unpad_input
def index_first_axis(x, indices):
    return x[indices]
"""
SOUND = """
@torch.library.custom_op("flash_attn::_flash_attn_forward", mutates_args=())
def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, causal: bool
) -> torch.Tensor:
    return spelt_out(q, k, v, scale, causal)
"""
WITHOUT_A_KERNEL = """
def attend(*_):
    raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
"""
FALLS_BACK = """
def attend(q, k, v, scale, causal):
    ones = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(
        q, k, v, ones.tril(k.shape[2] - q.shape[2]), scale=scale, enable_gqa=True
    ).transpose(1, 2).contiguous()
"""


def install(env: Path, body: str) -> Path:
    """A distribution flash-attn whose package is this source."""
    site = site_packages(env)
    package = site / "flash_attn"
    package.mkdir()
    (package / "__init__.py").write_text(f'__version__ = "2.8.3"\n{body}')
    (package / "bert_padding.py").write_text(PADDING)
    info = site / "flash_attn-2.8.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: flash-attn\nVersion: 2.8.3\n")
    (info / "RECORD").write_text("flash_attn/__init__.py,,\n")
    (info / "top_level.txt").write_text("flash_attn\n")
    return package


def on_a_gpu_that_fits(env: Path, out: Path, attend: str) -> Run:
    install(env, PACKAGE.format(attend=attend))
    driver = Path(__file__).with_name("without_gate.py")
    run = run_smoke(python_of(env), out, str(SMOKE), program=driver)
    if str(run.of("environment")[0]["packages"]["transformers"]).startswith("4."):
        pytest.skip("before 5.0 transformers takes the package while it is imported, with a GPU")
    return run


def each(run: Run) -> list[dict[str, Any]]:
    assert {row["mode"] for row in run.of("row")} == {"infer", "generate"}, run.stderr
    return run.of("row")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "r.jsonl"


def test_a_sound_package_passes_and_its_operators_are_seen(patient: Path, report: Path) -> None:
    for row in each(on_a_gpu_that_fits(patient, report, SOUND)):
        assert row["outcome"] == "pass", row["detail"]
        assert row["ran_as"] == "flash_attention_2"
        assert row["attention"] == "flash_attention_2"


def test_a_package_that_imports_but_has_no_kernel_fails_with_its_words(
    patient: Path, report: Path
) -> None:
    for row in each(on_a_gpu_that_fits(patient, report, WITHOUT_A_KERNEL)):
        assert row["outcome"] == "fail"
        assert row["detail"].startswith("RuntimeError: CUDA error: no kernel image is available")


def test_a_package_that_falls_back_fails_though_its_numbers_are_right(
    patient: Path, report: Path
) -> None:
    for row in each(on_a_gpu_that_fits(patient, report, FALLS_BACK)):
        assert row["outcome"] == "fail"
        assert row["ran_as"] in {"FLASH_ATTENTION", "MATH"}
        said = f"silent fallback: {row['ran_as']} ran, asked for flash_attention_2/default"
        assert row["detail"].startswith(said)
        assert row["error"] <= row["tolerance"]


@pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("gcc") is None, reason="needs gcc and dlopen"
)
def test_an_extension_built_for_another_torch_is_a_failure_on_any_machine(
    tmp_path: Path, patient: Path, report: Path
) -> None:
    """The symbol that a flash-attn for another C++ ABI or torch looks for and does not find."""
    source = tmp_path / "extension.c"
    symbol = "_ZN3c105ErrorC2ENS_14SourceLocationESs"
    source.write_text(
        f"extern void {symbol}(void);\nvoid *PyInit_flash_attn_2_cuda(void) {{ {symbol}();"
        " return 0; }\n"
    )
    name = f"flash_attn_2_cuda{sysconfig.get_config_var('EXT_SUFFIX') or '.so'}"
    target = site_packages(patient) / name
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(target), str(source)], check=True)
    install(patient, "import flash_attn_2_cuda\n")
    only = ("--only", "flash_attention_2/*", "--only", "eager/*/infer/fp32")
    run = run_smoke(python_of(patient), report, *only)
    for name, row in run.rows.items():
        if name.startswith("eager/"):
            assert row["outcome"] == "pass"
        else:
            assert row["outcome"] == "fail"
            assert row["detail"].startswith("flash-attn does not import: ImportError: ")
            assert f"undefined symbol: {symbol}" in row["detail"]


def test_a_sound_package_without_a_gpu_is_skipped_for_the_gpu_alone(
    patient: Path, report: Path
) -> None:
    install(patient, PACKAGE.format(attend=SOUND))
    run = run_smoke(python_of(patient), report, "--only", "flash_attention_2/*/infer/*")
    (row,) = run.of("row")
    assert (row["outcome"], row["detail"]) == (
        "skip",
        "needs an NVIDIA GPU of compute capability 8.0 or newer; this is the processor",
    )
