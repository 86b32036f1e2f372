from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from checks.judging import LINUX, MACOS, RTX_4090, case, driver, venv
from llmdoctor.checks import CHECKS, Case, Check, run_checks
from llmdoctor.checks._framework import Answer, Skip, check, finding
from llmdoctor.errors import UsageError
from llmdoctor.finding import Finding
from llmdoctor.machine import Machine, Note, Package, Tool

FAMILIES = {
    "host": ("HOST",),
    "surroundings": ("HOST",),
    "driver": ("DRV",),
    "driver_state": ("DRV",),
    "driver_version": ("DRV",),
    "gpu": ("GPU",),
    "gpu_sharing": ("GPU",),
    "compat": ("DRV",),
    "cuda": ("CUDA",),
    "compilers": ("CUDA",),
    "shadowing": ("CUDA",),
    "python": ("PY",),
    "intruders": ("PY",),
    "around": ("PY",),
    "torch": ("TORCH",),
    "packages": ("PKG",),
    "records": ("PKG",),
    "misfits": ("PKG",),
    "network": ("NET",),
    "extensions": ("EXT",),
    "bitsandbytes": ("EXT",),
    "kernels": ("EXT",),
    "attention": ("ATTN",),
    "transformers": ("HF",),
    "deep": ("DEEP",),
    "deep_gpu": ("DEEP",),
    "deep_imports": ("DEEP",),
    "messages": ("LOG",),
    "locked": ("LOCK",),
    "poetry": ("POETRY", "LOCK"),
    "poetry_use": ("POETRY",),
    "project": ("PROJ",),
    "profile": ("PROFILE",),
}


@check("TEST001", cause="a-cause", readers=("host",))
def example(case: Case) -> Answer:
    """Something is wrong.

    What: Looks.

    Why: It matters
    a lot.

    Remedy: Do this: that.

    Known problems: None.
    """
    return finding(example, "seen") if case.machine.host.wsl else None


@check("TEST002", cause=None)
def crashing(case: Case) -> Answer:
    """A check with a mistake in it."""
    raise ValueError("a mistake")


@check("TEST003", cause=None)
def crashing_late(case: Case) -> Iterator[Finding]:
    """A check that finds something before its mistake."""
    yield finding(example, "seen")
    raise KeyError("late")


@check("TEST004", cause=None)
def skipping(case: Case) -> Answer:
    """A check whose question does not arise."""
    return Skip("not here")


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.code)
def test_every_check_is_documented(one: Check) -> None:
    assert 10 <= len(one.title) <= 70, one.title
    assert not one.title.endswith(".")
    assert list(one.sections) == ["What", "Why", "Remedy", "Known problems"]
    assert all(text.endswith(".") and len(text) > 15 for text in one.sections.values())


def test_codes_are_unique_and_every_check_of_a_family_module_is_in_the_list() -> None:
    codes = [one.code for one in CHECKS]
    assert len(set(codes)) == len(codes) > 20
    declared = {
        value.code: name
        for name in FAMILIES
        for value in vars(importlib.import_module(f"llmdoctor.checks.{name}")).values()
        if isinstance(value, Check)
    }
    assert set(declared) == set(codes)
    for code, module in declared.items():
        assert re.fullmatch(rf"({'|'.join(FAMILIES[module])})\d{{3}}", code), (code, module)


def test_checks_run_from_the_hardware_up() -> None:
    families = list(dict.fromkeys(one.code.rstrip("0123456789") for one in CHECKS))
    order = "HOST NET DRV GPU CUDA PY TORCH PKG EXT ATTN HF DEEP POETRY LOCK PROJ PROFILE LOG"
    assert families == order.split()


def test_readers_are_fields_of_the_machine() -> None:
    # and what a report can leave out of one: see `ingest.assemble`
    known = {
        *Machine.__dataclass_fields__,
        "driver",
        "files",
        "library",
        "lock",
        "packages",
        "pci",
        "torch",
    }
    assert {reader for one in CHECKS for reader in one.readers} <= known


def test_documentation_is_split_into_its_sections() -> None:
    assert example.title == "Something is wrong"
    assert example.sections["Why"] == "It matters a lot."
    assert example.sections["Remedy"] == "Do this: that."


def test_a_finding_takes_what_the_check_declares() -> None:
    found = finding(example, "seen", evidence=["one"])
    assert (found.code, found.cause, found.severity) == ("TEST001", "a-cause", "error")
    assert (found.title, found.evidence) == ("Something is wrong", ("one",))


def test_a_crash_is_one_verdict_and_never_the_end() -> None:
    assert crashing.run(Case(Machine())).reason == "ValueError: a mistake"
    late = crashing_late.run(Case(Machine()))
    assert (late.outcome, late.findings) == ("crash", ())


def test_pass_and_skip_are_told_apart() -> None:
    assert example.run(Case(Machine())).outcome == "pass"
    assert skipping.run(Case(Machine())).reason == "not here"


def test_a_check_without_its_look_is_skipped_with_the_reason() -> None:
    noted = Machine(notes=(Note("host", "timeout", "uname took too long"),))
    assert example.run(Case(noted)).reason == "could not look: uname took too long"


def test_every_reader_that_failed_skips_its_checks() -> None:
    readers = sorted({reader for one in CHECKS for reader in one.readers})
    notes = tuple(Note(reader, "denied", "no permission") for reader in readers)
    verdicts = run_checks(case(Machine(notes=notes), "cpu"))
    passed = [verdict.code for verdict in verdicts if verdict.outcome != "skip"]
    assert passed == ["PROFILE001"]  # asks the resolver, and needs no look


def test_select_and_ignore_take_prefixes() -> None:
    chosen = run_checks(Case(Machine()), select=["DRV", "gpu001"], ignore=["DRV00"])
    assert [verdict.code for verdict in chosen] == [
        *("DRV011", "DRV012", "DRV013", "DRV014", "DRV015", "DRV010", "DRV016"),
        "GPU001",
    ]
    assert len(run_checks(Case(Machine()))) == len(CHECKS)


@pytest.mark.parametrize("wrong", ["DVR", "TORCH999", ""])
def test_an_unknown_prefix_is_a_usage_error_with_the_nearest_code(wrong: str) -> None:
    with pytest.raises(UsageError) as caught:
        run_checks(Case(Machine()), select=[wrong])
    assert caught.value.next_command == "llmdoctor check --list"
    if wrong:
        assert "did you mean" in caught.value.message


def test_a_misspelled_ignore_is_refused_too() -> None:
    with pytest.raises(UsageError, match="did you mean 'POETRY"):
        run_checks(Case(Machine()), ignore=["POERTY"])


def test_a_healthy_machine_has_no_finding_and_no_crash() -> None:
    packages = {
        "transformers": "5.0.0",
        "peft": "0.18.0",
        "accelerate": "1.12.0",
        "flash-attn": "2.8.3+cu12torch2.9cxx11abitrue",
        "torchvision": "0.24.1+cu126",
        "triton": "3.5.1",
        "numpy": "2.3.5",
        "bitsandbytes": "0.49.2",
    }
    machine = Machine(
        host=LINUX,
        nvidia=driver("550.54.14", RTX_4090),
        compilers=(Tool("gcc", "/usr/bin/gcc", "11.4.0"),),
        environment=venv(*map(Package, packages, packages.values()), torch="2.9.1+cu126"),
    )
    for names in ((), ("mainline",), ("mainline", "flashattn")):
        verdicts = run_checks(case(machine, *names))
        assert [v for v in verdicts if v.outcome not in ("pass", "skip")] == []


def test_judging_imports_no_torch_and_no_packaging_where_plain_numbers_do() -> None:
    program = (
        "import sys\n"
        "from llmdoctor.checks import Case, capabilities, run_checks\n"
        "from llmdoctor.machine import Environment, Machine, Package, Torch\n"
        'odd = \'hf-xet>=1.6; platform_machine == "x86_64" or platform_machine == "arm64"\'\n'
        "requires = (odd, 'huggingface-hub<2.0,>=1.3', 'numpy>=1.17', 'safetensors', 'torch>=2.4; extra == \"torch\"')\n"
        "packages = (Package('transformers', '5.0.0', requires), Package('numpy', '2.3.1'), Package('safetensors', '0.7.0'))\n"
        "torch = Torch('2.9.1+cu126', '12.6')\n"
        "e = Environment('venv', '.venv', version='3.12.1', packages=packages, torch=torch)\n"
        "case = Case(Machine(environment=e))\n"
        "run_checks(case), capabilities(case)\n"
        "heavy = {'torch', 'packaging', 'subprocess', 'logging', 'tomlkit', 'rich', 'typer'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_mac_without_a_wish_has_notes_only() -> None:
    verdicts = run_checks(case(Machine(host=MACOS, environment=venv(torch="2.9.1"))))
    assert {found.severity for verdict in verdicts for found in verdict.findings} == {"note"}
