"""How each visible GPU stands to the code that is in the installed torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmdoctor.checks._access import why_no_gpu
from llmdoctor.checks._facts import capability, parts, release_of, usable_torch
from llmdoctor.checks._framework import Case, Skip
from llmdoctor.machine import Gpu
from llmdoctor.visible import visible


@dataclass(frozen=True)
class Seen:
    """A GPU to judge; `note` says what CUDA_VISIBLE_DEVICES hides, or why that is not known."""

    gpu: Gpu
    capability: str
    note: str | None

    @property
    def evidence(self) -> tuple[str, ...]:
        """What to show of it: the GPU, and what hides others."""
        line = f"GPU {self.gpu.index} {self.gpu.name}: compute capability {self.capability}"
        return (line, self.note) if self.note else (line,)


@dataclass(frozen=True)
class Fit(Seen):
    """How one GPU stands to the architectures of the installed torch."""

    how: Literal["fits", "above", "newer", "older"]
    architectures: tuple[str, ...]
    torch: str


def fits(case: Case) -> Skip | list[Fit]:
    """Judge every visible GPU whose compute capability is known."""
    if not case.wants_gpu:
        return Skip("the CPU profile uses no GPU")
    torch, host = usable_torch(case), case.machine.host
    if torch is None or torch.version is None or torch.cuda is None or torch.variant is None:
        return Skip("no CUDA build of torch is installed")
    if why := why_no_gpu(case):
        return Skip(f"no GPU can be used: {why}")
    release = release_of(torch.version)
    builds = (
        release.architectures_where_unsaid(torch.variant, host.system, host.arch) if release else ()
    )
    if not builds:
        return Skip(
            f"the architectures of torch {torch.version} for {torch.variant} on "
            f"{host.system} {host.arch} are not in the table"
        )
    seen = visible(case.machine)
    known = [(gpu, cc) for gpu in seen.gpus if (cc := capability(gpu))]
    if not known:
        return Skip("the compute capability of the GPU is not known")
    judged = [(gpu, cc, {_how(codes, cc, torch.cuda) for codes in builds}) for gpu, cc in known]
    if all(len(hows) > 1 for _, _, hows in judged):
        return Skip("the builds of torch differ, and the report does not say which system it is")
    return [
        Fit(gpu, cc, seen.note, hows.pop(), builds[0], torch.version)
        for gpu, cc, hows in judged
        if len(hows) == 1
    ]


def _how(codes: tuple[str, ...], cc: str, cuda: str) -> Literal["fits", "above", "newer", "older"]:
    from llmdoctor.tables import any_runs_on

    ordered = sorted(codes, key=parts)
    if any_runs_on(codes, cc, cuda):
        return "above" if parts(cc) > parts(ordered[-1]) else "fits"
    return "older" if parts(cc) < parts(ordered[0]) else "newer"
