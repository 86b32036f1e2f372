from __future__ import annotations

import pytest

from checks.judging import LINUX, judge, named, only, remedy, venv
from llmdoctor.machine import Machine, Note, Package

WINDOWS_WHEEL = Package("torch", "2.9.1", tags=("cp312-cp312-win_amd64",))


def packages(*texts: str) -> list[Package]:
    return [named(text) for text in texts]


def on(*there: Package, torch: str | None = None) -> Machine:
    return Machine(host=LINUX, environment=venv(*there, torch=torch))


def test_wheels_of_another_platform_and_of_another_python_are_told_apart() -> None:
    other = Package("numpy", "2.3.1", tags=("cp311-cp311-manylinux_2_28_x86_64",))
    verdict = judge("PKG003", on(WINDOWS_WHEEL, other))
    assert [finding.title for finding in verdict.findings] == [
        "Wheels for another platform are installed",
        "Wheels for another Python are installed",
    ]
    assert verdict.findings[0].evidence == ("torch 2.9.1 is for Windows x86_64",)
    assert {finding.cause for finding in verdict.findings} == {"wheel-tag-mismatch"}


def test_a_wheel_for_a_newer_glibc_has_that_cause() -> None:
    newer = Package("torch", "2.9.1", tags=("cp312-cp312-manylinux_2_39_x86_64",))
    assert only(judge("PKG003", on(newer))).cause == "glibc-too-old"


def test_condas_and_editable_packages_say_nothing_by_their_tags() -> None:
    conda = Package("torch", "2.9.1", tags=WINDOWS_WHEEL.tags, installer="conda")
    editable = Package("torch", "2.9.1", tags=WINDOWS_WHEEL.tags, editable=True)
    assert judge("PKG003", on(conda)).outcome == "pass"
    assert judge("PKG003", on(editable)).outcome == "pass"
    report = Machine(environment=venv(), notes=(Note("files", "unsaid", "x"),))
    assert judge("PKG003", report).outcome == "skip"


def test_two_cuda_runtimes_in_one_environment() -> None:
    both = packages("nvidia-cuda-runtime-cu12 12.6.77", "nvidia-cuda-runtime 13.0.96")
    finding = only(judge("PKG004", on(*both, torch="2.11.0+cu130")))
    assert finding.severity == "warning"
    assert "torch uses those of CUDA 13.0" in finding.detail
    assert finding.evidence == ("nvidia-cuda-runtime-cu12 12.6.77", "nvidia-cuda-runtime 13.0.96")


def test_wheels_that_write_the_same_files_are_an_error() -> None:
    both = packages(
        "nvidia-cudnn-cu12 9.10.2.21", "nvidia-cudnn-cu13 9.13.0.50", "nvidia-nccl-cu13 2"
    )
    finding = only(judge("PKG004", on(*both)))
    assert (finding.severity, finding.cause) == ("error", "cublaslt-library-conflict")
    assert "nvidia-cudnn" in finding.detail
    assert len(finding.evidence) == 2


def test_libraries_of_one_cuda_pass() -> None:
    one = packages("nvidia-cuda-runtime-cu12 12.6.77", "nvidia-cudnn-cu12 9.10.2.21")
    new = packages(
        "nvidia-cuda-runtime 13.0.96", "nvidia-cudnn-cu13 9.13.0.50", "nvidia-ml-py 13.5"
    )
    assert judge("PKG004", on(*one)).outcome == "pass"
    assert judge("PKG004", on(*new)).outcome == "pass"


def test_numpy_2_under_what_was_compiled_for_numpy_1() -> None:
    old = packages("numpy 2.1.0", "scipy 1.11.4", "pandas 2.2.3")
    finding = only(judge("PKG005", on(*old, torch="2.2.2+cu121")))
    assert (finding.cause, finding.severity) == ("numpy2-abi", "error")
    assert [text.split(":")[0] for text in finding.evidence] == [
        "scipy 1.11.4",
        "torch 2.2.2+cu121",
        "numpy 2.1.0",
    ]
    assert remedy(finding).commands[0][-1] == "numpy<2"


def test_numpy_1_and_packages_that_were_compiled_for_2_pass() -> None:
    assert judge("PKG005", on(*packages("numpy 1.26.4"), torch="2.2.2+cu121")).outcome == "pass"
    assert judge("PKG005", on(*packages("numpy 2.1.0"), torch="2.3.0+cu121")).outcome == "pass"
    assert judge("PKG005", on(torch="2.2.2")).outcome == "skip"


def test_the_trading_library_called_retention() -> None:
    squat = on(*packages("retention 0.1.2"))
    finding = only(judge("PKG006", squat))
    assert finding.severity == "warning"
    assert "trading" in finding.detail
    assert only(judge("PKG006", squat, "retention")).severity == "error"
    assert judge("PKG006", on(*packages("retention 1.0.7"))).outcome == "pass"


def test_the_windows_fork_of_bitsandbytes() -> None:
    finding = only(judge("PKG006", on(*packages("bitsandbytes-windows 0.37.5"))))
    assert (finding.cause, finding.severity) == ("bnb-unofficial-windows-fork", "error")
    python = "/srv/project/.venv/bin/python"
    assert remedy(finding).commands == (
        ("uv", "pip", "uninstall", "--python", python, "bitsandbytes-windows"),
        ("llmdoctor", "install", "--profile", "bitsandbytes", "--env", "/srv/project/.venv"),
    )


def test_pip_is_told_to_do_what_it_is_there_for() -> None:
    old = packages("numpy 2.1.0")
    uv = remedy(only(judge("PKG005", on(*old, torch="2.2.2")))).commands[0]
    assert uv[:3] == ("uv", "pip", "install")
    pip = remedy(only(judge("PKG005", on(*old, *packages("pip 26.3"), torch="2.2.2")))).commands[0]
    assert pip[1:] == ("-m", "pip", "install", "numpy<2")


@pytest.mark.parametrize("code", ["PKG003", "PKG004", "PKG006"])
def test_an_empty_environment_has_no_misfits(code: str) -> None:
    assert judge(code, on()).outcome == "pass"
