"""Start-up cost is guarded by what is imported, never by a clock: see benchmarks/startup.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# Not needed to look, to judge and to write JSON. Each costs milliseconds, some cost hundreds.
HEAVY = (
    "asyncio",
    "concurrent",
    "configparser",
    "cpuinfo",
    "csv",
    "email",
    "html",
    "http",
    "importlib.metadata",
    "logging",
    "multiprocessing",
    "packaging",
    "peft",
    "platform",
    "platformdirs",
    "pydantic",
    "pynvml",
    "rich",
    "socket",
    "ssl",
    "tempfile",
    "tomlkit",
    "torch",
    "transformers",
    "typer",
    "urllib.request",
    "uuid",
    "uv",
    "xml",
    "zipfile",
)
# Written down late, when a wish, an install or a terminal asks for them.
LATE = (
    "cli.install",
    "deep",
    "execute",
    "install",
    "installers",
    "journal",
    "network",
    "plan",
    "resolve",
    "smoke",
)


def names(*words: str, cwd: Path, codes: tuple[int, ...] = (0,)) -> set[str]:
    """The modules that `python WORDS` imports."""
    command = [sys.executable, "-X", "importtime", *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode in codes, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def imported(*arguments: str, cwd: Path, codes: tuple[int, ...] = (0,)) -> set[str]:
    """The modules that `python -m llmdoctor ARGUMENTS` imports, beyond a bare interpreter's."""
    modules = names("-m", "llmdoctor", *arguments, cwd=cwd, codes=codes)
    return modules - names("-c", "pass", cwd=cwd)


def of(modules: set[str], *packages: str) -> list[str]:
    return sorted(m for m in modules if any(m == p or m.startswith(f"{p}.") for p in packages))


def test_a_check_imports_only_what_it_looks_and_judges_with(tmp_path: Path) -> None:
    modules = imported("check", "--format", "json", cwd=tmp_path, codes=(0, 1))
    assert of(modules, "llmdoctor.probe", "llmdoctor.checks")  # it did look and judge
    assert of(modules, *HEAVY) == []
    assert of(modules, *(f"llmdoctor.{name}" for name in LATE)) == []


def test_what_a_check_starts_with_parses_no_toml_and_knows_no_table(tmp_path: Path) -> None:
    """Tables, policies and slips of the pen are looked at where there are some."""
    modules = names(
        "-c",
        "import llmdoctor.cli.check, llmdoctor.diagnose, llmdoctor.policy, llmdoctor.tables, "
        "llmdoctor.render.documents",
        cwd=tmp_path,
    )
    assert of(modules, "tomllib", "tomli", "difflib", "datetime") == []
    tables = ("llmdoctor.tables", "llmdoctor.tables.ages", "llmdoctor.tables.read")
    assert of(modules, "llmdoctor.tables") == [*tables]


def test_help_imports_next_to_nothing(tmp_path: Path) -> None:
    modules = imported("--help", cwd=tmp_path)
    assert of(modules, *HEAVY, "argparse", "dataclasses", "subprocess") == []
    assert of(modules, "llmdoctor") == [
        "llmdoctor",
        "llmdoctor.cli",
        "llmdoctor.cli.main",
        "llmdoctor.cli.output",
        "llmdoctor.errors",
    ]


def test_the_help_of_a_command_looks_at_nothing(tmp_path: Path) -> None:
    for command in ("check", "plan", "install", "smoke", "profiles", "undo", "history"):
        modules = imported(command, "--help", cwd=tmp_path)
        assert of(modules, *HEAVY) == []
        assert of(modules, "llmdoctor.probe", "llmdoctor.checks", "llmdoctor.system") == []


def test_a_report_for_a_terminal_needs_rich_and_no_more_of_the_doctor(tmp_path: Path) -> None:
    modules = imported("check", cwd=tmp_path, codes=(0, 1))
    assert of(modules, "rich.console")
    assert of(modules, *(f"llmdoctor.{name}" for name in LATE)) == []
