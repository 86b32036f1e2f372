"""A check as a block of Markdown for a bug report, from which `check --from` judges it again.

What was seen stands in a fence, where nothing has a meaning. In the prose around it, a text from
the machine must neither become markup nor, on GitHub, a mention of a person or of an issue.
"""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator, Sequence

from llmdoctor import __version__
from llmdoctor.diagnose import one_line
from llmdoctor.finding import SEVERITIES, Finding, Report
from llmdoctor.machine import Machine
from llmdoctor.profile import Profile
from llmdoctor.redact import redact, redact_verdict
from llmdoctor.render import saved
from llmdoctor.render.markup import code, fence, plain, printable, prose
from llmdoctor.render.terminal import command
from llmdoctor.tables import capability_of

LIMIT = 65_536  # characters of a text on GitHub
_WORDS = 4_000  # of them, for what a person writes around the block
_ADDRESS = re.compile(r"https?://[^\s<>]+")


def check(report: Report, again: Sequence[str], wanted: tuple[Profile, ...] = ()) -> str:
    """A whole check, for the wanted profiles.

    `again` is the command that makes the same findings of the block. A look that was read from a
    file is as somebody wrote it down: it is redacted here once more.
    """
    report = dataclasses.replace(
        report,
        machine=redact(report.machine, ""),
        verdicts=tuple(redact_verdict(verdict, "", pasted=True) for verdict in report.verdicts),
    )
    machine = saved.without_extras(report.machine)
    typed = html.escape(command(again), quote=False)
    before = "\n".join(
        [
            f"## {prose(f'llmdoctor {__version__}: {one_line(report)}')}",
            "",
            _counts(report),
            "",
            *_table(machine),
            *(line for item in report.findings for line in _finding(item)),
            *_abilities(report),
            "<details>",
            f"<summary>Everything that was seen (<code>{typed}</code> reads it)</summary>",
            "",
            "What is empty or usual is left out, and what packages require for their extras.",
        ]
    )
    machine, left = saved.fitted(machine, wanted, LIMIT - _WORDS - len(before))
    if left:
        before += f" To be short enough for GitHub, so are {', '.join(left)}: no finding changes."
    text = f"{before}\n\n{fence(saved.text(machine), 'json')}\n\n</details>"
    if len(text) > LIMIT:
        note = (
            f"This is longer than the {LIMIT:,} characters that GitHub takes: attach it as a file."
        )
        text = f"{note}\n\n{text}"
    return text


def _counts(report: Report) -> str:
    words = [
        f"{n} {name}{'' if n == 1 else 's'}" for name in SEVERITIES for n in [report.count(name)]
    ]
    outcomes = [verdict.outcome for verdict in report.verdicts]
    checks = f"{outcomes.count('pass')} checks passed, {outcomes.count('skip')} skipped"
    crashed = [
        f"{verdict.code} crashed: {code(verdict.reason or 'unknown')}"
        for verdict in report.verdicts
        if verdict.outcome == "crash"
    ]
    known = [f"{len(report.known)} known and left out"] if report.known else []
    return "; ".join([", ".join(words), checks, *known, *crashed])


def _finding(item: Finding) -> Iterator[str]:
    yield f"### {prose(f'{item.severity} {item.code}: {item.title}')}"
    yield ""
    if item.detail:
        yield from (prose(item.detail), "")
    if item.evidence:
        yield from (f"- {code(line)}" for line in item.evidence if line.strip())
        yield ""
    if item.remedy:
        yield from (f"Remedy: {prose(item.remedy.summary)}", "")
        if item.remedy.commands:
            lines = "\n".join(f"$ {command(argv)}" for argv in item.remedy.commands)
            yield from (fence(lines, "console"), "")
    if item.url:
        yield from (f"<{item.url}>" if _ADDRESS.fullmatch(item.url) else code(item.url), "")


def _abilities(report: Report) -> Iterator[str]:
    lines = [("can", text) for text in report.can] + [("cannot", text) for text in report.cannot]
    if lines:
        yield "### What this machine can and cannot do"
        yield ""
        yield from (f"- {word}: {prose(text)}" for word, text in lines)
        yield ""


def _table(machine: Machine) -> Iterator[str]:
    yield "| | |"
    yield "|---|---|"
    for name, value in _facts(machine):
        yield f"| {name} | {plain(printable(value))} |"
    yield ""


def _facts(machine: Machine) -> Iterator[tuple[str, str]]:
    host, nvidia, environment = machine.host, machine.nvidia, machine.environment
    wsl = f"WSL {host.wsl}" if host.wsl else None
    yield (
        "OS",
        _words(host.distribution or host.system, host.distribution_version, wsl, host.container),
    )
    if host.system == "linux":
        yield "C library", f"{host.libc.name} {host.libc.version}" if host.libc else "unknown"
    yield "CPU", _words(host.arch, machine.cpu.model)
    for gpu in nvidia.gpus:
        known = gpu.compute_capability or capability_of(gpu.name)
        yield f"GPU {gpu.index}", f"{gpu.name}, compute capability {known or '?'}"
    if not nvidia.gpus:
        yield "GPU", _without(machine, "no NVIDIA GPU seen", "nvidia")
    yield "Driver", nvidia.driver_version or _without(machine, "none", "nvidia", "driver")
    highest = ", ".join(nvidia.driver_cuda)
    nvcc = machine.cuda.nvcc_version
    cuda = [f"up to {highest} by the driver" if highest else "", f"nvcc {nvcc}" if nvcc else ""]
    yield "CUDA", ", ".join(filter(None, cuda)) or _without(machine, "none", "nvidia", "cuda")
    none = _without(machine, "none", "environment")
    yield "Python", f"{environment.version} ({environment.kind})" if environment.version else none
    torch = environment.torch
    absent = "not installed" if environment.kind not in ("missing", "broken") else none
    yield (
        "torch",
        _words(torch.version or "unknown", torch.cuda and f"(CUDA {torch.cuda})")
        if torch
        else _without(machine, absent, "torch", "packages"),
    )
    for name in ("transformers", "flash-attn"):
        package = environment.package(name)
        yield name, package.version if package else _without(machine, absent, "packages")


def _without(machine: Machine, none: str, *readers: str) -> str:
    """What stands where nothing was seen: that there is nothing only where somebody looked."""
    return "unknown" if any(machine.note(reader) for reader in readers) else none


def _words(*words: str | None) -> str:
    return " ".join(word for word in words if word)
