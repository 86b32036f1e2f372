"""The bad roads of kernels that are called directly, each told as what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inside.smoke_runs import SMOKE, Run, put, run_smoke
from support.venvs import python_of, site_packages

ON_CPU = Path(__file__).with_name("direct_on_cpu.py")
SYMBOL = "selective_scan_cuda.so: undefined symbol: _ZN3c104cuda9SetDeviceEi"
# What stands for the part of xformers that a row imports; `words` raises, or computes.
XFORMERS = """
import torch
class BlockDiagonalCausalMask:
    def __init__(self, lengths):
        self.lengths = lengths
    @classmethod
    def from_seqlens(cls, lengths):
        return cls(lengths)
def by_torch(query, key, value, mask, scale):
    seen = torch.block_diag(*[torch.ones(n, n) for n in mask.lengths]).bool().tril()
    heads = [one.transpose(1, 2) for one in (query, key, value)]
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        output = torch.nn.functional.scaled_dot_product_attention(
            *heads, attn_mask=seen, scale=scale)
    return output.transpose(1, 2).contiguous()
"""
OPERATION = {
    "refuses": "raise NotImplementedError('No operator found for `forward`:\\n  device=cpu')",
    "falls_back": "return by_torch(query, key, value, attn_bias, scale)",
    # an operator of the name that xformers' own kernel has
    "sound": (
        "with torch.profiler.record_function('xformers_flash::flash_fwd'):\n"
        "        weights = torch.einsum('bqhd,bkhd->bhqk', query, key) * scale\n"
        "        blocks = torch.block_diag(*[torch.ones(n, n) for n in attn_bias.lengths])\n"
        "        weights = weights.masked_fill(~blocks.bool().tril(), -torch.inf)\n"
        "        weights = torch.exp(weights - weights.amax(-1, keepdim=True))\n"
        "        weights = weights / weights.sum(-1, keepdim=True)\n"
        "        return torch.einsum('bhqk,bkhd->bqhd', weights, value)"
    ),
}


def put_xformers(env: Path, operation: str, unloaded: str = "None") -> None:
    put(env, "xformers", "__version__ = '0.0.35'\nfrom . import _cpp_lib, ops\n")
    put(env, "xformers/_cpp_lib", f"_cpp_library_load_exception = {unloaded}\n")
    put(env, "xformers/ops/fmha/attn_bias", XFORMERS)
    (site_packages(env) / "xformers" / "ops" / "fmha" / "__init__.py").touch()
    (site_packages(env) / "xformers" / "ops" / "__init__.py").write_text(
        "import torch\nfrom .fmha.attn_bias import by_torch\n"
        "def memory_efficient_attention(query, key, value, attn_bias, scale):\n"
        f"    {OPERATION[operation]}\n"
    )


def xformers_rows(env: Path, out: Path) -> dict[str, dict[str, Any]]:
    return run_smoke(python_of(env), out, "--only", "xformers/*").rows


def on_cpu(env: Path, out: Path, *globs: str) -> Run:
    words = [word for glob in globs for word in ("--only", glob)]
    return run_smoke(python_of(env), out, str(SMOKE), *words, program=ON_CPU)


def test_without_their_packages_the_rows_are_skipped_and_name_them(
    patient: Path, tmp_path: Path
) -> None:
    for package in ("triton", "xformers", "causal_conv1d", "mamba_ssm", "retention"):
        # None in sys.modules is how Python itself spells "there is no such module"
        with (site_packages(patient) / "absent.pth").open("a") as lines:
            lines.write(f"import sys; sys.modules[{package!r}] = None\n")
    globs = ("xformers/*", "causal-conv1d/*", "mamba-ssm/*", "mamba/*", "retention/*")
    words = [word for glob in globs for word in ("--only", glob)]
    run = run_smoke(python_of(patient), tmp_path / "r.jsonl", *words)
    assert {row["backend"] for row in run.rows.values()} == {glob[:-2] for glob in globs}
    for row in run.rows.values():
        package = "mamba-ssm" if row["backend"] == "mamba" else row["backend"]
        assert row["outcome"] == "skip"
        assert row["detail"].endswith(f"{package} is not installed")


def test_an_xformers_built_for_another_torch_fails_in_its_words(
    patient: Path, tmp_path: Path
) -> None:
    words = "xFormers was built for:\n    PyTorch 2.10.0+cu128 (you have 2.13.0+cpu)"
    put_xformers(patient, "refuses", unloaded=f"RuntimeError({words!r})")
    for row in xformers_rows(patient, tmp_path / "r.jsonl").values():
        assert row["outcome"] == "fail"
        assert row["detail"] == f"RuntimeError: {' '.join(words.split())}"


def test_where_xformers_has_no_kernel_the_row_is_skipped_in_its_words(
    patient: Path, tmp_path: Path
) -> None:
    put_xformers(patient, "refuses")
    for row in xformers_rows(patient, tmp_path / "r.jsonl").values():
        assert row["outcome"] == "skip"
        assert row["detail"] == "No operator found for `forward`: device=cpu"


def test_an_xformers_that_falls_back_fails_though_its_numbers_are_right(
    patient: Path, tmp_path: Path
) -> None:
    put_xformers(patient, "falls_back")
    for row in xformers_rows(patient, tmp_path / "r.jsonl").values():
        assert (row["outcome"], row["ran_as"]) == ("fail", "MATH")
        assert row["detail"].startswith("silent fallback: MATH ran, asked for xformers/")
        assert row["error"] <= row["tolerance"]


def test_an_xformers_whose_own_operator_ran_passes(patient: Path, tmp_path: Path) -> None:
    put_xformers(patient, "sound")
    for row in xformers_rows(patient, tmp_path / "r.jsonl").values():
        assert (row["outcome"], row["ran_as"]) == ("pass", "flash"), row["detail"]


def test_an_extension_with_an_undefined_symbol_fails_in_the_linkers_words(
    patient: Path, tmp_path: Path
) -> None:
    put(patient, "mamba_ssm", f"raise ImportError({SYMBOL!r})\n")
    run = run_smoke(python_of(patient), tmp_path / "r.jsonl", "--only", "mamba*/*")
    assert {row["backend"] for row in run.rows.values()} == {"mamba", "mamba-ssm"}
    for row in run.rows.values():
        assert row["outcome"] == "fail"
        assert row["detail"] == f"mamba-ssm does not import: ImportError: {SYMBOL}"


def test_a_package_that_imports_without_its_kernel_fails_and_a_model_on_the_slow_path_too(
    patient: Path, tmp_path: Path
) -> None:
    put(patient, "mamba_ssm", "__version__ = '2.3.2'\n")
    put(patient, "causal_conv1d", "__version__ = '1.7.0'\n")
    run = on_cpu(patient, tmp_path / "r.jsonl", "mamba/*", "mamba-ssm/*/infer/fp32", "causal*/*")
    for name, row in run.rows.items():
        assert row["outcome"] == "fail"
        if row["backend"] == "mamba":
            assert row["ran_as"] == "slow path"
            assert row["detail"].startswith("silent fallback: slow path ran, asked for mamba/")
            assert row["error"] <= row["tolerance"], name
        else:
            assert "Error: " in row["detail"]
            assert row["ran_as"] is None


def test_the_slow_path_itself_is_right_and_is_called_that(
    smoke_python: Path, tmp_path: Path
) -> None:
    words = ("--full", "--only", "mamba/slow_path/*")
    run = run_smoke(smoke_python, tmp_path / "r.jsonl", *words)
    modes = {f"{row['mode']}/{row['dtype']}" for row in run.rows.values()}
    assert modes == {"infer/fp32", "infer/bf16", "generate/fp32", "lora/fp32"}
    for row in run.rows.values():
        assert (row["outcome"], row["ran_as"]) == ("pass", "slow path"), row["detail"]


def test_another_package_of_the_name_retention_is_named(patient: Path, tmp_path: Path) -> None:
    put(patient, "retention", "")
    record = site_packages(patient) / "retention-0.1.2.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: retention\nVersion: 0.1.2\n")
    run = run_smoke(python_of(patient), tmp_path / "r.jsonl", "--only", "retention/*")
    for row in run.rows.values():
        assert row["outcome"] == "fail"
        assert "retention 0.1.2 has no power_retention" in row["detail"]


@pytest.mark.parametrize("mode", ["infer", "train"])
def test_a_gpu_is_named_where_one_is_needed(smoke_python: Path, tmp_path: Path, mode: str) -> None:
    words = ("--only", f"causal-conv1d/*/{mode}/*")
    run = run_smoke(smoke_python, tmp_path / "r.jsonl", *words)
    for row in run.rows.values():
        assert row["outcome"] == "skip"
        assert "needs an NVIDIA GPU of compute capability 7.5" in row["detail"]
