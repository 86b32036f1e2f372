"""Take out of a report what names a person or a device, field by field.

The machine is judged as it is, and redacted for the report only: judged after, "~" and "<user>"
would stand in commands that are to be run. In a remedy's commands a path below the user's own home
is written with "~/", which a shell expands where a person pastes it, and llmdoctor's own options
expand themselves. A path below somebody else's home stays as it is there, name and all: nothing
else would work. Every other text names nobody.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from llmdoctor.finding import Finding, Verdict
from llmdoctor.machine import Machine


def redact(machine: Machine, home: str) -> Machine:
    """Replace what names a person or a device, field by field.

    The home folder at the start of a path becomes "~", any other user's home keeps only its shape,
    device UUIDs go. Nothing is replaced inside a word: a user called "cuda" changes no key and no
    other value.
    """
    redacted = _redact(machine, home)
    assert isinstance(redacted, Machine)
    return redacted


def redact_verdict(verdict: Verdict, home: str) -> Verdict:
    """The same of what a check says; commands keep what they need to work."""
    return dataclasses.replace(
        verdict,
        findings=tuple(_redact_finding(finding, home) for finding in verdict.findings),
        reason=None if verdict.reason is None else redact_text(verdict.reason, home),
    )


def _redact_finding(finding: Finding, home: str) -> Finding:
    remedy = finding.remedy
    if remedy is not None:
        remedy = dataclasses.replace(
            remedy,
            summary=redact_text(remedy.summary, home),
            commands=tuple(
                tuple(from_home(word, home) for word in argv) for argv in remedy.commands
            ),
        )
    return dataclasses.replace(
        finding,
        title=redact_text(finding.title, home),
        detail=redact_text(finding.detail, home),
        evidence=tuple(redact_text(line, home) for line in finding.evidence),
        where=None if finding.where is None else redact_path(finding.where, home),
        remedy=remedy,
    )


def redact_path(path: str, home: str) -> str:
    """Write a path below `home` with "~"; hide the user's name of a path below anybody's home."""
    short = from_home(path, home)
    return short if short != path else _HOME_OF_SOMEBODY.sub(r"\1<user>", path, count=1)


def redact_text(text: str, home: str) -> str:
    """A sentence that quotes paths."""
    base = home.rstrip("/\\")
    if base:
        flags = re.IGNORECASE if base[1:2] == ":" else 0
        text = re.sub(rf"(?<![\w/\\.]){re.escape(base)}(?![\w.-])", "~", text, flags=flags)
    return _UUID.sub(r"\1-<uuid>", _HOME_IN_TEXT.sub(r"\1<user>", _CREDENTIALS.sub("", text)))


def from_home(path: str, home: str) -> str:
    """Write a path below `home` with "~"; every other word stays."""
    base = home.rstrip("/\\")  # nothing is left of a container's home "/": that names nobody
    if base and _fold(path[: len(base)], base) == _fold(base, base):
        rest = path[len(base) :]
        if not rest or rest[0] in "/\\":
            return "~" + rest
    return path


def _fold(path: str, home: str) -> str:
    """A path for comparing: Windows knows neither case nor the direction of the slash."""
    return path.replace("\\", "/").lower() if home[1:2] == ":" else path


# Where homes lie: /home/name, /Users/name, C:\Users\name, and WSL's view of the last.
_HOMES = r"(?:[A-Za-z]:|/mnt/[a-z]|/var|/usr|/export)?[\\/](?:home|Users)[\\/]"
_HOME_OF_SOMEBODY = re.compile(rf"^({_HOMES})[^\\/]+", re.IGNORECASE)
# In a sentence a name ends at the next separator, or where a word ends.
_HOME_IN_TEXT = re.compile(
    rf"(?<![\w/\\.])({_HOMES})(?:[^\\/'\":;,]+(?=[\\/])|[^\\/\s'\":;,]+)", re.IGNORECASE
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")  # up to the last @ before the path
_UUID = re.compile(
    r"\b(GPU|MIG)-(?:GPU-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)


def _redact(value: object, home: str, role: str | None = None) -> object:
    if role == "secret":
        return None
    if role is not None and isinstance(value, str):
        return _REDACTORS[role](value, home)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {
            f.name: _redact(getattr(value, f.name), home, f.metadata.get("private"))
            for f in dataclasses.fields(value)
        }
        return dataclasses.replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(_redact(item, home, role) for item in value)
    if isinstance(value, dict):
        return {key: _redact(item, home, role) for key, item in value.items()}
    return value


def _redact_variable(value: str, home: str) -> str:
    """A variable's value: paths, devices, or addresses that may carry a password."""
    value = _UUID.sub(r"\1-<uuid>", value)
    if "://" in value:
        words = re.split(r"([\s,]+)", _CREDENTIALS.sub("", value))
        return "".join(_redact_word(word, home) for word in words)
    separator = ";" if "\\" in home else ":"
    return separator.join(redact_path(part, home) for part in value.split(separator))


def _redact_word(word: str, home: str) -> str:
    scheme, colon, rest = word.partition("://")
    if not colon:
        return redact_path(word, home)
    return f"{scheme}://{redact_path(rest, home)}" if scheme == "file" else word


_REDACTORS: dict[str, Callable[[str, str], str]] = {
    "path": redact_path,
    "text": redact_text,
    "variable": _redact_variable,
}
