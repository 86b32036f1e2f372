"""What `tools/update_tables.py` writes, from an index made up here; and that no table is stale."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmdoctor.paths import profiles_dir
from llmdoctor.tables.read import read_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TODAY = "2027-03-01"
TOOL = Path(__file__).resolve().parent.parent / "tools" / "update_tables.py"
# Causes are no tables: they hold the words of messages, which do not age as versions do.
NAMES = sorted(
    name
    for path in (profiles_dir() / "tables").rglob("*.toml")
    if not (
        name := path.relative_to(profiles_dir() / "tables").with_suffix("").as_posix()
    ).startswith("causes/")
)


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("update_tables", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their module up
    spec.loader.exec_module(module)
    return module


TOOLS = load_tool()


@dataclass
class MadeUpIndex:
    """Releases by package; every wheel is the one that `wheels` gives for a package and version."""

    releases: dict[str, tuple[str, ...]]
    wheels: dict[tuple[str, str], Any] = field(default_factory=dict)
    pythons: tuple[str, ...] = ("3.12", "3.13")

    def versions(self, package: str, platform: str = "linux-x86_64") -> tuple[str, ...]:
        return self.releases[package]

    def wheel(self, package: str, version: str, python: str, platform: str) -> Any:
        fits = python in self.pythons and platform in {"linux-x86_64", "windows-x86_64"}
        return self.wheels.get((package, version)) if fits else None


def text_of(name: str) -> str:
    return (profiles_dir() / "tables" / f"{name}.toml").read_text(encoding="utf-8")


def known(name: str, key: str = "version") -> tuple[str, ...]:
    return tuple(row[key] for row in read_table(name)["release"])


def test_an_index_without_news_changes_nothing_but_the_date() -> None:
    patches = tuple(p for row in read_table("torch")["release"] for p in row["patches"])
    torch, tell = TOOLS.update_text(
        "torch", text_of("torch"), MadeUpIndex({"torch": patches}), TODAY
    )
    assert (torch, tell) == (text_of("torch"), [])

    index = MadeUpIndex({"xformers": known("xformers")})
    after, tell = TOOLS.update_text("xformers", text_of("xformers"), index, TODAY)
    date_before = read_table("xformers")["table"]["date"]
    assert after == text_of("xformers").replace(f'date = "{date_before}"', f'date = "{TODAY}"', 1)
    assert tell == []


def test_a_new_patch_of_torch_comes_with_the_triton_of_its_metadata() -> None:
    wheel = TOOLS.WheelFacts(
        "torch-2.14.2-cp314-cp314-manylinux_2_28_x86_64.whl",
        ('triton~=3.8.0; platform_system == "Linux"', "numpy; extra == 'all'"),
        ">=3.10",
    )
    index = MadeUpIndex({"torch": ("2.14.2",)}, {("torch", "2.14.2"): wheel}, ("3.14",))
    after, tell = TOOLS.update_text("torch", text_of("torch"), index, TODAY)
    row = next(r for r in tomllib.loads(after)["release"] if r["minor"] == "2.14")
    assert row["patches"][-1] == "2.14.2"
    assert row["triton"]["2.14.2"] == "~=3.8.0"
    assert tell == []


def test_a_new_torch_release_is_named_and_no_row_is_made_up_for_it() -> None:
    index = MadeUpIndex({"torch": ("2.99.0",)})
    after, tell = TOOLS.update_text("torch", text_of("torch"), index, TODAY)
    assert after == text_of("torch")
    assert tell == [
        "torch 2.99.0 is new: its builds and what they are compiled for have to be read"
    ]


def test_a_new_xformers_release_is_started_without_builds_and_to_be_finished() -> None:
    wheel = TOOLS.WheelFacts(
        "xformers-0.0.99-cp39-abi3-manylinux_2_28_x86_64.whl", ("torch==2.15.0", "numpy"), ">=3.9"
    )
    index = MadeUpIndex(
        {"xformers": (*known("xformers"), "0.0.99")}, {("xformers", "0.0.99"): wheel}
    )
    after, tell = TOOLS.update_text("xformers", text_of("xformers"), index, TODAY)
    row = tomllib.loads(after)["release"][-1]
    assert row == {
        "version": "0.0.99",
        "torch": "==2.15.0",
        "python_since": "3.12",
        "on": ["linux-x86_64", "windows-x86_64"],
        "glibc": "2.28",
        "builds": {},
        "status": "unverified",
        "source": "the package index: wheel tags and metadata",
        "checked": TODAY,
    }
    assert any("0.0.99: which variants" in text for text in tell)


def test_a_new_bitsandbytes_release_has_no_library_until_somebody_opened_its_wheel() -> None:
    wheel = TOOLS.WheelFacts(
        "bitsandbytes-0.60.1-py3-none-manylinux_2_24_x86_64.whl", ("torch<3,>=2.5",), ">=3.11"
    )
    index = MadeUpIndex(
        {"bitsandbytes": (*known("bitsandbytes"), "0.60.0", "0.60.1")},
        {("bitsandbytes", "0.60.1"): wheel},
    )
    after, tell = TOOLS.update_text("bitsandbytes", text_of("bitsandbytes"), index, TODAY)
    row = tomllib.loads(after)["release"][-1]
    assert (row["version"], row["python"], row["cuda"]) == ("0.60.1", ">=3.11", [])
    assert row["on"] == {"linux-x86_64": "2.24", "windows-x86_64": "2.24"}
    assert tell == ["bitsandbytes 0.60.1: for which CUDA does its wheel have libraries?"]


def test_a_new_triton_line_comes_with_its_pythons_and_windows_with_its_newest_post() -> None:
    wheel = TOOLS.WheelFacts("triton-3.99.1-cp312-abi3-manylinux_2_28_x86_64.whl", (), ">=3.12")
    index = MadeUpIndex(
        {"triton": ("3.99.0", "3.99.1"), "triton-windows": ("3.5.1.post24", "3.5.1.post25")},
        {("triton", "3.99.1"): wheel},
    )
    after, tell = TOOLS.update_text("triton", text_of("triton"), index, TODAY)
    table = tomllib.loads(after)
    assert table["python"][-1]["line"] == "3.99"
    assert table["python"][-1]["python"] == ["3.12", "3.13"]
    newest = {row["line"]: row["newest"] for row in table["windows"]["line"]}
    assert newest["3.5"] == "3.5.1.post25"
    assert tell == []


def test_an_unknown_table_is_refused_with_the_names_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert TOOLS.main(["no-such-table"]) == 2
    assert "there are: torch, triton, xformers, bitsandbytes" in capsys.readouterr().err


def stale(name: str, today: date) -> str:
    """What to say of a table that nobody read again for a year; "" where it is younger."""
    read = date.fromisoformat(read_table(name)["table"]["date"])
    if today - read <= timedelta(days=365):
        return ""
    return f"profiles/tables/{name}.toml was read on {read}, over a year ago: nox -s update-tables"


def test_a_table_older_than_a_year_is_called_stale_with_what_to_run() -> None:
    read = date.fromisoformat(read_table("torch")["table"]["date"])
    assert stale("torch", read + timedelta(days=365)) == ""
    assert "nox -s update-tables" in stale("torch", read + timedelta(days=366))


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_table_older_than_a_year_is_warned_about(name: str) -> None:
    """A warning and no failure: the tests of a released version go on passing."""
    if said := stale(name, date.today()):  # noqa: DTZ011 - the day is enough
        warnings.warn(said, UserWarning, stacklevel=1)
