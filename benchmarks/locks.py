"""What judging the packages of a lock costs.

    python benchmarks/locks.py [RUNS]

Writes projects of a hundred packages: ninety with the forty wheels of a compiled package, ten with
a wheel by address for each of three platforms under their markers, and torch from an explicit
PyTorch source. As poetry.lock of Poetry 2, as one of Poetry 1 (without markers: it is walked), and
as uv.lock. Prints the CPU seconds (user and system) of `check --format json` in each, the least of
RUNS (default 5), and of the same in an empty folder, with an environment of the Python that runs
this. Budget: 0.5 s.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from startup import measure  # noqa: E402

from support.poetry_projects import Locked, poetry_project, pyproject_text  # noqa: E402

PLATFORMS = {
    "manylinux_2_28_x86_64": "sys_platform == 'linux'",
    "win_amd64": "sys_platform == 'win32'",
    "macosx_11_0_arm64": "sys_platform == 'darwin'",
}
PYTHON = "cp{}{}".format(*sys.version_info[:2])
PYTORCH = "https://download.pytorch.org/whl/cu126"
SHA = "sha256:" + "0" * 64


def wheels(name: str, version: str = "1.0") -> list[str]:
    """The names of the files of a compiled package."""
    pythons = [f"cp3{minor}-cp3{minor}" for minor in range(9, 15)]
    places = (*PLATFORMS, "musllinux_1_2_x86_64", "manylinux_2_28_aarch64", "macosx_10_12_x86_64")
    names = [f"{name}-{version}-{python}-{place}.whl" for python in pythons for place in places]
    return [*names, f"{name}-{version}.tar.gz"]


def own(number: int, platform: str) -> str:
    """The name of a wheel by address, for the Python that runs this."""
    return f"own{number}-1.0-{PYTHON}-{PYTHON}-{platform}.whl"


def packages() -> list[Locked]:
    """A hundred packages, and those that have one entry for each platform."""
    source = {"type": "legacy", "url": PYTORCH, "reference": "pytorch"}
    found = [Locked("torch", "2.9.1+cu126", wheels("torch", "2.9.1+cu126")[:-1], source=source)]
    for number in range(90):
        follows = {f"p{number + 1}": "*"} if number < 89 else None
        found.append(Locked(f"p{number}", "1.0", wheels(f"p{number}"), dependencies=follows))
    for number in range(10):
        for platform, marker in PLATFORMS.items():
            file = own(number, platform)
            address = {"type": "url", "url": f"https://x.invalid/{file}"}
            found.append(Locked(f"own{number}", "1.0", [file], markers=marker, source=address))
    return found


def manifest(style: str) -> str:
    """The pyproject.toml of such a project."""
    rows = []
    for number in range(10):
        choices = ", ".join(
            f'{{url = "https://x.invalid/{own(number, platform)}", markers = "{marker}"}}'
            for platform, marker in PLATFORMS.items()
        )
        rows.append(f"own{number} = [{choices}]")
    text = pyproject_text(
        "tool.poetry", dependencies={"torch": ">=2.9", "p0": "*"}, sources={"pytorch": PYTORCH}
    )
    if style == "uv":
        return '[project]\nname = "demo"\nversion = "1"\nrequires-python = ">=3.10"\n'
    return text.replace('"p0" = "*"', '"p0" = "*"\n' + "\n".join(rows))


def uv_lock() -> str:
    """The same packages as uv writes them."""
    parts = ['version = 1\nrevision = 3\nrequires-python = ">=3.10"\n']
    roots = ['    { name = "torch" },', '    { name = "p0" },']
    for item in packages():
        address = (item.source or {}).get("url", "https://x.invalid/simple")
        kind = "url" if item.name.startswith("own") else "registry"
        where = f'{{ {kind} = "{address}" }}'
        rows = [
            f'    {{ url = "https://x.invalid/files/{file}", hash = "{SHA}", size = 1234567 }},'
            for file in item.files
            if file.endswith(".whl")
        ]
        text = f'[[package]]\nname = "{item.name}"\nversion = "{item.version}"\nsource = {where}\n'
        if item.dependencies:
            text += f'dependencies = [\n    {{ name = "{next(iter(item.dependencies))}" }},\n]\n'
        parts.append(text + "wheels = [\n" + "\n".join(rows) + "\n]\n")
        if kind == "url":
            roots.append(
                f'    {{ name = "{item.name}", source = {where}, marker = "{item.markers}" }},'
            )
    root = (
        '[[package]]\nname = "demo"\nversion = "1"\nsource = { virtual = "." }\ndependencies = [\n'
    )
    return "\n".join([*parts, root + "\n".join(roots) + "\n]\n"])


def main(runs: int) -> None:
    """Measure each project and print a table."""
    print(f"{'check --format json in':30} {'CPU s':>7} {'lines':>7} {'kB':>7}")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        poetry_project(top / "poetry 2", manifest("poetry"), packages())
        poetry_project(top / "poetry 1", manifest("poetry"), packages(), poetry="1.8.5")
        (top / "uv").mkdir()
        (top / "uv" / "pyproject.toml").write_text(manifest("uv"))
        (top / "uv" / "uv.lock").write_text(uv_lock())
        (top / "empty").mkdir()
        venv.create(top / "env")  # what is activated may be of a Python that the files are not for
        os.environ["VIRTUAL_ENV"] = str(top / "env")
        os.environ.pop("CONDA_PREFIX", None)
        for name in ("empty", "poetry 2", "poetry 1", "uv"):
            os.chdir(top / name)
            arguments = ("-m", "llmdoctor", "check", "--format", "json")
            seconds = min(measure(arguments, top / "out")[0] for _ in range(runs))
            locks = [path.read_text() for path in Path().glob("*.lock")]
            lines, size = (sum(map(count, locks)) for count in (lambda t: t.count("\n"), len))
            found = json.loads((top / "out").read_text())["findings"]
            codes = {item["code"] for item in found if item["code"].startswith("LOCK00")}
            if name != "empty" and codes:  # what is measured is a project that is right
                sys.exit(f"{name}: {codes}")
            print(f"{name:30} {seconds:7.3f} {lines:7} {size // 1000:7}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
