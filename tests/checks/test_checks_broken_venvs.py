"""Environments that are really broken, seen by the real probe: each defect alone, and named.

The GPU and the driver are told, since a test machine has none. The environment is looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from checks.judging import RTX_4090, case, driver
from llmdoctor.checks import run_checks
from llmdoctor.machine import Machine, Note
from llmdoctor.probe import look_at_environment
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.host import read_host
from llmdoctor.probe.variables import read_variables
from llmdoctor.system.local import Local
from support import venvs
from support.venvs import dist_info, install_fake_dist, install_fake_torch, without_file

FAMILIES = ("PY", "TORCH", "PKG", "EXT", "ATTN", "HF")
FOREIGN = "manylinux_2_28_x86_64" if sys.platform == "win32" else "win_amd64"
MINOR = "{}{}".format(*sys.version_info[:2])
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="scripts are launchers there")


def whole(env: Path) -> None:
    """A stack in which everything fits."""
    install_fake_torch(env, "2.9.1", "12.6", requires=["numpy>=1.20"])
    install_fake_dist(
        env, "transformers", "5.0.0", requires=["huggingface-hub<2.0,>=1.3.0", "safetensors"]
    )
    for name, version in (
        ("numpy", "2.3.1"),
        ("huggingface_hub", "1.3.0"),
        ("safetensors", "0.7.0"),
        ("peft", "0.18.0"),
        ("accelerate", "1.12.0"),
    ):
        install_fake_dist(env, name, version)


def look(env: Path) -> Machine:
    system, notes = Local(), list[Note]()
    machine = Machine(
        host=read_host(system, Guard("host", notes)),
        nvidia=driver("580.65.06", RTX_4090),
        environment=look_at_environment(system, str(env)),
        variables=read_variables(system),
    )
    assert notes == []
    return machine


def found(env: Path, *profiles: str) -> list[tuple[str, str | None]]:
    """Code and cause of every finding about the environment that is more than a note."""
    verdicts = run_checks(case(look(env), *profiles), select=FAMILIES)
    assert [verdict for verdict in verdicts if verdict.outcome == "crash"] == []
    return [
        (finding.code, finding.cause)
        for verdict in verdicts
        for finding in verdict.findings
        if finding.severity != "note"
    ]


@pytest.fixture
def stack(env: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTORCH_ALLOC_CONF", "BNB_CUDA_VERSION"):
        monkeypatch.delenv(name, raising=False)
    whole(env)
    return env


def test_a_whole_stack_has_nothing_wrong(stack: Path) -> None:
    assert found(stack) == []


def remove(env: Path, name: str, version: str) -> None:
    """What another installer's change leaves of a package: nothing of its dist-info."""
    folder = dist_info(env, name, version)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def replaced(env: Path, name: str, before: str, after: str) -> None:
    remove(env, name, before)
    install_fake_dist(env, name, after)


@dataclass(frozen=True)
class Defect:
    """How a stack is broken, and what is said of it."""

    name: str
    breaks: Callable[[Path], object]
    code: str
    cause: str | None = None


def old_tokenizers(env: Path) -> None:
    install_fake_dist(env, "tokenizers", "0.21.0")
    remove(env, "transformers", "5.0.0")
    install_fake_dist(env, "transformers", "5.0.0", requires=["tokenizers<=0.23.0,>=0.22.0"])


FLASH = (
    "https://example.org/flash_attn-2.8.3%2Bcu12torch2.8cxx11abiTRUE-cp312-cp312-linux_x86_64.whl"
)
BNB_FILES = ("bitsandbytes/__init__.py", "bitsandbytes/libbitsandbytes_cuda118.so")

DEFECTS = [
    Defect("leftover", lambda env: venvs.leave_dangling(env, "tqdm", "4.67"), "PKG008"),
    Defect(
        "leftover of an old pip",
        lambda env: venvs.leave_dangling(env, "tqdm", "4.67", prefix="-"),
        "PKG008",
    ),
    Defect("duplicate", lambda env: install_fake_dist(env, "safetensors", "0.6.2"), "PKG009"),
    Defect(
        "no RECORD", lambda env: without_file(dist_info(env, "peft", "0.18.0"), "RECORD"), "PKG001"
    ),
    Defect(
        "no METADATA",
        lambda env: without_file(dist_info(env, "peft", "0.18.0"), "METADATA"),
        "PKG001",
    ),
    Defect("files gone", lambda env: install_fake_dist(env, "xformers", "0.1", files={}), "PKG001"),
    Defect(
        "foreign platform",
        lambda env: install_fake_dist(env, "regex", "1.0", tag=f"cp{MINOR}-cp{MINOR}-{FOREIGN}"),
        "PKG003",
        "wheel-tag-mismatch",
    ),
    Defect(
        "foreign Python",
        lambda env: install_fake_dist(env, "regex", "1.0", tag="cp37-cp37m-any"),
        "PKG003",
        "wheel-tag-mismatch",
    ),
    Defect(
        "Hub client out of range",
        lambda env: replaced(env, "huggingface_hub", "1.3.0", "0.36.0"),
        "PKG002",
        "hf-hub-version-conflict",
    ),
    Defect(
        "safetensors missing",
        lambda env: remove(env, "safetensors", "0.7.0"),
        "PKG002",
        "safetensors-missing",
    ),
    Defect(
        "wrong torch minor",
        lambda env: install_fake_dist(env, "flash_attn", "2.8.3", direct_url={"url": FLASH}),
        "EXT001",
        "ext-abi-mismatch",
    ),
    Defect(
        "wrong CUDA",
        lambda env: install_fake_dist(env, "mamba_ssm", "2.3.1", local_tag="cu13torch2.9"),
        "EXT001",
        "ext-abi-mismatch",
    ),
    Defect(
        "wrong torchvision",
        lambda env: install_fake_dist(env, "torchvision", "0.23.0"),
        "EXT002",
        "torchvision-torch-mismatch",
    ),
    Defect(
        "wrong xformers",
        lambda env: install_fake_dist(env, "xformers", "0.0.32", requires=["torch==2.8.0"]),
        "PKG002",
        "xformers-torch-mismatch",
    ),
    Defect(
        "two CUDA runtimes",
        lambda env: [
            install_fake_dist(env, "nvidia_cuda_runtime_cu12", "12.6.77"),
            install_fake_dist(env, "nvidia_cuda_runtime", "13.0.96"),
        ],
        "PKG004",
    ),
    Defect(
        "bitsandbytes without torch's CUDA",
        lambda env: install_fake_dist(
            env, "bitsandbytes", "0.45.5", files=dict.fromkeys(BNB_FILES, "")
        ),
        "EXT005",
        "bnb-no-binary-for-cuda",
    ),
    Defect(
        "old peft",
        lambda env: replaced(env, "peft", "0.18.0", "0.17.1"),
        "HF003",
        "peft-transformers-mismatch",
    ),
    Defect(
        "causal-conv1d of another torch",
        lambda env: install_fake_dist(env, "causal_conv1d", "1.5.3", local_tag="cu12torch2.6"),
        "EXT001",
        "ext-abi-mismatch",
    ),
    Defect(
        "wrong torchaudio",
        lambda env: install_fake_dist(env, "torchaudio", "2.8.0"),
        "EXT002",
        "torchvision-torch-mismatch",
    ),
    Defect(
        "Triton of another torch", lambda env: install_fake_dist(env, "triton", "3.2.0"), "EXT004"
    ),
    Defect(
        "torchao of another torch", lambda env: install_fake_dist(env, "torchao", "0.9.0"), "EXT004"
    ),
    Defect(
        "old tokenizers",
        old_tokenizers,
        "PKG002",
        "tokenizers-version-conflict",
    ),
    Defect(
        "old accelerate",
        lambda env: replaced(env, "accelerate", "1.12.0", "0.21.0"),
        "HF003",
        "accelerate-too-old",
    ),
    Defect(
        "the other retention", lambda env: install_fake_dist(env, "retention", "0.1.2"), "PKG006"
    ),
]


# What one of them means besides: half of Mamba's kernels, and what the Trainer wants of accelerate.
BESIDE = {
    "wrong CUDA": "EXT008",
    "causal-conv1d of another torch": "EXT008",
    "old accelerate": "HF004",
}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_one_defect_is_found_and_nothing_else(stack: Path, defect: Defect) -> None:
    defect.breaks(stack)
    others = BESIDE.get(defect.name)
    assert [item for item in found(stack) if item[0] != others] == [(defect.code, defect.cause)]


def test_an_old_abi_is_found_where_the_tables_know_that_of_torch(
    stack: Path,
) -> None:
    install_fake_dist(stack, "flash_attn", "2.8.3", local_tag="cu12torch2.9cxx11abifalse")
    expected = [("EXT001", "ext-abi-mismatch")] if sys.platform == "linux" else []
    assert found(stack) == expected


def test_numpy_2_under_an_old_torch(env: Path) -> None:
    install_fake_torch(env, "2.2.2", "12.1")
    install_fake_dist(env, "numpy", "2.1.0")
    assert ("PKG005", "numpy2-abi") in found(env)


def test_torch_below_what_transformers_takes(env: Path) -> None:
    install_fake_torch(env, "2.3.1", "12.1")
    install_fake_dist(env, "transformers", "5.12.1")
    assert ("HF001", "torch-too-old-for-transformers") in found(env)
    replaced(env, "transformers", "5.12.1", "4.57.6")
    assert ("HF002", "torch-too-old-torch-load-cve") in found(env)


@posix_only
def test_a_stale_shebang(stack: Path) -> None:
    venvs.spoil_shebang(stack, "pip")
    assert found(stack) == [("PY011", None)]


@posix_only
def test_a_moved_environment_is_told_once(stack: Path, tmp_path: Path) -> None:
    venvs.move_venv(stack, tmp_path / "moved", "pip")
    assert found(tmp_path / "moved") == [("PY002", None)]


def test_modules_on_pythonpath(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "extra" / "numpy").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "extra"))
    assert found(stack) == [("PY009", None)]


@posix_only
def test_the_users_own_packages_in_a_conda_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    minor = "{}.{}".format(*sys.version_info[:2])
    conda, site = tmp_path / "conda", f"lib/python{minor}/site-packages"
    for folder in (conda / "conda-meta", conda / site, tmp_path / "user" / site):
        folder.mkdir(parents=True)
    (conda / "conda-meta" / f"python-{minor}.1-h1_0_cpython.json").write_text("{}")
    install_fake_torch(conda, "2.9.1", "12.6")
    install_fake_torch(tmp_path / "user", "2.4.0", "12.1")
    assert found(conda) == [("PY010", None)]


def test_a_wanted_package_that_is_not_there(stack: Path) -> None:
    codes = [item for item in found(stack, "flashattn") if item[0] == "PKG007"]
    expected = [("PKG007", "flash-attn-requested-not-installed")]
    assert codes == (expected if sys.platform == "linux" else codes)
