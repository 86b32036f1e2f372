from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from checks.judging import LINUX, WINDOWS, judge, only, remedy, venv
from llmdoctor.checks._versions import allows, split_requirement
from llmdoctor.machine import Environment, Machine, Package


def on(*packages: Package, **changes: object) -> Machine:
    return Machine(host=LINUX, environment=replace(venv(*packages), **changes))  # type: ignore[arg-type]


def test_leftovers_are_moved_out_of_site_packages() -> None:
    machine = on(leftovers=("/e/sp2/~orch-2.9.1.dist-info",))
    there = replace(machine.environment, path="/e", site_packages=("/e/sp", "/e/sp2"))
    finding = only(judge("PKG001", replace(machine, environment=there)))
    assert finding.evidence == ("/e/sp2/~orch-2.9.1.dist-info",)
    assert remedy(finding).commands == (("mv", "/e/sp2/~orch-2.9.1.dist-info", "/e"),)


def test_leftovers_are_moved_on_windows_by_a_program_that_is_there() -> None:
    environment = replace(venv(), path="C:\\e", leftovers=("C:\\e\\Lib\\~orch-2.9.1.dist-info",))
    finding = only(judge("PKG001", Machine(host=WINDOWS, environment=environment)))
    assert remedy(finding).commands == (
        ("cmd", "/c", "move", "C:\\e\\Lib\\~orch-2.9.1.dist-info", "C:\\e"),
    )


def test_a_package_recorded_twice_in_one_version_harms_nobody() -> None:
    machine = on(Package("idna", "3.4"), Package("idna", "3.4"))
    assert judge("PKG001", machine).outcome == "pass"


def test_a_package_recorded_twice_names_both_versions() -> None:
    machine = on(Package("idna", "3.4"), Package("idna", "3.20"))
    assert only(judge("PKG001", machine)).evidence == ("idna 3.4 and 3.20",)


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
