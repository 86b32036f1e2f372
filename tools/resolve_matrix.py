# ruff: noqa: INP001 - a program, not a package
"""Resolve every stack with every add-on it carries, for typical machines, and write the table.

What the resolver of llmdoctor allows has to be resolvable for uv as well: pins that contradict each
other, or a package without a wheel for a platform, show here before a user meets them. Only
listings and metadata are read. Exit code 1 where uv refuses what llmdoctor's resolver allowed.

    python tools/resolve_matrix.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import parse_wheel_filename

from llmdoctor import closure, pip_config, profiles, resolve
from llmdoctor.install.plans import find_uv
from llmdoctor.installers import manifest
from llmdoctor.installers import uv as uv_installer
from llmdoctor.plan import Choice, Requirement, Source
from llmdoctor.profile import Profile
from llmdoctor.system import System
from llmdoctor.system.local import Local
from llmdoctor.target import assume

EVIDENCE = Path(__file__).resolve().parent.parent / "docs" / "evidence"

# Typical machines, with Python 3.12. A driver of the 580 branch runs CUDA 13.
MACHINES = {
    "Linux x86_64, RTX 4090": ("gpu=RTX 4090", "driver=580.95.05"),
    "Linux aarch64, GH200": ("arch=aarch64", "gpu=GH200", "driver=580.95.05"),
    "Linux aarch64, GB10": ("arch=aarch64", "gpu=GB10", "driver=580.95.05", "glibc=2.39"),
    "Windows x86_64, RTX 4090": ("os=windows", "gpu=RTX 4090", "driver=581.57"),
    "macOS arm64": ("os=macos", "arch=arm64"),
}

INTRODUCTION = """\
Written by `nox -s resolve-matrix`, with {uv}, for Python 3.12: each stack with each add-on it
carries. First llmdoctor's resolver decides for the machine; what it allows is then resolved by
`uv pip compile` for that platform, through the product's own `closure` module, against the real
package index. Nothing is installed.

A cell holds the build of torch and the number of packages; *refused* is our resolver's refusal,
with its code and the number of its reason below; **uv refuses** would be a defect.

What is different from an install:

- The package index's torch, of the same version and without the local version label, stands in for
  the PyTorch index's build. So the CUDA libraries are those of the package index's build: on Linux
  aarch64 there are none up to torch 2.10, whose wheel there is a CPU build, and on Windows there
  are none either, where the PyTorch index's wheels contain them.
- For flash-attn, mamba-ssm and causal-conv1d the source distribution of the same version stands in
  for the wheel from the catalogue: its requirements are read, it is not built. Cells with *.
"""


@dataclass(frozen=True)
class Cell:
    """One combination on one machine: what the resolver decided, and what uv said to it.

    `packages` is None where uv was not asked or refused; `refusal` is the reason of who refused.
    """

    profiles: tuple[str, ...]
    machine: str
    choice: Choice
    packages: int | None = None
    stand_ins: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def contradicted(self) -> bool:
        """Whether uv refused what the resolver allowed."""
        return self.choice.feasible and self.packages is None


def combinations(known: Sequence[Profile]) -> Iterator[tuple[Profile, ...]]:
    """Each stack alone, then with each add-on it carries."""
    for stack in known:
        if stack.kind == "stack":
            yield (stack,)
            for addon in known:
                if addon.kind == "addon" and (not addon.stacks or stack.name in addon.stacks):
                    yield (stack, addon)


def stand_in(requirement: Requirement) -> Requirement:
    """The same release from the package index in place of a wheel's address."""
    if requirement.url is None:
        return requirement
    filename = unquote(urlsplit(requirement.url).path).rpartition("/")[2]
    version = parse_wheel_filename(filename)[1]
    text = f"{requirement.name}=={version.public}"
    return replace(requirement, text=text, url=None, source="index", build=True)


def ask(system: System, wanted: Sequence[Profile], known: Sequence[Profile], machine: str) -> Cell:
    """What both resolvers say to one combination on one machine. Reads the package index."""
    target = assume(MACHINES[machine])
    choice = resolve.resolve(wanted, known, target)
    cell = Cell(tuple(profile.name for profile in wanted), machine, choice)
    if not choice.feasible:
        return replace(cell, refusal=choice.reasons[0].text)
    requirements = [stand_in(item) for item in choice.requirements]
    replaced = [item.name for item in choice.requirements if item.url is not None]
    # Only the index: folders of wheels that pip knows as well would say nothing about the registry.
    pip = replace(pip_config.read(system), find_links=(), extra_index_urls=())
    try:
        closed = closure.close(
            system,
            find_uv(system),
            manifest(requirements, Source("default", str(choice.torch), ""), target.python),
            system.interpreter(),
            (),
            {
                **uv_installer.environment(pip, system.environ),
                **uv_installer.platform_environment(target),
            },
            builds=[item.name for item in requirements if item.build],
            options=(
                *uv_installer.platform_options(target),
                # a stand-in whose requirements cannot be read without building fails at once
                *(word for name in replaced for word in ("--no-build-isolation-package", name)),
            ),
        )
    except closure.NoSolutionError as error:
        return replace(cell, refusal=error.message, stand_ins=tuple(replaced))
    return replace(cell, packages=len(closed.packages), stand_ins=tuple(replaced))


def page(cells: Sequence[Cell], today: str, uv: str) -> str:
    """The record as Markdown."""
    refusals = list(dict.fromkeys(cell.refusal for cell in cells if not cell.choice.feasible))
    lines = [
        f"# Every stack with every add-on, resolved for five kinds of machine ({today})",
        "",
        INTRODUCTION.format(uv=uv),
        _totals(cells),
        "",
        "| | " + " | ".join(MACHINES) + " |",
        "|---|" + "---|" * len(MACHINES),
    ]
    for names in dict.fromkeys(cell.profiles for cell in cells):
        row = {cell.machine: cell for cell in cells if cell.profiles == names}
        shown = [_shown(row[machine], refusals) for machine in MACHINES]
        lines.append(f"| {' + '.join(names)} | " + " | ".join(shown) + " |")
    lines += ["", "## Why our resolver refuses", ""]
    lines += [f"{number}. {text}" for number, text in enumerate(refusals, 1)]
    for cell in cells:
        if cell.contradicted:
            lines += ["", f"## {' + '.join(cell.profiles)} on {cell.machine}: uv refuses", ""]
            lines += ["```", cell.refusal, "```"]
    return "\n".join(lines) + "\n"


def _totals(cells: Sequence[Cell]) -> str:
    resolved = sum(cell.packages is not None for cell in cells)
    refused = sum(not cell.choice.feasible for cell in cells)
    against = sum(cell.contradicted for cell in cells)
    return (
        f"{len(cells)} combinations: {resolved} resolved, {refused} refused by our resolver, "
        f"{against} allowed by it and refused by uv."
    )


def _shown(cell: Cell, refusals: Sequence[str]) -> str:
    if not cell.choice.feasible:
        number = refusals.index(cell.refusal) + 1
        return f"refused: {cell.choice.reasons[0].code} ({number})"
    mark = "*" if cell.stand_ins else ""
    if cell.packages is None:
        return f"**uv refuses** {cell.choice.variant}{mark}"
    return f"{cell.choice.variant}: {cell.packages}{mark}"


def main() -> int:
    """Ask for every combination, one after the other, and write the page."""
    system = Local()
    known = tuple(profiles.builtin().values())
    cells = []
    for wanted in combinations(known):
        for machine in MACHINES:
            cell = ask(system, wanted, known, machine)
            cells.append(cell)
            said = cell.refusal if cell.packages is None else f"{cell.packages} packages"
            print(f"{' + '.join(cell.profiles)} | {machine} | {said}", flush=True)
    uv = system.run((find_uv(system), "--version")).out
    today = datetime.now(tz=timezone.utc).date().isoformat()
    written = EVIDENCE / f"{today}-resolve-matrix.md"
    version = " ".join(uv.split()[:2])
    written.write_text(page(cells, today, version), encoding="utf-8")
    print(f"wrote {written.name}: {_totals(cells)}")
    return int(any(cell.contradicted for cell in cells))


if __name__ == "__main__":
    sys.exit(main())
