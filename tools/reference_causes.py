# ruff: noqa: INP001 - a part of the program `reference.py`
"""The reference page of causes: what can be wrong, how a log shows it, and the way out."""

from __future__ import annotations

import shlex

from llmdoctor.checks import CHECKS
from llmdoctor.checks._framework import ANY
from llmdoctor.explain.causes import Cause, causes
from llmdoctor.explain.judge import fill

HEAD = """# Causes

What `llmdoctor explain` names in a log, and what findings of `llmdoctor check` refer to. One file
each in `profiles/tables/causes/`; a new cause is a new file. `{...}` in a message stands for a part
that varies; white space and line breaks in it do not matter.

The table says where each is named: by a check of `llmdoctor check` (those of DEEP want `--deep`,
those of NET `--network`), or in a log alone, and then why a look at a machine cannot show it. With
`--deep`, and in a pasted report, every cause is named too whose message a library or the report
quotes (DEEP005, DEEP006, DEEP008, DEEP009, DEEP011, LOG001).
"""


def page() -> str:
    """The whole page."""
    known, checks = causes(), by_cause()
    listed = ["| cause | what it is | named by |", "|---|---|---|"]
    for slug, cause in known.items():
        seen = ", ".join(map(link, checks.get(slug, ()))) or f"a log alone: {cause.unseen}"
        listed.append(f"| [{slug}](#{slug}) | {fill(cause.title, {})} | {cell(seen)} |")
    sections = [section(slug, cause) for slug, cause in known.items()]
    return "\n".join([HEAD, *listed, "", *sections])


def by_cause() -> dict[str, list[str]]:
    """The codes of the checks that declare a cause, by cause."""
    found: dict[str, list[str]] = {}
    for check in CHECKS:
        for cause in dict.fromkeys((check.cause, *check.also)):
            if cause not in (None, ANY):
                found.setdefault(str(cause), []).append(check.code)
    return found


def link(code: str) -> str:
    """A check's code as a link to its page."""
    family = code.rstrip("0123456789").lower()
    return f"[{code}](checks/{family}.md)"


def section(slug: str, cause: Cause) -> str:
    """One cause."""
    lines = [f"## {slug}", "", f"{fill(cause.title, {})}.", "", text(cause.explanation), ""]
    lines += [f"**Remedy** ({cause.remedy.safety}): {fill(cause.remedy.summary, {})}.", ""]
    if cause.remedy.commands:
        commands = [shlex.join(fill(word, {}) for word in argv) for argv in cause.remedy.commands]
        lines += ["```console", *(f"$ {command}" for command in commands), "```", ""]
    if cause.consequences:
        names = ", ".join(f"[{name}](#{name})" for name in cause.consequences)
        lines += [f"Where it shows, these are its symptoms: {names}.", ""]
    lines += ["| message | confidence | printed by |", "|---|---|---|"]
    for sign in cause.sign:
        for message in sign.text:
            lines.append(f"| {code(message)} | {sign.confidence} | {cell(sign.source)} |")
    return "\n".join([*lines, "", f"See {cause.url}", ""])


def text(explanation: str) -> str:
    """A paragraph on one line, the way Markdown takes it."""
    return " ".join(fill(explanation, {}).split())


def code(message: str) -> str:
    """A message as code in a cell of a table."""
    fence = "``" if "`" in message else "`"
    pad = " " if message.startswith("`") or message.endswith("`") else ""
    return fence + pad + cell(message) + pad + fence


def cell(words: str) -> str:
    """Words in a cell of a table."""
    return words.replace("|", "\\|")
