from __future__ import annotations

import pytest

from checks.judging import LINUX, judge, only, venv
from llmdoctor.machine import Machine, Package


def on(torch: str | None = None, **versions: str) -> Machine:
    packages = (Package(name.replace("_", "-"), version) for name, version in versions.items())
    return Machine(host=LINUX, environment=venv(*packages, torch=torch))


@pytest.mark.parametrize(
    ("transformers", "torch", "needed"),
    [
        ("5.23.0", "2.5.1+cu124", ">=2.6"),
        ("5.12.1", "2.3.1+cu121", ">=2.4"),
        ("4.57.6", "2.0.1+cu118", ">=2.1"),
    ],
)
def test_a_torch_that_transformers_turns_off(transformers: str, torch: str, needed: str) -> None:
    finding = only(judge("HF001", on(torch, transformers=transformers)))
    assert (finding.cause, finding.severity) == ("torch-too-old-for-transformers", "error")
    assert f"torch{needed}" in finding.detail


def test_a_torch_that_transformers_takes_passes_and_unknown_releases_are_skipped() -> None:
    assert judge("HF001", on("2.4.1+cu124", transformers="5.12.1")).outcome == "pass"
    assert judge("HF001", on("2.0.1+cu118", transformers="4.48.3")).outcome == "pass"
    assert judge("HF001", on("2.0.1+cu118", transformers="9.1.0")).outcome == "skip"
    assert judge("HF001", on("2.0.1+cu118", transformers="3.0.0")).outcome == "skip"
    assert judge("HF001", on("2.0.1+cu118")).outcome == "skip"
    assert judge("HF001", on(transformers="5.0.0")).outcome == "skip"


def test_torch_load_is_refused_before_torch_2_6() -> None:
    finding = only(judge("HF002", on("2.5.1+cu124", transformers="4.57.6")))
    assert (finding.cause, finding.severity) == ("torch-too-old-torch-load-cve", "warning")


def test_torch_load_is_free_with_a_newer_torch_or_an_older_transformers() -> None:
    assert judge("HF002", on("2.6.0+cu124", transformers="4.57.6")).outcome == "pass"
    assert judge("HF002", on("2.5.1+cu124", transformers="4.51.3")).outcome == "pass"
    too_old = judge("HF002", on("2.3.1+cu121", transformers="5.12.1"))
    assert "HF001" in (too_old.reason or "")


@pytest.mark.parametrize(
    ("peft", "transformers", "imports"),
    [
        ("0.17.1", "5.0.0", "HybridCache"),
        ("0.16.0", "5.12.1", "HybridCache"),
        ("0.14.0", "4.41.2", "EncoderDecoderCache"),
        ("0.18.0", "4.39.3", "EncoderDecoderCache"),
    ],
)
def test_peft_that_imports_what_is_not_there(peft: str, transformers: str, imports: str) -> None:
    finding = only(judge("HF003", on(peft=peft, transformers=transformers)))
    assert finding.cause == "peft-transformers-mismatch"
    assert imports in finding.detail


@pytest.mark.parametrize(
    ("peft", "transformers"),
    [("0.18.0", "5.0.0"), ("0.17.1", "4.57.6"), ("0.13.2", "4.41.2"), ("0.15.0", "5.0.0")],
)
def test_peft_that_finds_what_it_imports(peft: str, transformers: str) -> None:
    assert judge("HF003", on(peft=peft, transformers=transformers)).outcome == "pass"
    assert judge("HF003", on(peft=peft)).outcome == "skip"


@pytest.mark.parametrize(
    ("peft", "accelerate", "imports"),
    [
        ("0.5.0", "0.20.3", "is_npu_available"),
        ("0.15.0", "0.31.0", "clear_device_cache"),
        ("0.18.1", "0.21.0", "clear_device_cache"),
    ],
)
def test_peft_that_imports_what_accelerate_lacks(peft: str, accelerate: str, imports: str) -> None:
    finding = only(judge("HF003", on(peft=peft, accelerate=accelerate)))
    assert (finding.cause, finding.severity) == ("accelerate-too-old", "error")
    assert imports in finding.detail
    assert "accelerate" in finding.title


@pytest.mark.parametrize(
    ("peft", "accelerate"),
    [("0.4.0", "0.20.3"), ("0.5.0", "0.21.0"), ("0.14.0", "0.31.0"), ("0.15.0", "0.32.0")],
)
def test_peft_that_finds_what_it_imports_from_accelerate(peft: str, accelerate: str) -> None:
    assert judge("HF003", on(peft=peft, accelerate=accelerate)).outcome == "pass"


def test_peft_beside_two_that_are_too_old_is_told_of_both() -> None:
    machine = on(peft="0.18.0", transformers="4.41.2", accelerate="0.30.1")
    causes = {finding.cause for finding in judge("HF003", machine).findings}
    assert causes == {"peft-transformers-mismatch", "accelerate-too-old"}


@pytest.mark.parametrize(
    ("transformers", "name", "version", "cause"),
    [
        ("4.57.6", "huggingface_hub", "1.3.0", "hf-hub-version-conflict"),
        ("5.0.0", "huggingface_hub", "0.36.0", "hf-hub-version-conflict"),
        ("4.56.2", "tokenizers", "0.21.4", "tokenizers-version-conflict"),
        ("4.40.2", "tokenizers", "0.15.2", "tokenizers-version-conflict"),
    ],
)
def test_a_list_without_metadata_is_judged_by_the_table(
    transformers: str, name: str, version: str, cause: str
) -> None:
    finding = only(judge("HF004", on(transformers=transformers, **{name: version})))
    assert (finding.cause, finding.severity) == (cause, "error")


def test_metadata_is_believed_before_the_table() -> None:
    own = Package("transformers", "5.0.0", requires=("huggingface-hub>=0.30",))
    machine = Machine(environment=venv(own, Package("huggingface-hub", "0.36.0")))
    assert judge("HF004", machine).outcome == "pass"


def test_an_accelerate_that_the_trainer_refuses_is_a_warning() -> None:
    own = Package("transformers", "5.0.0", requires=("numpy",))
    machine = Machine(environment=venv(own, Package("accelerate", "0.34.2")))
    finding = only(judge("HF004", machine))
    assert (finding.cause, finding.severity) == ("accelerate-too-old", "warning")


def test_a_trainer_that_imports_more_of_accelerate_than_it_asks_for() -> None:
    for transformers in ("4.43.4", "4.44.2"):  # they say >=0.21.0, and import is_mlu_available
        finding = only(judge("HF004", on(transformers=transformers, accelerate="0.28.0")))
        assert finding.cause == "accelerate-too-old"
    assert judge("HF004", on(transformers="4.42.4", accelerate="0.28.0")).outcome == "pass"
    assert judge("HF004", on(transformers="4.44.2", accelerate="0.29.0")).outcome == "pass"


def test_packages_inside_the_range_pass_and_an_unknown_transformers_is_skipped() -> None:
    fitting = on(transformers="5.0.0", huggingface_hub="1.3.0", tokenizers="0.22.1")
    assert judge("HF004", fitting).outcome == "pass"
    assert judge("HF004", on(transformers="9.9", tokenizers="0.1")).outcome == "skip"
    assert judge("HF004", on(tokenizers="0.1")).outcome == "skip"
