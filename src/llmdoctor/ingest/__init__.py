"""Reports from elsewhere: a pasted text becomes the `Machine` that a live look would give.

`read` takes any text. Sections of the known tools are found by their own key lines wherever they
stand; each reader gives `Facts`, and `assemble` puts them together. What no section says is a
`Note`, so that a check that needs it is skipped.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

from llmdoctor.errors import UsageError
from llmdoctor.explain import explain
from llmdoctor.ingest import (
    assemble,
    clean,
    collect_env,
    fields,
    nvcc,
    nvidia_smi,
    package_lists,
    snapshot,
    system_lines,
    torch_words,
    transformers_env,
)
from llmdoctor.ingest.facts import Facts, merge
from llmdoctor.machine import Machine, Said

__all__ = ["MOST_LINES", "read"]

MOST_LINES = 200_000  # the longest report is some thousand lines

_JSON = re.compile(r"\s*[\[{]\s*[\[{\"\]}]")


def read(text: str, name: str = "the report") -> Machine:
    """The machine that a text describes.

    Args:
        text: a saved look of our own, or what other tools print, several of them in any order.
        name: what to call the text in a message.

    Raises:
        UsageError: it is no report that is known, or longer than any.
        ProfileError: our own saved look in it is damaged or of another schema.
    """
    if _JSON.match(text) and not package_lists.is_json(text):
        return snapshot.whole(text, name)
    saved = snapshot.within(text, name)
    if saved is not None:
        return saved
    if text.count("\n") > MOST_LINES:
        raise UsageError(
            f"{name} has more than {MOST_LINES:,} lines: that is a log, not a report",
            next_command=f"llmdoctor explain {shlex.quote(name)}",
        )
    facts = facts_of(text)
    if not facts.is_report:
        raise UsageError(
            f"{name} is no report that llmdoctor knows: neither a saved look, nor what "
            "collect_env, transformers env, accelerate env, vllm collect-env, nvidia-smi, pip list "
            "or conda list print; a log is for `llmdoctor explain`",
            next_command="python -m torch.utils.collect_env > report.txt",
        )
    return replace(assemble.machine_of(facts), said=said_in(text))


def said_in(text: str) -> tuple[Said, ...]:
    """The causes that messages in the text show, best first: people paste the error as well.

    Only what is certain: the versions and devices of a report are judged by the checks, which know
    more of them than the words of a package list.
    """
    found = explain([text.encode("utf-8", "replace")])
    return tuple(
        Said(named.cause, named.confidence, item.line, item.text)
        for named in found.causes
        for item in named.evidence[:1]
        if named.confidence == "certain"
    )


def facts_of(text: str) -> Facts:
    """What the sections of a text say, merged; the most exact reader first."""
    lines = clean.lines_of(text)
    table = fields.fields_of(lines)
    return merge(
        (
            nvcc.read(lines),
            nvidia_smi.read(lines),
            collect_env.read(lines, table),
            transformers_env.read(table),
            package_lists.read(text, lines),
            system_lines.read(lines, table),
            torch_words.read(lines),
        )
    )
