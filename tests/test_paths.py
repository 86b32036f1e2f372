"""llmdoctor finds its own data in a checkout and in an installed wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import llmdoctor
from llmdoctor.paths import profiles_dir

PACKAGE = Path(llmdoctor.__file__).parent
ASK = "from llmdoctor.paths import profiles_dir; print(profiles_dir())"


def run_from(site_packages: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-I",
        "-c",
        f"import sys; sys.path[:0] = [{str(site_packages)!r}]; {ASK}",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def installed_package(site_packages: Path) -> Path:
    package = site_packages / "llmdoctor"
    package.mkdir()
    for name in ("__init__.py", "errors.py", "paths.py"):
        shutil.copy(PACKAGE / name, package)
    return package


def test_the_folder_found_here_holds_tables() -> None:
    assert (profiles_dir() / "tables" / "torch.toml").is_file()


def test_an_installed_wheel_uses_the_copy_inside_the_package(tmp_path: Path) -> None:
    package = installed_package(tmp_path)
    (package / "_profiles" / "tables").mkdir(parents=True)
    done = run_from(tmp_path)
    assert Path(done.stdout.strip()) == (package / "_profiles").resolve()


def test_an_installation_without_its_data_says_so_and_how_to_repair_it(tmp_path: Path) -> None:
    installed_package(tmp_path)
    done = run_from(tmp_path)
    assert done.returncode != 0
    assert "CannotFinishError" in done.stderr
    assert "the profiles are missing" in done.stderr
