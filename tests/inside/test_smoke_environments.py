"""`llmdoctor smoke --env` on environments that others made: what can run does, the rest is named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.runs import Desk, desk, next_command
from inside.conftest import OUTSIDE
from inside.smoke_runs import put
from support.venvs import make_venv, site_packages

__all__ = ["desk"]

# What the program asks of torch before its first row.
TORCH = """
__version__ = "2.4.1"
def set_num_threads(number): pass
def get_num_threads(): return 1
class version: cuda = hip = None
class cuda:
    device_count = staticmethod(lambda: 0)
    get_arch_list = staticmethod(lambda: [])
"""
OLD = "4.44.2"

Without = Callable[[str], Path]


@pytest.fixture
def without(smoke_python: Path, desk: Desk) -> Without:
    """Makes an environment of all packages of the one with torch, but for one of them."""
    if sys.platform == "win32":
        pytest.skip("links need a privilege on Windows")

    def make(package: str) -> Path:
        asked = [str(smoke_python), "-c", OUTSIDE]
        real = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        env = make_venv(desk.project / ".venv", smoke_python)
        for entry in os.scandir(real):
            if entry.name.partition("-")[0] != package:
                (site_packages(env) / entry.name).symlink_to(entry.path)
        return env

    return make


def test_without_peft_all_but_lora_is_proven_and_the_lack_is_said_once(
    without: Without, desk: Desk
) -> None:
    without("peft")
    shown = desk.run("smoke", "--only", "sdpa/[MF]*/*", "--only", "flash_attention_2/*").stdout
    said = " ".join(shown.split())
    assert "sdpa MATH fp32 bf16 fp32 fp32 fp32:skip" in said
    lora = "skip sdpa/MATH/lora/fp32, sdpa/FLASH_ATTENTION/lora/fp32: peft is not installed"
    assert lora in said
    assert said.count("peft") == 1  # what lacks a GPU says that, in its LoRA rows too
    assert "8 pass, 6 skip" in said


def test_without_numpy_which_transformers_needs_that_is_the_one_reason(
    without: Without, desk: Desk
) -> None:
    without("numpy")
    document = desk.json("smoke", "--only", "eager/*")
    assert document["rows"] == []
    said = "transformers cannot be imported: ModuleNotFoundError: No module named 'numpy'"
    assert document["problem"] == said
    assert document["environment"]["packages"]["torch"]


def test_a_transformers_that_takes_no_attention_of_others_is_named_and_nothing_is_proven(
    desk: Desk,
) -> None:
    env = make_venv(desk.project / ".venv")
    put(env, "torch", TORCH)
    put(env, "transformers", f"__version__ = {OLD!r}\n")
    for package in ("models", "models/llama", "models/llama/modeling_llama"):
        put(env, f"transformers/{package}", "")
    put(env, "peft", "__version__ = '0.12.0'\n")
    done = desk.run("smoke", "--backend", "eager", "--backend", "sdpa", code=1)
    said = " ".join(done.stdout.split())
    assert f"transformers {OLD} takes no attention function of others, as 4.53 and newer do" in said
    assert said.count("takes no attention function") == 1
    assert "NOT proven: 28 skip" in said
    assert "attn_implementation" not in said


def test_a_torch_that_does_not_import_is_the_one_reason_with_a_way_out(desk: Desk) -> None:
    env = make_venv(desk.project / ".venv")
    text = "libcudart.so.12: cannot open shared object file: No such file or directory"
    put(env, "torch", f"raise OSError({text!r})\n")
    done = desk.run("smoke", code=1)
    said = " ".join(done.stdout.split())
    assert f"not proven: torch cannot be imported: OSError: {text}" in said
    assert "skip" not in said
    assert next_command(done.stderr).startswith("llmdoctor install --profile cpu")


def test_a_gpu_that_torch_was_not_built_for_is_one_reason_without_a_row(desk: Desk) -> None:
    env = make_venv(desk.project / ".venv")
    put(env, "torch", TORCH)
    put(env, "transformers", f"__version__ = {OLD!r}\n")
    put(env, "peft", "__version__ = '0.12.0'\n")
    done = desk.run("smoke", "--device", "cuda:1", code=1)
    said = " ".join(done.stdout.split())
    assert "not proven: this torch (2.4.1) was built without CUDA, so it has no cuda:1" in said
    assert "skip" not in said + done.stderr
    assert next_command(done.stderr) == "llmdoctor check --env .venv"
