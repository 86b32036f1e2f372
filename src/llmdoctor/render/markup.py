"""Texts as Markdown: in prose none becomes markup, nor on GitHub a mention of somebody."""

from __future__ import annotations

import re

_TYPED = re.compile(r"`([^`]+)`|(https?://[^\s<>`|]*[^\s<>`|.,;:!?)'\"])")
_MARKUP = re.compile(r"[\\`*\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_MENTION = re.compile(r"(?:@|#|\bGH-)(?=\w)", re.IGNORECASE)


def prose(text: str) -> str:
    """A sentence of ours, with what it quotes: code in backticks and addresses stay what they are.

    It fits any place of a line, a table's cell and a heading included.
    """
    text = printable(text)
    parts, at = [], 0
    for match in _TYPED.finditer(text):
        typed, address = match.groups()
        parts.append(plain(text[at : match.start()]))
        parts.append(code(typed) if typed else f"<{address}>")
        at = match.end()
    line = "".join((*parts, plain(text[at:])))
    # at a line's start these make a heading, a list or a rule
    return re.sub(r"^(\d+(?=[.)])|(?=[#+=-]))", r"\1\\", line)


def plain(text: str) -> str:
    """A text as it is, without any markup.

    GitHub looks for names in what is shown, escaped or not: a blank of no width ends the sign.
    """
    escaped = _MARKUP.sub(r"\\\g<0>", text)
    return _MENTION.sub(r"\g<0>&#8203;", escaped)


def code(text: str) -> str:
    """A code span, of as many backticks as it needs."""
    text = printable(text)
    marks = _marks(text, 1)
    blank = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{marks}{blank}{text}{blank}{marks}"


def fence(text: str, language: str) -> str:
    """A block of code, between as many backticks as it needs."""
    marks = _marks(text, 3)
    return f"{marks}{language}\n{text}\n{marks}"


def _marks(text: str, least: int) -> str:
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def printable(text: str) -> str:
    """A text on one line, without what steers a terminal or turns the direction of writing."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
