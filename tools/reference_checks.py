# ruff: noqa: INP001 - a part of the program `reference.py`
"""The reference pages of checks, a page for each family, from the checks' own documentation."""

from __future__ import annotations

import re

from llmdoctor.checks import CHECKS, Check
from llmdoctor.checks._framework import ANY

FAMILIES = {
    "HOST": "The operating system and the machine",
    "NET": "The network (`--network`)",
    "DRV": "The NVIDIA driver",
    "GPU": "The GPUs",
    "CUDA": "The CUDA toolkit and compilers",
    "PY": "Python and the environment",
    "TORCH": "PyTorch",
    "PKG": "Installed packages",
    "EXT": "Compiled extensions",
    "ATTN": "Attention",
    "HF": "Transformers and its neighbours",
    "DEEP": "What only loading shows (`--deep`)",
    "POETRY": "Poetry",
    "LOCK": "Lock files",
    "PROJ": "The project",
    "PROFILE": "The wanted profile",
    "LOG": "Messages in a pasted report",
}


def pages() -> dict[str, str]:
    """Every page by its path below docs/reference."""
    found: dict[str, list[Check]] = {}
    for check in CHECKS:
        found.setdefault(family(check), []).append(check)
    listed = [f"- [{name}]({name.lower()}.md): {FAMILIES[name]}" for name in found]
    head = (
        "# Checks\n\nWhat `llmdoctor check` looks at, most fundamental first. `--select` and "
        "`--ignore` take these codes, or how they begin.\n"
    )
    index = {"checks/README.md": "\n".join([head, *listed, ""])}
    return index | {f"checks/{name.lower()}.md": page(name, of) for name, of in found.items()}


def family(check: Check) -> str:
    """The letters of its code."""
    return check.code.rstrip("0123456789")


def page(name: str, checks: list[Check]) -> str:
    """One family."""
    return "\n".join([f"# {name}: {FAMILIES[name]}", "", *map(section, checks)])


def section(check: Check) -> str:
    """One check."""
    facts = [f"severity: {check.severity}"]
    if check.cause:
        facts.append(f"cause: [{check.cause}](../causes.md#{check.cause})")
    if others := [f"[{name}](../causes.md#{name})" for name in check.also if name != ANY]:
        facts.append(f"also: {', '.join(others)}")
    if ANY in check.also:
        facts.append("also any cause whose message was read")
    lines = [f"## {check.code}: {check.title}", "", "; ".join(facts), ""]
    for heading, text in check.sections.items():
        lines += [f"**{heading}.** {plain(text)}", ""]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text in which nothing but code in backticks is taken for markup."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [re.sub(r"([*_\[\]<])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts)
