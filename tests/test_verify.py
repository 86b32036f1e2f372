"""What was installed is there, whole, and the build that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmdoctor.plan import Verify
from llmdoctor.probe import look_at_environment
from llmdoctor.system.local import Local
from llmdoctor.verify import damaged, imports, problems
from support.venvs import install_fake_dist, install_fake_torch, make_venv, python_of, site_packages

NAMES = ("torch", "peft")


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    folder = make_venv(tmp_path / "v", with_pip=False)
    install_fake_torch(folder, "2.9.1", "12.6")
    install_fake_dist(folder, "peft", "1.0", files={"peft/__init__.py": "x = 1\n"})
    install_fake_dist(folder, "mine", "1.0", files={"mine/__init__.py": "x = 1\n"})
    return folder


def found(venv: Path, variant: str | None = "cu126") -> frozenset[str]:
    system = Local()
    return damaged(system, look_at_environment(system, str(venv)), NAMES, variant)


def refused(venv: Path, variant: str | None = "cu126") -> tuple[str, ...]:
    expect = {"torch": "2.9.1+cu126", "peft": "1.0"}
    step = Verify("", str(venv), expect, variant=variant)
    return tuple(f"  {problem.text}" for problem in problems(Local(), step))


def test_a_whole_environment_has_nothing_damaged(venv: Path) -> None:
    assert found(venv) == frozenset()
    assert refused(venv) == ()


def test_a_package_that_lost_a_file_or_a_part_of_one_is_damaged(venv: Path) -> None:
    file = site_packages(venv) / "peft" / "__init__.py"
    file.write_text("x")
    assert found(venv) == {"peft"}
    file.unlink()
    assert found(venv) == {"peft"}
    assert "peft/__init__.py" in refused(venv)[0]


@pytest.mark.parametrize("text", ["\0" * 200_000, '"' + "x" * 200_000])
def test_a_package_whose_record_a_power_cut_spoilt_is_damaged(text: str, venv: Path) -> None:
    (record,) = site_packages(venv).glob("peft-*.dist-info/RECORD")
    record.write_text(text)
    assert found(venv) == {"peft"}


def test_a_package_that_nobody_speaks_of_is_nobodys_business(venv: Path) -> None:
    (site_packages(venv) / "mine" / "__init__.py").unlink()
    assert found(venv) == frozenset()
    assert refused(venv) == ()


def test_a_torch_without_its_library_is_damaged(venv: Path) -> None:
    (site_packages(venv) / "torch" / "lib" / "libtorch_cpu.so").unlink()
    assert found(venv) == {"torch"}
    assert any("torch is broken" in line for line in refused(venv))


def test_another_build_of_torch_is_damaged_whatever_its_metadata_says(venv: Path) -> None:
    assert found(venv, "cu128") == {"torch"}
    assert found(venv, None) == frozenset()
    assert "cu128 was meant" in refused(venv, "cu128")[0]


def test_what_is_not_there_is_new_and_not_damaged(tmp_path: Path) -> None:
    folder = make_venv(tmp_path / "v", with_pip=False)
    assert found(folder) == frozenset()


def test_a_look_at_one_environment_says_why_it_could_not_be_read(tmp_path: Path) -> None:
    environment = look_at_environment(Local(), str(tmp_path / "gone"))
    assert environment.kind == "missing"
    nul = look_at_environment(Local(), str(tmp_path / "a\0b"))
    assert nul.kind == "broken"
    assert "null" in (nul.problem or "")


def test_every_module_that_cannot_be_imported_is_named_though_one_ends_the_process(
    venv: Path,
) -> None:
    site = site_packages(venv)
    for name, text in {
        "fine": "import json; print(json.dumps({'outcome': 'ok'}))",
        "bad": "raise ImportError('undefined symbol: _ZN3c10')",
        "crash": "import os, sys; print('last words', file=sys.stderr); os._exit(7)",
        "crash2": "import os; os.abort()",
        "leaves": "import sys; sys.exit(3)",
    }.items():
        (site / f"{name}.py").write_text(text)
    names = ("fine", "bad", "crash", "gone", "crash2", "leaves", "fine")
    texts = {p.module: p.text for p in imports(Local(), str(python_of(venv)), names)}
    assert texts == {
        "bad": "import bad: ImportError: undefined symbol: _ZN3c10",
        "crash": "import crash: exit code 7: last words",
        "gone": "import gone: ModuleNotFoundError: No module named 'gone'",
        "crash2": "import crash2: killed by signal 6: ",
        "leaves": "import leaves: SystemExit: 3",
    }
