# ruff: noqa: INP001 - a program, not a package
"""Bring the tables up to what the configured package index says; the result is a diff to review.

An index tells releases, the tags of their wheels and their metadata. It does not tell which builds
the PyTorch index has, nor what a wheel was compiled for: such rows are started here, marked
unverified, and named at the end for somebody to finish.

    python tools/update_tables.py [TABLE …]
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import tomlkit
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename
from packaging.version import Version

TABLES = Path(__file__).resolve().parent.parent / "profiles" / "tables"
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
FREE_THREADED = ("3.13t", "3.14t", "3.15t")
# Every platform tag that a wheel of today may carry, newest first: pip takes the first that fits.
PLATFORMS = {
    "linux-x86_64": ("manylinux_2_28_x86_64", "manylinux_2_24_x86_64", "manylinux2014_x86_64"),
    "linux-aarch64": ("manylinux_2_28_aarch64", "manylinux_2_24_aarch64", "manylinux2014_aarch64"),
    "windows-x86_64": ("win_amd64",),
    "windows-aarch64": ("win_arm64",),
    "macos-arm64": ("macosx_14_0_arm64", "macosx_11_0_arm64"),
}


@dataclass(frozen=True)
class WheelFacts:
    """What an index tells of one wheel: its file name and its metadata."""

    filename: str
    requires: tuple[str, ...]
    requires_python: str

    def requirement(self, name: str) -> str:
        """The specifier of a requirement, without its marker; "" where there is none."""
        for text in self.requires:
            requirement = Requirement(text)
            if requirement.name == name and "extra" not in str(requirement.marker or ""):
                return str(requirement.specifier)
        return ""


class Index(Protocol):
    """A package index, as far as it is asked here."""

    def versions(self, package: str, platform: str = "linux-x86_64") -> tuple[str, ...]:
        """Every release with a wheel for a platform, oldest first, without pre-releases."""

    def wheel(self, package: str, version: str, python: str, platform: str) -> WheelFacts | None:
        """The wheel for a Python and a platform (linux-x86_64); None where there is none."""


class PipIndex:
    """The index that pip is configured with; nothing is downloaded but listings and metadata."""

    def versions(self, package: str, platform: str = "linux-x86_64") -> tuple[str, ...]:
        """Every release with a wheel for the platform and this Python, oldest first."""
        answer = _pip("index", "versions", "--only-binary", ":all:", *_tags(platform), package)
        if answer is None:
            raise SystemExit(f"pip's index has no wheel of {package} for {platform}")
        found = re.search(r"^Available versions: (.*)$", answer, re.MULTILINE)
        names = found[1].split(", ") if found else []
        return tuple(sorted((name for name in names if "+" not in name), key=Version))

    def wheel(self, package: str, version: str, python: str, platform: str) -> WheelFacts | None:
        """The wheel for a Python and a platform, by its metadata alone."""
        answer = _pip(
            "install", "--dry-run", "--ignore-installed", "--no-deps", "--only-binary", ":all:",
            "--report", "-", "--quiet", "--target", "unused", "--implementation", "cp",
            *_python(python), *_tags(platform), f"{package}=={version}",
        )  # fmt: skip
        if answer is None:
            return None
        item = json.loads(answer)["install"][0]
        metadata = item["metadata"]
        return WheelFacts(
            item["download_info"]["url"].rpartition("/")[2].partition("#")[0],
            tuple(metadata.get("requires_dist", ())),
            metadata.get("requires_python") or "",
        )


def _python(python: str) -> list[str]:
    """Pip's words for a Python; a free-threaded one is an ABI of its own."""
    words = ["--python-version", python.removesuffix("t")]
    return [*words, "--abi", "cp" + python.replace(".", "")] if python.endswith("t") else words


def _tags(platform: str) -> list[str]:
    return [word for tag in PLATFORMS[platform] for word in ("--platform", tag)]


def _pip(*words: str) -> str | None:
    """The output of pip; None where it finds nothing that fits. Other failures end the program."""
    command = [sys.executable, "-m", "pip", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return done.stdout
    if "No matching distribution" in done.stderr:
        return None
    raise SystemExit(f"{' '.join(command)}\n{done.stderr}")


@dataclass
class Update:
    """One table being updated: its document, and what somebody has to finish by hand."""

    table: Any
    index: Index
    today: str
    tell: list[str] = field(default_factory=list)

    def row(self, **values: object) -> Any:  # noqa: ANN401 - tomlkit's tables are dynamic
        """A new row with today's date."""
        row = tomlkit.table()
        for key, value in values.items():
            row[key] = _inline(value)
        row["status"] = "unverified" if "builds" in values or "cuda" in values else "verified"
        row["source"] = "the package index: wheel tags and metadata"
        row["checked"] = self.today
        row.add(tomlkit.nl())
        return row


def _inline(value: object) -> object:
    if not isinstance(value, dict):
        return value
    table = tomlkit.inline_table()
    table.update(value)
    return table


def update_torch(update: Update) -> None:
    """New patches of the releases on record, each with its Triton; a new release is only named."""
    rows = {row["minor"]: row for row in update.table["release"]}
    newest = Version(list(rows)[-1])
    for version in update.index.versions("torch"):
        minor = ".".join(version.split(".")[:2])
        if minor in rows and version not in rows[minor]["patches"]:
            python = next(p for p in reversed(rows[minor]["python"]) if not p.endswith("t"))
            wheel = update.index.wheel("torch", version, python, "linux-x86_64")
            if wheel is None:
                update.tell.append(f"torch {version} has no wheel for Linux and Python {python}")
                continue
            rows[minor]["patches"].append(version)
            rows[minor]["triton"][version] = wheel.requirement("triton")
        elif minor not in rows and Version(minor) > newest:
            update.tell.append(
                f"torch {version} is new: its builds and what they are compiled for have to be read"
            )


def update_triton(update: Update) -> None:
    """The Pythons of lines not on record, and the newest release of each line for Windows."""
    known = {row["line"] for row in update.table["python"]}
    oldest = min(known, key=Version)
    for line, version in _newest_of_lines(update.index.versions("triton")):
        if line not in known and Version(line) > Version(oldest):
            tags = [
                python
                for python in (*PYTHONS, *FREE_THREADED)
                if update.index.wheel("triton", version, python, "linux-x86_64")
            ]
            update.table["python"].append(update.row(line=line, python=tags))
    newest = dict(_newest_of_lines(update.index.versions("triton-windows", "windows-x86_64")))
    for row in update.table["windows"]["line"]:
        row["newest"] = newest.get(row["line"], row["newest"])
    for line in newest.keys() - {row["line"] for row in update.table["windows"]["line"]}:
        update.tell.append(f"triton-windows {line} is new: which torch does it go with?")


def update_xformers(update: Update) -> None:
    """Releases after the newest on record."""
    rows = update.table["release"]
    newest = Version(rows[-1]["version"])
    for version in update.index.versions("xformers"):
        if Version(version) <= newest:
            continue
        facts = _facts(update, "xformers", version)
        if not facts.on:
            update.tell.append(f"xformers {version} has no wheels")
            continue
        rows.append(
            update.row(
                version=version,
                torch=facts.torch,
                **facts.pythons,
                on=list(facts.on),
                glibc=facts.on.get("linux-x86_64", ""),
                builds={},
            )
        )
        update.tell.append(f"xformers {version}: which variants does the PyTorch index have?")


def update_bitsandbytes(update: Update) -> None:
    """The newest release of each line after the newest on record."""
    rows = update.table["release"]
    newest = Version(rows[-1]["version"])
    for _, version in _newest_of_lines(update.index.versions("bitsandbytes")):
        if Version(version) <= newest:
            continue
        facts = _facts(update, "bitsandbytes", version)
        rows.append(
            update.row(
                version=version,
                torch=facts.torch,
                python=facts.requires_python,
                on=facts.on,
                cuda=[],
            )
        )
        update.tell.append(f"bitsandbytes {version}: for which CUDA does its wheel have libraries?")


@dataclass(frozen=True)
class _Facts:
    torch: str
    requires_python: str
    on: dict[str, str]  # platform → the oldest glibc or macOS of its tag
    pythons: dict[str, Any]  # python = [...], or python_since for a stable ABI


def _facts(update: Update, package: str, version: str) -> _Facts:
    """What the wheels of one release tell, over platforms and Pythons."""
    found: dict[str, WheelFacts] = {}
    pythons: list[str] = []
    for platform in PLATFORMS:
        for python in PYTHONS:
            wheel = update.index.wheel(package, version, python, platform)
            if wheel is not None:
                found.setdefault(platform, wheel)
                if python not in pythons:
                    pythons.append(python)
    if not found:
        return _Facts("", "", {}, {})
    first = next(iter(found.values()))
    _, _, _, tags = parse_wheel_filename(first.filename)
    stable = any(tag.abi in {"abi3", "none"} for tag in tags)
    ordered = sorted(pythons, key=Version)
    return _Facts(
        torch=first.requirement("torch"),
        requires_python=first.requires_python,
        on={platform: _floor(wheel.filename) for platform, wheel in found.items()},
        pythons={"python_since": ordered[0]} if stable else {"python": ordered},
    )


def _floor(filename: str) -> str:
    """The oldest glibc or macOS that a wheel's tags name; "" where they name none."""
    if "manylinux2014" in filename:
        return "2.17"
    found = re.findall(r"(?:manylinux|macosx)_(\d+)_(\d+)_", filename)
    return min((".".join(pair) for pair in found), key=Version, default="")


def _newest_of_lines(versions: Iterable[str]) -> list[tuple[str, str]]:
    """Each minor line with its newest release, oldest line first."""
    newest = {".".join(version.split(".")[:2]): version for version in versions}
    return sorted(newest.items(), key=lambda pair: Version(pair[0]))


# Whether every row of the table comes from the index, so that its date is today's afterwards.
UPDATES: dict[str, tuple[Callable[[Update], None], bool]] = {
    "torch": (update_torch, False),
    "triton": (update_triton, True),
    "xformers": (update_xformers, True),
    "bitsandbytes": (update_bitsandbytes, True),
}


def update_text(name: str, text: str, index: Index, today: str) -> tuple[str, list[str]]:
    """The table's text as the index has it now, and what is left for somebody to finish."""
    document = tomlkit.parse(text)
    update = Update(document, index, today)
    change, dated = UPDATES[name]
    change(update)
    if dated:
        document["table"]["date"] = today
    return tomlkit.dumps(document), update.tell


def main(names: list[str]) -> int:
    """Write the tables anew, and show what changed."""
    unknown = [name for name in names if name not in UPDATES]
    if unknown:
        print(f"no table {', '.join(unknown)} (there are: {', '.join(UPDATES)})", file=sys.stderr)
        return 2
    today = datetime.now(tz=timezone.utc).date().isoformat()
    to_finish = []
    for name in names or UPDATES:
        path = TABLES / f"{name}.toml"
        before = path.read_text(encoding="utf-8")
        after, tell = update_text(name, before, PipIndex(), today)
        path.write_text(after, encoding="utf-8")
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), f"a/{name}", f"b/{name}", "", "", lineterm=""
        )
        for line in lines:
            print(line)
        to_finish += tell
    for text in to_finish:
        print(f"to finish: {text}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
