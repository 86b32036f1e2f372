"""Take out of a report what names a person or a device, field by field.

The machine is judged as it is, and redacted for the report only: judged after, "~" and "<user>"
would stand in commands that are to be run. In a remedy's commands a path below the user's own home
is written with "~/", which a shell expands where a person pastes it, and llmdoctor's own options
expand themselves. A path below somebody else's home stays as it is there, name and all: nothing
else would work. Only what is made to be pasted names nobody there either. Every other text names
nobody, and shows no token and no password. A web address keeps its path: "users" is a page there,
not a folder of people. Its host stays where everybody knows it (`hosts`): a company's own index
names the company, and the path on it a team.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from llmdoctor.finding import Finding, Verdict
from llmdoctor.hosts import without_private_hosts
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


def redact_verdict(verdict: Verdict, home: str, *, pasted: bool = False) -> Verdict:
    """The same of what a check says; commands keep what they need to work, unless it is pasted."""
    return dataclasses.replace(
        verdict,
        findings=tuple(_redact_finding(finding, home, pasted) for finding in verdict.findings),
        reason=None if verdict.reason is None else redact_text(verdict.reason, home),
    )


def _redact_finding(finding: Finding, home: str, pasted: bool) -> Finding:
    remedy, word_of = finding.remedy, redact_path if pasted else from_home
    if remedy is not None:
        remedy = dataclasses.replace(
            remedy,
            summary=redact_text(remedy.summary, home),
            commands=tuple(tuple(word_of(word, home) for word in argv) for argv in remedy.commands),
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
    return _HOME_OF_SOMEBODY.sub(_hide_name, _hide_secrets(from_home(path, home)))


def redact_text(text: str, home: str) -> str:
    """A sentence, a command line or a log that quotes paths, settings and addresses."""
    base = home.rstrip("/\\")
    if base:
        flags = re.IGNORECASE if base[1:2] == ":" else 0
        text = re.sub(rf"{_PATH_STARTS}{re.escape(base)}(?![\w.-])", "~", text, flags=flags)
    return _UUID.sub(r"\1-<uuid>", _HOME_IN_TEXT.sub(_hide_name, _hide_secrets(text)))


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


# Where a path starts in a text: not inside a word or a longer path, but behind a compiler's -I.
_PATH_STARTS = r"(?:(?<![\w/\\.])|(?<=file://)|(?<=(?<!\w)-[BFILR]))"
# An address keeps its path; what a query or a list joins to it is read for itself.
_ADDRESS = r"(?P<address>https?://(?:<[a-z-]+>)?(?:(?!:/)[^\s'\"<>,;|)?#=])*)"
# A folder of homes at any depth: /home, C:\Users, /export/home, \\wsl$\Ubuntu\home, /home/users.
_HOMES = r"(?P<homes>[\\/](?:home|Users)[\\/]+)(?:(?:home|Users)[\\/]+)*"
_HOME_OF_SOMEBODY = re.compile(  # all of the text is one path; only an option ends a name sooner
    rf"{_ADDRESS}|{_HOMES}(?:(?!\s-)[^\\/:])+", re.IGNORECASE
)
# In a sentence a name ends at the next separator, or where a word ends. Names of several words are
# found below Users only, and by the separator behind them: elsewhere they would be prose.
_NAME = r"(?:[^\\/\s'\":;,()<>\[\]{}|]|(?<=\w)'(?=\w))+"
_NAMES = rf"(?:(?<=Users[\\/])|(?<=Users[\\/]{{2}})){_NAME}(?: (?![-~]){_NAME}){{1,3}}(?=[\\/])"
_HOME_IN_TEXT = re.compile(rf"{_ADDRESS}|{_HOMES}(?:{_NAMES}|{_NAME})", re.IGNORECASE)
# Up to the last @ before the path; our own advice shows how an address with a login looks.
_CREDENTIALS = re.compile(r"(?<=://)(?!NAME:PASSWORD@HOST)[^/\s]*@")
# Tokens known by how they start: Hugging Face, GitHub, AWS; GitLab, OpenAI and its like, PyPI.
# A package may be called pypi-something: only a token has capitals or digits in it.
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{16,}|gh[oprsu]_[A-Za-z0-9]{16,}|github_pat_\w{16,}"
    r"|A[KS]IA[0-9A-Z]{16})|(?<![\w-])(?:glpat|sk|pypi)-(?=[a-z_-]*[A-Z0-9])[\w-]{16,}"
)
_WORD = (  # a tokenizer's special tokens are no secret
    r"(?:(?<!(?:pad|eos|bos|unk|sep|cls)[_-])(?<!mask[_-])token"
    r"|password|passwd|secret(?:[_-]?key)?|api[_-]?key|access[_-]?key)"
)
_BETWEEN = r"(?:=(?!=)|[ \t]+=[ \t]+|(?P<colon>[ \t]*:(?![:/\\])[ \t]*))"
_VALUE = (
    r"(?P<value>\\+\"(?:\\[^\"\n]|[^\"\\\n])*|\\+'(?:\\[^'\n]|[^'\\\n])*"
    r"|\"(?:\\.|[^\"\\\n])*|'(?:\\.|[^'\\\n])*|[^\s'\",;&)\]}]+)"
)
_SECRETS = tuple(
    re.compile(f"(?P<lead>{lead}){_VALUE}", re.IGNORECASE)
    for lead in (
        r"authorization\\*[\"']?[ \t]*[:=][ \t]*(?:(?:bearer|basic|digest|token)[ \t]+)?",
        r"\bbearer[ \t]+",
        rf"(?<![\w-])(?P<key>[\w-]*?{_WORD})\\*[\"']?\]?{_BETWEEN}",
        rf"(?<![\w-])--?[\w-]*?{_WORD}[ \t]+(?!-)",  # without its dashes that is prose
        r"[?&][\w%.-]*(?:sig|signature|credential|auth|key|pass|pwd|user)=",  # of a signed address
    )
)
# What stands where a secret would and is none: a number, a placeholder, a name in source code, and
# the words that follow "--token" or "bearer" in a sentence.
_PLAIN = re.compile(
    r"|-?[\d.]{1,6}|\W{1,2}|[<\[{*].*|\.{3}|\$(?:[({].*|[A-Z_]+)"
    rf"|(?i:none|null|true|false|yes|no|on|off|(?:self|os|args|config|kwargs)\..*|{_WORD}s?"
    r"|to|is|was|and|or|as|if|in|for|from|with|not|option|flag|argument|auth|authentication)\W?",
    re.DOTALL,
)


def _hide_name(found: re.Match[str]) -> str:
    return found["address"] or f"{found['homes']}<user>"


def _hide_secrets(text: str) -> str:
    text = _CREDENTIALS.sub("", text)
    for secret in _SECRETS:
        text = secret.sub(_hide_secret, text)
    return without_private_hosts(_TOKEN.sub("<secret>", text))


def _hide_secret(found: re.Match[str]) -> str:
    value = found["value"]
    bare = value.lstrip("\\").lstrip("\"'")
    named = found.groupdict()
    key = (named.get("key") or "").strip("-").lower()
    if _PLAIN.fullmatch(bare) or bare.lower() == key:
        return found[0]
    if named.get("colon") and key == "token" and re.fullmatch("[a-z]+", value):
        return found[0]  # "unexpected token: else"
    return f"{found['lead']}{value[: len(value) - len(bare)]}<secret>"


_UUID = re.compile(
    # CUDA_VISIBLE_DEVICES takes the first digits of one as well
    r"\b(GPU|MIG)-(?:GPU-)?[0-9a-f]{6,8}(?:-[0-9a-f]{1,12}){0,4}(?![\w-])",
    re.IGNORECASE,
)


def _redact(value: object, home: str, role: str | None = None) -> object:
    if role == "secret":
        return None
    if isinstance(value, str):
        if role is not None:
            return _REDACTORS[role](value, home)
        return without_private_hosts(_CREDENTIALS.sub("", value)) if "://" in value else value
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
    value = _hide_secrets(_UUID.sub(r"\1-<uuid>", value))
    if "://" in value:
        words = re.split(r"([\s,]+)", value)
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
