# ruff: noqa: INP001 - a program, not a package
"""Install stacks with Triton for real under a simulated RTX 4090 and write down what happened.

Each stack goes into a fresh folder by `llmdoctor install --no-smoke`, since what it promises on a
GPU cannot be shown on one that is simulated; `llmdoctor smoke` then proves it on the processor, the
environment is checked, its packages are compared with what they ask for, Triton is
imported, and the room it takes is counted. Several GB are downloaded; the environments are removed.
Linux with a C compiler only: the GPU is a stand-in for the NVML library. Run it with `tests` on
PYTHONPATH, as the session `prove-stacks` of the noxfile does.

    python tools/prove_stack.py [--python 3.12] STACK …
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from support.nvml import RTX_4090, build_fake_nvml, nvml_env

EVIDENCE = Path(__file__).resolve().parent.parent / "docs" / "evidence"
DRIVER, CUDA = "580.95.05", 13000  # NVML's integer: CUDA 13.0
# What a reader looks for first; the rest is counted.
SHOWN = ("torch", "triton", "transformers", "peft", "accelerate", "numpy")


@dataclass(frozen=True)
class Outcome:
    """What one stack's run gave: `installed` and `checked` are the documents of the two commands.

    `seconds` is the wall time of the whole install, `disk` the bytes that the environment occupies;
    `consistency` and `triton` are what `uv pip check` and the import said, `sound` whether both
    succeeded.
    """

    stack: str
    installed: dict[str, Any]
    seconds: float
    checked: dict[str, Any]
    consistency: str
    triton: str
    sound: bool
    python: str
    disk: int

    @property
    def good(self) -> bool:
        """Whether nothing that looked at the environment afterwards found an error in it."""
        return self.sound and not self.checked["summary"]["error"]


def prove(stack: str, python: str, folder: Path, env: dict[str, str]) -> Outcome:
    """Install one stack with Triton into a new folder, and look at it from every side.

    Raises:
        SystemExit: the install was not kept; with its own words.
    """
    place = folder / stack
    words = ["--profile", stack, "--profile", "triton", "--env", str(place), "--format", "json"]
    began = time.monotonic()
    done = _run(
        [*_doctor("install"), *words, "--python", python, "--yes", "--no-smoke"], env, show=True
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"{stack} was not kept (exit code {done.returncode}):\n{done.stdout}")
    installed = json.loads(done.stdout)
    proven = _run([*_doctor("smoke"), "--env", str(place), "--format", "json"], env)
    installed["smoke"] = json.loads(proven.stdout)
    executable = str(place / "bin" / "python")
    checked = _run(
        [*_doctor("check"), "--profile", stack, "--env", str(place), "--format", "json"], env
    )
    consistency = _run([find_uv_bin(), "pip", "check", "--python", executable], env)
    imported = _run([executable, "-I", "-c", "import triton; print(triton.__version__)"], env)
    python_is = _run([executable, "-I", "-c", "import platform; print(platform.python_version())"])
    return Outcome(
        stack=stack,
        installed=installed,
        seconds=seconds,
        checked=json.loads(checked.stdout),
        consistency=_last_line(consistency),
        triton=_last_line(imported),
        sound=consistency.returncode == imported.returncode == 0,
        python=python_is.stdout.strip(),
        disk=occupied(place),
    )


def occupied(folder: Path) -> int:
    """Bytes on disk of everything below a folder, each file once."""
    seen: dict[tuple[int, int], int] = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            found = (Path(parent) / name).lstat()
            seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def page(outcomes: list[Outcome], today: str, python: str) -> str:
    """The evidence as Markdown."""
    names = " and ".join(outcome.stack for outcome in outcomes)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    how = (
        f"Written by `nox -s prove-stacks`: `llmdoctor install --profile STACK --profile triton "
        f"--python {python} --yes --no-smoke` into a fresh folder, then `llmdoctor smoke`. "
        f"{system}, "
        f"{platform.machine()}, {os.cpu_count()} cores, no GPU: the GPU and its driver were "
        f"*simulated* (a stand-in for the NVML library that says {RTX_4090.name}, driver "
        f"{DRIVER}), so nothing here ran on a GPU. What uv's cache held was not downloaded again."
    )
    lines = [
        f"# {names}, with triton, installed for real on Python {python} ({today})",
        "",
        textwrap.fill(how, 100, break_on_hyphens=False),
        "",
        "| | " + " | ".join(outcome.stack for outcome in outcomes) + " |",
        "|---|" + "---|" * len(outcomes),
    ]
    for title, cells in _facts(outcomes):
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    for outcome in outcomes:
        lines += ["", f"## {outcome.stack}", "", "What the plan said about the build:", ""]
        lines += [f"- {text}" for text in _about_the_build(outcome)]
        lines += ["", "What `llmdoctor check` said afterwards:", ""]
        lines += _findings(outcome)
        lines += ["", "The smoke test, on the processor:", "", *_rows(outcome)]
    return "\n".join(lines) + "\n"


def _facts(outcomes: list[Outcome]) -> list[tuple[str, list[str]]]:
    versions = [{item["name"]: item for item in one.installed["packages"]} for one in outcomes]
    facts = [("Python", [one.python for one in outcomes])]
    facts += [(name, [str(them[name]["version"]) for them in versions]) for name in SHOWN]
    facts += [
        ("build of torch", [one.installed["torch"]["variant"] for one in outcomes]),
        ("packages", [str(len(them)) for them in versions]),
        ("room in the environment", [f"{one.disk / 1e9:.2f} GB" for one in outcomes]),
        ("wall time, proof included", [f"{one.seconds:.0f} s" for one in outcomes]),
        ("outcome", [one.installed["outcome"] for one in outcomes]),
        ("smoke rows", [_counted(one) for one in outcomes]),
        ("`uv pip check`", [one.consistency for one in outcomes]),
        ("`import triton`", [one.triton for one in outcomes]),
    ]
    return facts


def _counted(outcome: Outcome) -> str:
    said = [row["outcome"] for row in outcome.installed["smoke"]["rows"]]
    return ", ".join(f"{said.count(word)} {word}" for word in dict.fromkeys(said))


def _about_the_build(outcome: Outcome) -> list[str]:
    """Where torch came from and why not from elsewhere, in the plan's words; no local paths."""
    document = outcome.installed
    lines = [f"taken from {document['source']}"]
    for item in document["rejected"]:
        public = "://" in item["candidate"] and not item["candidate"].startswith("file:")
        if public or item["candidate"].startswith("torch "):
            lines.append(f"{item['candidate']}: {item['reason']}")
    return lines


def _findings(outcome: Outcome) -> list[str]:
    found = outcome.checked["findings"]
    return [f"- {item['severity']} {item['code']}: {item['title']}" for item in found] or ["- none"]


def _rows(outcome: Outcome) -> list[str]:
    lines = ["| row | outcome | ran as | error | gate | seconds |", "|---|---|---|---|---|---|"]
    for row in outcome.installed["smoke"]["rows"]:
        name = "/".join(row[key] for key in ("backend", "kernel", "mode", "dtype"))
        cells = [name, row["outcome"], row["ran_as"] or ""]
        cells += [_number(row[key], "{:.1e}") for key in ("error", "tolerance")]
        cells.append(_number(row["seconds"], "{:.2f}"))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _doctor(command: str) -> list[str]:
    return [sys.executable, "-m", "llmdoctor", command]


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]


def _run(
    argv: list[str], env: dict[str, str] | None = None, *, show: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program; `show` lets its progress through to the terminal."""
    errors = None if show else subprocess.PIPE
    return subprocess.run(
        argv, env=env, stdout=subprocess.PIPE, stderr=errors, text=True, check=False
    )


def main(words: list[str]) -> int:
    """Prove every stack that is named, one after the other, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("stacks", nargs="+", metavar="STACK")
    parser.add_argument("--python", default="3.12", metavar="X.Y")
    options = parser.parse_args(words)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="prove-stacks-") as name:
        folder = Path(name)
        library = build_fake_nvml(folder / "nvml")
        env = {
            **os.environ,
            **nvml_env(library, driver=DRIVER, cuda=CUDA, gpus=[RTX_4090]),
            "LLMDOCTOR_STATE_DIR": str(folder / "state"),
        }
        for stack in options.stacks:
            with tempfile.TemporaryDirectory(dir=folder) as own:  # one stack's gigabytes at a time
                outcomes.append(prove(stack, options.python, Path(own), env))
    today = datetime.now(tz=timezone.utc).date().isoformat()
    slug = "-and-".join(options.stacks)
    written = EVIDENCE / f"{today}-{slug}-on-python-{options.python}.md"
    written.write_text(page(outcomes, today, options.python), encoding="utf-8")
    print(f"wrote {written.name}")
    return int(not all(outcome.good for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
