"""A bundle for a person at a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmdoctor.render import plans
from llmdoctor.render.terminal import Paper, command

if TYPE_CHECKING:
    from llmdoctor.install import Made


def made(made: Made, paper: Paper, profiles: Sequence[str], *, verbose: bool) -> None:
    """What was brought, for which machine, and how it is installed; or why it cannot be."""
    choice, whole = made.plan.choice, made.bundle
    if whole is None:
        asked = plans.Asked(tuple(profiles), ("llmdoctor", "bundle"), ("DIR",))
        plans.plan(made.plan, paper, asked, verbose=verbose)
        return
    paper.verbatim(f"{' + '.join(choice.profiles)} in {whole.folder}", "bold")
    paper.line(f"torch {choice.torch}, build {choice.variant}")
    paper.line(f"for {plans.machine(choice.target)}", indent=2)
    size = plans.megabytes(whole.size)
    paper.line(f"{len(whole.packages)} files, {size}; {made.came} of them came now")
    for package in whole.packages if verbose else ():
        paper.item("·", f"{package.name} {package.version}")
        paper.verbatim(package.file, "dim", 4)
        paper.verbatim(f"sha256 {package.sha256}", "dim", 4)
    paper.line("take the folder to that machine, and there:")
    paper.verbatim(f"$ {command(('llmdoctor', 'install', '--bundle', whole.folder))}", "bold", 2)
