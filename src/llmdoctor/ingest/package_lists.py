"""Lists of packages, by pip, uv, conda and collect_env.

`pip list` (table, freeze, JSON), `pip freeze`, `pip show`, `uv pip list`, `conda list`, and the
`[pip3]` and `[conda]` lines of collect_env.

A list is *whole* when a package that it lacks is not installed: it has its head (or is long and
sorted as pip prints it) and was not cut off. collect_env prints only what it calls relevant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from llmdoctor.ingest.facts import UNKNOWN_CUDA, Facts, merge
from llmdoctor.ingest.transformers_env import is_telling
from llmdoctor.ingest.versions import build_of
from llmdoctor.machine import Package
from llmdoctor.probe.packages import normalise

_LONG = 20  # rows: nobody types so many, and whoever filters a list keeps fewer
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,80}")
_VERSION = re.compile(r"v?\d[A-Za-z0-9.+!_-]{0,80}")
_TAGGED = re.compile(r"\[(pip3?|conda)\] (.{1,300})")
_PINNED = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9_.-]{0,80})(?:\[[\w,-]{0,80}\])?===?(\d[\w.+!-]{0,80})"
)
_ADDRESS = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,80})(?:\[[\w,-]{0,80}\])? @ (\S{1,500})")
_WHEEL = re.compile(r"/([A-Za-z0-9_.]{1,80}-(\d[\w.+!%]{0,60})-[^/]{1,200}\.whl)")
_EDITABLE = re.compile(r"-e \S{1,400}#egg=([A-Za-z0-9_.-]{1,80})")
_JSON = re.compile(
    r'"name":\s{0,8}"([A-Za-z0-9_.-]{1,80})",\s{0,80}(?:"platform":\s{0,8}"[^"\n]{0,40}",\s{0,80})?'
    r'"version":\s{0,8}"(\d[\w.+!-]{0,80})"'
)
_CONDA_CUDA = re.compile(r"cuda_?(\d{1,2})\.?(\d)")
# Packages whose wheels exist for one system alone.
_SYSTEMS = {
    "nvidia-nccl-cu11": "linux", "nvidia-nccl-cu12": "linux", "nvidia-nccl-cu13": "linux",
    "nvidia-cufile-cu12": "linux", "nvidia-cufile": "linux",
    "pywin32": "windows", "pywinpty": "windows", "triton-windows": "windows",
    "appnope": "macos", "pyobjc-core": "macos",
    "libgcc-ng": "linux", "ld-impl-linux-64": "linux", "ld-impl-linux-aarch64": "linux",
    "vs2015-runtime": "windows", "vc14-runtime": "windows",
}  # fmt: skip
# What only accompanies a torch that came from the index, and tells its CUDA exactly.
_RUNTIME = re.compile(r"nvidia-cuda-runtime(?:-cu\d{2})?")


@dataclass(frozen=True)
class _Row:
    name: str
    version: str
    build: str = ""
    wheel: str | None = None  # the file that it was installed from, where its address is listed


@dataclass(frozen=True)
class _List:
    rows: tuple[_Row, ...]
    headed: bool
    ended: bool  # something stands below it: it was not cut off with the text
    conda: bool = False
    chosen: bool = False  # whoever printed it left packages out

    @property
    def whole(self) -> bool:
        """Whether what it lacks is not installed."""
        names = [normalise(row.name) for row in self.rows]
        enough = len(names) >= _LONG or (self.headed and {"pip", "setuptools"} & set(names))
        return bool(enough and not self.chosen and (self.ended or names[-1] >= "u"))


def read(text: str, lines: Sequence[str]) -> Facts:
    """Every list in the text, the one of pip before the one of conda."""
    lists = [*_tables(lines), *_pinned(lines), *_json(text), *_tagged(lines), *_shown(lines)]
    lists.sort(key=lambda one: one.conda)
    facts = merge([_facts(one) for one in lists if one.rows])
    found = merge([facts, _loose(lines)]) if not facts.packages else facts
    return merge([found, _runtime(found)])


def is_json(text: str) -> bool:
    """Whether a text is a list of packages in JSON, as `pip list --format=json` prints it."""
    return _JSON.search(text) is not None and '"schema"' not in text


def _facts(one: _List) -> Facts:
    packages = tuple(
        Package(_pip_name(row) if one.conda else normalise(row.name), row.version, origin=row.wheel)
        for row in one.rows
    )
    python = next((row for row in one.rows if one.conda and row.name == "python"), None)
    free = "t" if python and re.search(r"cp3\d{1,2}t$", python.build) else ""
    return Facts(
        recognised=("conda list" if one.conda else "pip list",) if one.headed else (),
        hints=sum(is_telling(package.name) for package in packages),
        packages=packages,
        whole=True if one.whole else None,
        system=next((_SYSTEMS[item.name] for item in packages if item.name in _SYSTEMS), None),
        conda=True if one.conda else None,
        python=f"{python.version}{free}" if python else None,
        torch=next((package.version for package in packages if package.name == "torch"), None),
        build=_build(one),
    )


def _pip_name(row: _Row) -> str:
    """Conda's own build of torch is called pytorch."""
    name = normalise(row.name)
    return "torch" if name in ("pytorch", "pytorch-gpu", "pytorch-cpu") else name


def _build(one: _List) -> str | None:
    for row in one.rows:
        if _pip_name(row) == "torch" and row.version[0].isdigit():
            if build := build_of(row.version):
                return build
            if match := _CONDA_CUDA.search(row.build):
                return f"{match[1]}.{match[2]}"
            if "cpu" in row.build:
                return "cpu"
            if "cuda" in row.build:
                return UNKNOWN_CUDA
    return None


def _runtime(facts: Facts) -> Facts:
    """The CUDA of a torch from PyPI, whose own version does not name it."""
    if facts.build is not None or facts.torch is None:
        return Facts()
    for package in facts.packages:
        if _RUNTIME.fullmatch(package.name):
            return Facts(build=".".join(package.version.split(".")[:2]))
    return Facts()


def _tables(lines: Sequence[str]) -> Iterator[_List]:
    """Tables with the head of pip, uv or conda."""
    number = 0
    while number < len(lines):
        head = lines[number].lstrip("# ").split()[:3] if "Version" in lines[number] else []
        number += 1
        conda = head[:3] == ["Name", "Version", "Build"]
        if not conda and head[:2] != ["Package", "Version"]:
            continue
        rows = []
        while number < len(lines) and (row := _row(lines[number], conda=conda)):
            rows.append(row)
            number += 1
        real = tuple(row for row in rows if row.name != "-")
        rest = next((line for line in lines[number : number + 20] if line), "")
        ended = bool(rest) and not rest.startswith(("...", "…", "[..."))
        yield _List(real, headed=True, ended=ended, conda=conda)


def _row(line: str, *, conda: bool) -> _Row | None:
    """A row of a table; the rule below its head is one that is called "-"."""
    words = line.split(None, 4)
    if words and not words[0].strip("-─═━"):
        return _Row("-", "")
    if len(words) < 2 or not _NAME.fullmatch(words[0]) or not _VERSION.fullmatch(words[1]):
        return None
    return _Row(words[0], words[1], words[2] if conda and len(words) > 2 else "")


def _pinned(lines: Sequence[str]) -> Iterator[_List]:
    """Runs of `name==version`; conda's pip and editable installs write addresses instead."""
    rows: list[_Row] = []
    for number, line in enumerate((*lines, "")):
        row = _pin(line)
        if row:
            rows.append(row)
        elif rows:
            rest = next((later for later in lines[number : number + 20] if later), "")
            yield _List(tuple(rows), headed=False, ended=bool(rest) and rest[:3] != "...")
            rows = []


def _pin(line: str) -> _Row | None:
    if "==" in line:
        match = _PINNED.fullmatch(line)
        return _Row(match[1], match[2]) if match else None
    if " @ " in line and (match := _ADDRESS.fullmatch(line)):
        wheel = _WHEEL.search(match[2].replace("%2B", "+"))
        return _Row(match[1], wheel[2], wheel=wheel[1]) if wheel else _Row(match[1], "unknown")
    if line.startswith("-e ") and (match := _EDITABLE.fullmatch(line)):
        return _Row(match[1], "unknown")
    return None


def _tagged(lines: Sequence[str]) -> Iterator[_List]:
    """collect_env's lines, which are never whole."""
    rows: dict[bool, list[_Row]] = {False: [], True: []}
    for line in lines:
        match = _TAGGED.fullmatch(line) if line[:1] == "[" else None
        if match is None:
            continue
        row = _pin(match[2]) or _row(match[2], conda=True)
        if row:
            rows[match[1] == "conda"].append(row)
    for conda, found in rows.items():
        yield _List(tuple(found), headed=True, ended=False, conda=conda, chosen=True)


def _json(text: str) -> Iterator[_List]:
    if '"version"' not in text:
        return
    rows = tuple(_Row(match[1], match[2]) for match in _JSON.finditer(text))
    if rows:
        yield _List(rows, headed=True, ended="]" in text[text.rfind('"version"') :])


def _shown(lines: Sequence[str]) -> Iterator[_List]:
    """`pip show`: a name, and its version in the next line."""
    for one, other in pairwise(lines):
        if one.startswith("Name: ") and other.startswith("Version: "):
            name, version = one[6:].strip(), other[9:].strip()
            if is_telling(normalise(name)) and _VERSION.fullmatch(version):
                yield _List((_Row(name, version),), headed=True, ended=False, chosen=True)


def _loose(lines: Sequence[str]) -> Facts:
    """Rows of a table whose head was filtered away: name, at least two blanks, version.

    One blank is enough between a package of the stack and its version, and nothing else.
    """
    rows = []
    for line in lines:
        words = line.split(None, 4) if " " in line and line[:1].isalnum() else []
        if len(words) not in (2, 3, 4):
            continue
        typed = len(words) == 2 and is_telling(normalise(words[0]))
        if typed or f"{words[0]}  " in line:
            row = _row(line, conda=True)
            if row and "." in row.version and row.version.count(".") < 5:
                rows.append(row)
    return _facts(_List(tuple(rows), headed=False, ended=False, chosen=True)) if rows else Facts()
