"""DEEP: what loading showed, judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from checks.judging import LINUX, RTX_4090, RTX_5090, driver, judge, only, remedy, venv
from llmdoctor.checks import CHECKS, Case
from llmdoctor.deep import CudaStart, Deep, Device, Import, Loaded
from llmdoctor.explain.causes import causes
from llmdoctor.machine import Environment, Gpu, Host, Machine, Nvidia, Package

CODES = [check.code for check in CHECKS if check.code.startswith("DEEP")]
OK = Import("torch", "ok", "2.9.1+cu126", origin="environment")
STARTED = CudaStart("ok", "12.6", available=True, count=1, architectures=("sm_80", "sm_90"))
ADDS = Device(0, "ok", "NVIDIA GeForce RTX 4090", "8.9", bf16=True)
SITE = "/srv/project/.venv/lib/python3.12/site-packages"


def machine(deep: Deep | None, *packages: Package, gpu: Gpu | None = RTX_4090) -> Machine:
    """A machine with a GPU, its driver and torch, and what a look from inside gave."""
    nvidia = driver("550.54.14", gpu) if gpu else Nvidia()
    environment = venv(*packages, torch="2.9.1+cu126")
    return Machine(host=LINUX, nvidia=nvidia, environment=environment, deep=deep)


def healthy() -> Deep:
    return Deep((OK,), STARTED, (ADDS,))


def failing(module: str, error: str, **more: object) -> Deep:
    return Deep((OK, replace(Import(module, "broken", error=error), **more)), STARTED, (ADDS,))  # type: ignore[arg-type]


@pytest.mark.parametrize("code", CODES)
def test_without_deep_every_check_says_what_was_not_asked_for(code: str) -> None:
    verdict = judge(code, machine(None))
    assert (verdict.outcome, verdict.reason) == ("skip", "not asked for: --deep")


@pytest.mark.parametrize("code", CODES)
def test_a_healthy_look_has_no_finding(code: str) -> None:
    assert judge(code, machine(healthy())).outcome in ("pass", "skip")


@pytest.mark.parametrize("code", CODES)
def test_without_an_environment_nothing_is_said(code: str) -> None:
    bare = Machine(environment=Environment(), deep=Deep(problem="the environment is missing"))
    assert judge(code, bare).outcome == "skip"


def test_a_python_that_does_not_run_is_an_error() -> None:
    deep = Deep(problem="it ended before its first step: exit code 7: no entry")
    found = only(judge("DEEP001", machine(deep)))
    assert "exit code 7: no entry" in found.detail
    assert judge("DEEP005", machine(deep)).outcome == "skip"


# what hides what


def test_a_file_named_torch_is_the_cause_that_torch_cannot_be_imported() -> None:
    found = only(judge("DEEP002", machine(replace(healthy(), beside=("/srv/project/torch.py",)))))
    assert (found.cause, found.severity) == ("torch-not-importable", "error")
    assert found.evidence == ("/srv/project/torch.py",)


def test_a_folder_named_like_another_package_has_no_cause_of_its_own() -> None:
    deep = replace(healthy(), beside=("/srv/project/peft/__init__.py",))
    found = only(judge("DEEP002", machine(deep)))
    assert found.cause is None
    assert "peft" in found.detail


@pytest.mark.parametrize("origin", ["PYTHONPATH", "user site"])
def test_an_import_from_elsewhere_names_the_file(origin: str) -> None:
    other = Import("torch", "ok", "2.1.0", "/home/ann/old/torch/__init__.py", origin)
    found = only(judge("DEEP003", machine(Deep((other,)))))
    assert found.severity == "warning"
    assert found.evidence == (f"torch 2.1.0: /home/ann/old/torch/__init__.py ({origin})",)
    assert ("PYTHONPATH" if origin == "PYTHONPATH" else "PYTHONNOUSERSITE") in remedy(found).summary


def test_the_users_own_packages_are_right_for_a_python_without_environment() -> None:
    there = Import("torch", "ok", "2.9.1", "/home/ann/.local/lib/torch/__init__.py", "user site")
    bare = machine(Deep((there,)))
    bare = replace(bare, environment=replace(bare.environment, kind="system"))
    assert judge("DEEP003", bare).outcome == "pass"


@pytest.mark.parametrize(
    ("installed", "loaded", "outcome"),
    [
        ("2.9.1", "2.9.1+cu126", "pass"),
        ("0.45", "0.45.0", "pass"),
        ("0.45.0", "0.44.1", "fail"),
        ("0.45.0", "unknown", "fail"),
    ],
)
def test_a_version_that_differs_from_the_record_is_a_note(
    installed: str, loaded: str, outcome: str
) -> None:
    deep = Deep((OK, Import("peft", "ok", loaded, origin="environment")))
    verdict = judge("DEEP003", machine(deep, Package("peft", installed)))
    assert verdict.outcome == outcome
    assert all(found.severity == "note" for found in verdict.findings)


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("libnvJitLink.so.12", "nvjitlink-ld-library-path"),
        ("libcublasLt.so.12", "cublaslt-library-conflict"),
        ("libcudnn.so.9", None),
    ],
)
def test_a_library_from_outside_is_named_with_its_place(name: str, cause: str | None) -> None:
    library = Loaded(name, f"/usr/local/cuda/lib64/{name}", inside=False, own=f"{SITE}/{name}")
    seen = machine(replace(healthy(), libraries=(library,)))
    found = only(judge("DEEP004", seen))
    assert (found.cause, found.severity) == (cause, "warning")
    assert found.evidence == (f"/usr/local/cuda/lib64/{name} instead of {SITE}/{name}",)
    broken = replace(failing("torch", "ImportError: symbol"), libraries=(library,))
    set_here = replace(machine(broken), variables={"LD_LIBRARY_PATH": "/usr/local/cuda/lib64"})
    found = only(judge("DEEP004", set_here))
    assert found.severity == "error"
    assert "unset LD_LIBRARY_PATH" in remedy(found).summary


def test_libraries_of_the_system_that_the_environment_does_not_bring_are_right() -> None:
    libraries = (
        Loaded("libcuda.so.1", "/usr/lib/x86_64-linux-gnu/libcuda.so.550.54.14", inside=False),
        Loaded("libcudart.so.12", f"{SITE}/a", inside=True, own=f"{SITE}/a"),
    )
    assert judge("DEEP004", machine(replace(healthy(), libraries=libraries))).outcome == "pass"


# how imports went


@pytest.mark.parametrize(
    ("module", "error", "cause"),
    [
        (
            "flash_attn_2_cuda",
            f"ImportError: {SITE}/flash_attn_2_cuda.so: undefined symbol: _ZN3c104cuda9SetDeviceEi",
            "ext-abi-mismatch",
        ),
        (
            "torch",
            f"ImportError: {SITE}/nvidia/cusparse/lib/libcusparse.so.12: undefined symbol: __nvJitLinkComplete_12_4, version libnvJitLink.so.12",
            "nvjitlink-ld-library-path",
        ),
        ("torch", "OSError: something that nobody has seen", "torch-not-importable"),
        ("deepspeed", "ValueError: something that nobody has seen", None),
    ],
)
def test_the_text_of_an_error_names_the_cause(module: str, error: str, cause: str | None) -> None:
    deep = failing(module, error, frames=("__init__.py:4", "inner.py:2"))
    found = only(judge("DEEP005", machine(deep)))
    assert found.cause == cause
    assert (cause is None) or cause in causes()
    assert error.splitlines()[0] in found.detail
    assert "at inner.py:2" in found.evidence
    assert found.remedy is not None


def test_one_error_of_several_packages_is_one_finding() -> None:
    error = "ImportError: cannot import name 'HybridCache' from 'transformers'"
    broken = [Import(name, "broken", error=error) for name in ("peft", "accelerate")]
    found = only(judge("DEEP005", machine(Deep((OK, *broken)))))
    assert found.title == "peft cannot be imported"
    assert "The same happens to accelerate." in found.detail
    assert found.cause == "peft-transformers-mismatch"


def test_a_recorded_package_that_python_does_not_find_is_an_error_and_an_absent_one_is_not() -> (
    None
):
    gone = Import("torch", "missing", error="ModuleNotFoundError: No module named 'torch'")
    assert only(judge("DEEP005", machine(Deep((gone,))))).cause == "torch-not-importable"
    bare = replace(machine(Deep((gone,))), environment=venv())
    assert judge("DEEP005", bare).outcome == "pass"


@pytest.mark.parametrize(("code", "outcome"), [("DEEP006", "crash"), ("DEEP007", "timeout")])
def test_an_import_that_ended_python_shows_its_last_words(code: str, outcome: str) -> None:
    said = 'noise\nFatal Python error: Segmentation fault\n\nThread 1:\n  File "/a/b.py", line 2\n'
    died = Import("torch", outcome, error="killed by signal 11", said=said)  # type: ignore[arg-type]
    found = only(judge(code, machine(Deep((died,)))))
    assert "killed by signal 11" in found.detail
    assert "not tried" in found.detail
    assert found.evidence[0] == "Fatal Python error: Segmentation fault"
    assert (
        judge({"DEEP006": "DEEP007"}.get(code, "DEEP006"), machine(Deep((died,)))).outcome == "pass"
    )


NUMPY_2 = """
A module that was compiled using NumPy 1.x cannot be run in
NumPy 2.3.5 as it may crash. To support both 1.x and 2.x
versions of NumPy, modules must be compiled with NumPy 2.0.
"""


def test_an_import_that_works_and_warns_of_a_known_defect_is_a_warning() -> None:
    loud = replace(OK, said=NUMPY_2)
    found = only(judge("DEEP008", machine(Deep((loud, replace(loud, module="peft"))))))
    assert (found.cause, found.severity) == ("numpy2-abi", "warning")


@pytest.mark.parametrize("said", ["loading ...", "FutureWarning: `x` is deprecated", ""])
def test_chatter_is_no_finding(said: str) -> None:
    assert judge("DEEP008", machine(Deep((replace(OK, said=said),)))).outcome == "pass"


def test_what_a_package_says_about_the_gpu_that_is_not_there_is_no_news() -> None:
    warned = "UserWarning: CUDA initialization: Found no NVIDIA driver on your system."
    loud = replace(OK, warnings=(warned,))
    assert judge("DEEP008", machine(Deep((loud,)), gpu=None)).outcome == "pass"


# CUDA


def started(**fields: object) -> Machine:
    return machine(replace(healthy(), cuda=replace(STARTED, **fields)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 802: system not yet initialized",
            "fabricmanager-802",
        ),
        (
            "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. changing env variable CUDA_VISIBLE_DEVICES after program start.",
            "cuda-unknown-error-999",
        ),
        ("RuntimeError: nobody has seen this", "cuda-init-error"),
    ],
)
def test_why_cuda_does_not_start_is_read_from_its_message(error: str, cause: str) -> None:
    found = only(judge("DEEP009", started(outcome="broken", available=False, error=error)))
    assert found.cause == cause
    assert cause in causes()


def test_the_warning_before_the_error_knows_more() -> None:
    warned = (
        "UserWarning: CUDA initialization: The NVIDIA driver on your system is too old (found "
        "version 11040). Please update your GPU driver"
    )
    seen = started(outcome="broken", available=False, warnings=(warned,), error="RuntimeError: No")
    found = only(judge("DEEP009", seen))
    assert found.cause == "driver-too-old"
    assert "too old" in found.detail


def test_a_start_that_ends_python_is_titled_so() -> None:
    seen = started(outcome="crash", available=None, error="killed by signal 11")
    assert only(judge("DEEP009", seen)).title == "Starting CUDA ends Python"


@pytest.mark.parametrize("code", ["DEEP009", "DEEP010", "DEEP011"])
@pytest.mark.parametrize(
    ("changed", "names", "reason"),
    [
        ({"gpu": None}, (), "no NVIDIA GPU is visible"),
        ({}, ("cpu",), "CPU profile"),
        ({"cuda": CudaStart("ok", available=False)}, (), "not a CUDA build"),
        ({"cuda": None}, (), "not imported"),
    ],
)
def test_where_no_gpu_can_be_used_its_failure_says_nothing(
    code: str, changed: dict[str, object], names: tuple[str, ...], reason: str
) -> None:
    failed = replace(STARTED, outcome="broken", available=False, error="RuntimeError: no")
    deep = Deep((OK,), changed.get("cuda", failed), ())  # type: ignore[arg-type]
    verdict = judge(code, machine(deep, gpu=None if "gpu" in changed else RTX_4090), *names)
    assert verdict.outcome == "skip"
    assert reason in (verdict.reason or "")


@pytest.mark.parametrize(
    ("codes", "capability", "cause"),
    [
        (("sm_80", "sm_90"), "12.0", "gpu-too-new-for-torch"),
        (("sm_75", "sm_90"), "6.1", "gpu-dropped-by-torch"),
        (("sm_80", "sm_90", "compute_90"), "12.0", None),
        (("sm_80", "sm_86"), "8.9", None),
        (("sm_100", "sm_120"), "12.0", None),
    ],
)
def test_the_real_list_of_architectures_is_held_against_each_gpu(
    codes: tuple[str, ...], capability: str, cause: str | None
) -> None:
    gpu = Device(
        0, "broken", "a GPU", capability, error="RuntimeError: CUDA error: no kernel image"
    )
    equal = (gpu, replace(gpu, index=1))
    seen = machine(Deep((OK,), replace(STARTED, architectures=codes), equal), gpu=RTX_5090)
    verdict = judge("DEEP010", seen)
    if cause is None:
        assert verdict.outcome == "pass"
        return
    assert only(verdict).cause == cause
    assert judge("DEEP011", seen).outcome == "pass", "it follows from that"


def test_what_the_table_knows_of_this_torch_is_left_to_the_table() -> None:
    from llmdoctor.tables import torch_release

    table = torch_release("2.9.1").architectures("cu126", "linux", "x86_64")
    assert table
    codes = tuple(f"sm_{code.replace('.', '')}" for code in table)
    seen = machine(Deep((OK,), replace(STARTED, architectures=codes), ()))
    assert "GPU003" in (judge("DEEP010", seen).reason or "")


@pytest.mark.parametrize(
    ("outcome", "error", "title"),
    [
        ("broken", "RuntimeError: CUDA error: out of memory", "A kernel fails on a GPU"),
        ("crash", "killed by signal 11", "A kernel ends Python on a GPU"),
        ("timeout", "took longer than 180 s", "A kernel ends Python on a GPU"),
    ],
)
def test_a_kernel_that_does_not_come_back_is_an_error(outcome: str, error: str, title: str) -> None:
    gpu = replace(ADDS, outcome=outcome, error=error)  # type: ignore[arg-type]
    found = only(judge("DEEP011", machine(Deep((OK,), STARTED, (gpu,)))))
    assert (found.title, found.severity) == (title, "error")
    assert error in found.detail


def test_equal_gpus_that_fail_alike_are_one_finding_which_names_both() -> None:
    gpus = tuple(
        replace(ADDS, index=number, outcome="broken", error="RuntimeError: CUDA error: unknown")
        for number in (0, 1)
    )
    found = only(judge("DEEP011", machine(Deep((OK,), STARTED, gpus))))
    assert [line[:5] for line in found.evidence if line.startswith("GPU")] == ["GPU 0", "GPU 1"]


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (("libcudart.so.12", "libcudart.so.13"), "binary-needs-other-cuda-major"),
        (("libcudart.so.12", "libcudart.so.12"), None),
    ],
)
def test_two_cuda_runtimes_are_a_warning(names: tuple[str, ...], cause: str | None) -> None:
    loaded = tuple(Loaded(name, f"{SITE}/{n}/{name}", True) for n, name in enumerate(names))  # noqa: FBT003
    found = only(judge("DEEP012", machine(replace(healthy(), libraries=loaded))))
    assert (found.cause, found.severity) == (cause, "warning")
    one = machine(replace(healthy(), libraries=loaded[:1]))
    assert judge("DEEP012", one).outcome == "pass"


def test_every_cause_that_these_checks_name_themselves_is_known() -> None:
    from llmdoctor.checks import deep, deep_gpu, deep_imports

    source = "".join(
        Path(str(module.__file__)).read_text() for module in (deep, deep_gpu, deep_imports)
    )
    known = [slug for slug in causes() if f'"{slug}"' in source]
    assert len(known) >= 10
    for slug in deep_imports._BETWEEN_PACKAGES:
        assert slug in causes()


def test_a_check_that_crashes_on_nothing_is_none() -> None:
    """Every outcome with nothing said is judged all the same."""
    for outcome in ("ok", "missing", "broken", "crash", "timeout"):
        bare = Deep(
            (Import("torch", outcome),),
            CudaStart("broken", "12.6"),
            (Device(0, "broken"),),
        )
        for code in CODES:
            assert judge(code, machine(bare)).outcome != "crash", (code, outcome)


def test_a_windows_machine_is_judged_too() -> None:
    deep = replace(healthy(), beside=("C:\\work\\torch.py",))
    seen = replace(machine(deep), host=Host("windows", "x86_64"))
    assert "torch" in only(judge("DEEP002", seen)).detail
    assert Case(seen).wants_gpu
