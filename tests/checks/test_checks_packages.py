from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from checks.judging import LINUX, RTX_4090, WINDOWS, driver, judge, named, only, remedy, venv
from llmdoctor.checks._versions import allows, split_requirement
from llmdoctor.machine import Environment, Machine, Note, Package


def on(*packages: Package, **changes: object) -> Machine:
    return Machine(host=LINUX, environment=replace(venv(*packages), **changes))  # type: ignore[arg-type]


def test_leftovers_are_moved_out_of_site_packages() -> None:
    machine = on(leftovers=("/e/sp2/~orch-2.9.1.dist-info",))
    there = replace(machine.environment, path="/e", site_packages=("/e/sp", "/e/sp2"))
    finding = only(judge("PKG008", replace(machine, environment=there)))
    assert finding.evidence == ("/e/sp2/~orch-2.9.1.dist-info",)
    assert remedy(finding).commands == (("mv", "/e/sp2/~orch-2.9.1.dist-info", "/e"),)


def test_leftovers_are_moved_on_windows_by_a_program_that_is_there() -> None:
    environment = replace(venv(), path="C:\\e", leftovers=("C:\\e\\Lib\\~orch-2.9.1.dist-info",))
    finding = only(judge("PKG008", Machine(host=WINDOWS, environment=environment)))
    assert remedy(finding).commands == (
        ("cmd", "/c", "move", "C:\\e\\Lib\\~orch-2.9.1.dist-info", "C:\\e"),
    )


def test_a_package_recorded_twice_in_one_version_harms_nobody() -> None:
    machine = on(Package("idna", "3.4"), Package("idna", "3.4"))
    assert judge("PKG009", machine).outcome == "pass"


def test_a_package_recorded_twice_names_both_versions() -> None:
    machine = on(Package("idna", "3.4"), Package("idna", "3.20"))
    assert only(judge("PKG009", machine)).evidence == ("idna 3.4 and 3.20",)


def test_a_package_without_record_is_reinstalled_in_the_same_version() -> None:
    finding = only(judge("PKG001", on(Package("attrs", "26.1.0", record=False))))
    assert remedy(finding).commands[0][-1] == "attrs==26.1.0"


def test_conda_and_system_packages_need_no_record_and_a_clean_environment_passes() -> None:
    bare = Package("attrs", "26.1.0", record=False)
    assert judge("PKG001", on(replace(bare, installer="conda"))).outcome == "pass"
    assert judge("PKG001", on(bare, kind="system")).outcome == "pass"
    assert judge("PKG001", on(Package("attrs", "26.1.0"))).outcome == "pass"


@pytest.mark.parametrize(
    ("package", "requires", "other", "cause"),
    [
        ("transformers", "huggingface-hub<2.0,>=1.3.0", "0.36.0", "hf-hub-version-conflict"),
        ("transformers", "tokenizers<=0.23.0,>=0.22.0", "0.21.4", "tokenizers-version-conflict"),
        ("peft", "transformers>=4.56", "4.40.0", "peft-transformers-mismatch"),
        ("torchvision", "torch==2.9.1", "2.8.0", "torchvision-torch-mismatch"),
        ("xformers", "torch (==2.9.1)", "2.8.0", "xformers-torch-mismatch"),
    ],
)
def test_packages_that_do_not_fit(package: str, requires: str, other: str, cause: str) -> None:
    name = requires.partition("<")[0].partition(">")[0].partition("=")[0].partition("(")[0].strip()
    machine = on(Package(package, "5.0.0", requires=(requires,)), Package(name, other))
    finding = only(judge("PKG002", machine))
    assert (finding.cause, finding.severity) == (cause, "error")
    assert f"{name} {other}" in finding.evidence


def test_packages_that_fit_pass_whatever_the_local_version() -> None:
    torchvision = Package("torchvision", "0.24.1", requires=("torch==2.9.1", "numpy", "pillow!=8"))
    machine = on(torchvision, Package("torch", "2.9.1+cu126"), Package("numpy", "2.3.1"))
    assert judge("PKG002", machine).outcome == "pass"
    assert judge("PKG002", on(Package("numpy", "2.3.1"))).outcome == "skip"


def test_a_requirement_of_an_extra_or_of_another_system_does_not_count() -> None:
    requires = ('torch>=99; extra == "torch"', 'numpy>=99; sys_platform == "win32"')
    machine = on(Package("transformers", "5.0.0", requires=requires), Package("torch", "2.9.1"))
    assert judge("PKG002", machine).outcome == "pass"


def test_markers_are_those_of_the_patient() -> None:
    package = Package("peft", "0.18.0", requires=('numpy>=2; python_version >= "3.13"',))
    old = Package("numpy", "1.26.4")
    assert judge("PKG002", on(package, old, version="3.13.1")).outcome == "fail"
    assert judge("PKG002", on(package, old, version="3.12.1")).outcome == "pass"


def test_a_missing_requirement_is_an_error_and_a_missing_torch_has_its_own_check() -> None:
    machine = on(Package("peft", "0.18.0", requires=("safetensors", "torch>=1.13")))
    finding = only(judge("PKG002", machine))
    assert (finding.title, finding.cause) == ("peft misses safetensors", "safetensors-missing")


def test_a_package_without_metadata_is_named_with_what_is_missing() -> None:
    finding = only(judge("PKG001", on(Package("attrs", "26.1.0", metadata=False))))
    assert finding.evidence == ("attrs 26.1.0: no METADATA",)


def test_a_package_whose_files_are_gone_is_an_error_in_conda_too() -> None:
    gone = Package("peft", "0.18.0", present=False)
    finding = only(judge("PKG001", on(gone, kind="conda")))
    assert (finding.severity, finding.evidence) == ("error", ("peft 0.18.0",))
    assert judge("PKG001", on(gone, kind="system")).outcome == "pass"


def test_where_there_is_no_pip_uv_reinstalls() -> None:
    bare = Package("attrs", "26.1.0", record=False)
    assert remedy(only(judge("PKG001", on(bare)))).commands[0][:3] == ("uv", "pip", "install")
    with_pip = on(bare, Package("pip", "26.3"))
    assert remedy(only(judge("PKG001", with_pip))).commands[0][1:3] == ("-m", "pip")


def test_what_a_report_leaves_out_is_skipped_not_passed() -> None:
    machine = replace(on(Package("peft", "0.18.0")), notes=(Note("files", "unsaid", "x"),))
    assert [judge(code, machine).outcome for code in ("PKG001", "PKG002")] == ["skip", "skip"]


@pytest.mark.parametrize(
    ("library", "version", "cause", "severity"),
    [
        ("nvidia-nvjitlink-cu12", "12.1.105", "nvjitlink-ld-library-path", "error"),
        ("nvidia-cudnn-cu12", "8.9.2.26", None, "warning"),
        ("nvidia-nccl-cu12", "2.29.1", None, "note"),  # newer: often on purpose
    ],
)
def test_cuda_libraries_that_are_not_those_of_torch(
    library: str, version: str, cause: str | None, severity: str
) -> None:
    pins = {
        "nvidia-nvjitlink-cu12": "12.6.85",
        "nvidia-cudnn-cu12": "9.5.1.17",
        "nvidia-nccl-cu12": "2.27.5",
    }
    marker = 'platform_system == "Linux" and platform_machine == "x86_64"'
    torch = Package("torch", "2.9.1", requires=(f"{library}=={pins[library]}; {marker}",))
    finding = only(judge("PKG002", on(torch, Package(library, version))))
    assert (finding.cause, finding.severity) == (cause, severity)
    assert judge("PKG002", on(torch, Package(library, pins[library]))).outcome == "pass"


def test_a_missing_cuda_library_is_an_error_and_a_missing_triton_is_by_design() -> None:
    torch = Package("torch", "2.9.1", requires=("nvidia-cudnn-cu12==9.5.1.17", "triton==3.5.1"))
    finding = only(judge("PKG002", on(torch)))
    assert (finding.title, finding.severity) == ("torch misses nvidia-cudnn-cu12", "error")


def test_a_package_that_forbids_numpy_2_has_that_cause() -> None:
    package = Package("deepspeed", "0.14.0", requires=("numpy<2",))
    finding = only(judge("PKG002", on(package, Package("numpy", "2.1.0"))))
    assert (finding.cause, finding.severity) == ("numpy2-abi", "warning")
    other = Package("mistral-common", "1.13.1", requires=("numpy<2.4",))
    finding = only(judge("PKG002", on(other, Package("numpy", "2.4.1"))))
    assert (finding.cause, finding.severity) == (None, "warning")


def test_vllm_was_compiled_for_the_torch_that_it_pins() -> None:
    vllm = Package("vllm", "0.11.0", requires=("torch==2.8.0",))
    finding = only(judge("PKG002", on(vllm, Package("torch", "2.9.1"))))
    assert (finding.cause, finding.severity) == ("ext-abi-mismatch", "error")


FULL = tuple(
    named(text)
    for text in ("torch 2.9.1+cu126", "transformers 5.0.0", "peft 0.18.0", "accelerate 1.12.0")
)


def gpu(*packages: Package) -> Machine:
    environment = venv(*packages)
    return Machine(host=LINUX, nvidia=driver("580.65.06", RTX_4090), environment=environment)


def test_a_wanted_package_that_is_missing_is_said() -> None:
    finding = only(judge("PKG007", gpu(*FULL), "mainline", "flashattn"))
    assert (finding.cause, finding.severity) == ("flash-attn-requested-not-installed", "error")
    assert finding.evidence == ("flash-attn is not installed",)
    mamba = only(judge("PKG007", gpu(*FULL), "mamba"))
    assert mamba.evidence == ("causal-conv1d is not installed", "mamba-ssm is not installed")
    assert mamba.cause is None


def test_what_is_wanted_and_there_passes() -> None:
    assert judge("PKG007", gpu(*FULL), "mainline").outcome == "pass"
    assert judge("PKG007", gpu(*FULL, Package("flash-attn", "2.8.3")), "flashattn").outcome == (
        "pass"
    )


def test_a_module_name_is_not_taken_for_a_package(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\nextends = "mainline"\nimports = ["PIL"]\n[[packages]]\nname = "pillow"\n'
    )
    assert judge("PKG007", gpu(*FULL, Package("pillow", "11.0.0")), str(path)).outcome == "pass"
    finding = only(judge("PKG007", gpu(*FULL[:2]), str(path)))
    assert finding.evidence == ("accelerate is not installed", "peft is not installed")


def test_nothing_is_missed_without_a_wish_without_torch_or_where_it_cannot_fit() -> None:
    assert judge("PKG007", gpu(*FULL)).outcome == "skip"
    assert "TORCH001" in (judge("PKG007", gpu(), "flashattn").reason or "")
    no_gpu = Machine(host=LINUX, environment=venv(*FULL))
    assert judge("PKG007", no_gpu, "flashattn").outcome == "skip"
    listed = replace(gpu(*FULL), notes=(Note("packages", "unsaid", "x"),))
    assert judge("PKG007", listed, "flashattn").outcome == "skip"


MARKERS = st.sampled_from(
    [
        'platform_system == "Linux"',
        "platform_system == 'Linux' and platform_machine == 'x86_64'",
        '(platform_system != "Windows") and python_version < "3.13"',
        'python_version >= "3.10" and python_full_version < "3.12.4"',
        'sys_platform == "win32" or python_version < "3.9"',
        'python_version in "3.11 3.12"',
        '"linux" in sys_platform',
        'platform_machine == "aarch64" and extra == "x"',
    ]
)


@given(MARKERS, st.sampled_from(["3.9.1", "3.11.9", "3.12.4", "3.13.0"]), st.booleans())
def test_markers_are_judged_as_packaging_judges_them(marker: str, python: str, linux: bool) -> None:
    variables = {
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
        "sys_platform": "linux" if linux else "win32",
        "platform_system": "Linux" if linux else "Windows",
        "platform_machine": "x86_64" if linux else "AMD64",
        "extra": "",
    }
    expected = Marker(marker).evaluate(dict(variables))
    assert (split_requirement(f"six; {marker}", variables) is not None) is expected


RELEASES = st.lists(st.integers(0, 30), min_size=1, max_size=3).map(
    lambda numbers: ".".join(map(str, numbers))
)
CLAUSES = st.tuples(st.sampled_from([">=", "<=", "==", "!=", "<", ">"]), RELEASES).map("".join)


@given(st.lists(CLAUSES, min_size=1, max_size=3).map(",".join), RELEASES, st.booleans())
def test_plain_specifiers_are_judged_as_packaging_judges_them(
    specifier: str, version: str, local: bool
) -> None:
    version += "+cu126" if local else ""
    expected = SpecifierSet(specifier).contains(version, prereleases=True)
    assert allows(specifier, version) is expected


@pytest.mark.parametrize(
    ("specifier", "inside", "outside"),
    [
        ("^3.12", "3.14.1", "4.0"),
        ("^0.3", "0.3.9", "0.4"),
        ("~3.12", "3.12.9", "3.13"),
        ("3.12.*", "3.12.9", "3.13"),
        ("3.12", "3.12.0", "3.12.1"),
        ("~=2.2", "2.9", "3.0"),
        (">=3.10 <3.13", "3.12", "3.13"),
        ("~2.7 || ^3.10", "3.11", "3.9"),
        (">=5.0.0rc1", "5.0.0rc2", "4.57.1"),
    ],
)
def test_specifiers_of_poetry_and_pep_440(specifier: str, inside: str, outside: str) -> None:
    assert allows(specifier, inside) is True
    assert allows(specifier, outside) is False


def test_everything_is_allowed_by_a_star_or_nothing() -> None:
    assert allows("*", "3.12") is True
    assert allows("", "3.12") is True


def test_a_specifier_that_cannot_be_read_is_neither_yes_nor_no() -> None:
    assert allows("three", "3.12") is None
    assert allows(">=3", "three") is None


def test_requirements_are_split_and_strange_ones_left_alone() -> None:
    assert split_requirement("Huggingface_Hub[cli] >=0.25", {}) == ("huggingface-hub", ">=0.25")
    assert split_requirement("torch @ https://example.org/torch.whl", {}) is None
    assert split_requirement('torch; nonsense == "x"', {}) is None


def test_an_environment_without_packages_is_not_judged() -> None:
    assert judge("PKG002", Machine(environment=Environment())).outcome == "skip"
