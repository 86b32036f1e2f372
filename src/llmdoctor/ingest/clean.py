"""From a text to the lines that a tool printed: what pasting has done to them is taken off."""

from __future__ import annotations

import html
import re

from llmdoctor.pasted import without_escapes

LONGEST_LINE = 4096  # characters; the longest that a tool prints is the list of CPU flags

_TAG = re.compile(
    r"</?(?:details|summary|pre|code|samp|p|br|div|span|b|strong|em|i|ul|ol|li|table|tbody|tr|td"
    r"|th|blockquote|h[1-6])(?:\s[^<>\n]{0,200})?/?>",
    re.IGNORECASE,
)
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\x00"))
_BLANKS = dict.fromkeys(map(ord, "\u00a0\u2007\u202f\t"), " ")
_RULES: dict[int, str | None] = {ord("│"): "|", ord("┃"): "|"}
_MARKS = {**_RULES, **_INVISIBLE, **_BLANKS}
_BULLET = re.compile(r"(?:[-*•+]|\d{1,2}\.) +(?:\[[ xX]\] +)?")


def lines_of(text: str) -> list[str]:
    """The lines without colours, quote marks, bullets, fences, HTML and outer blanks.

    A progress bar's last state is kept. Lines are cut at `LONGEST_LINE` characters.
    """
    text = without_escapes(text.translate(_MARKS).replace("\r\n", "\n"))
    if "<" in text:
        text = _TAG.sub("", _without_comments(text))
    if "&" in text:
        text = html.unescape(text)
    return [_clean(line[:LONGEST_LINE]) for line in text.split("\n")]


def _without_comments(text: str) -> str:
    """Without HTML comments: an issue's template gives its examples in them."""
    parts, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        parts.append(text[at:start])
        at = end + 3
    return "".join((*parts, text[at:]))


def _clean(line: str) -> str:
    if "\r" in line:
        line = line.rstrip("\r").rpartition("\r")[2]
    line = line.strip()
    while line[:1] == ">":  # quoted, perhaps several times
        line = line[1:].lstrip()
    if line[:3] in ("```", "~~~"):
        return ""
    if line[:1] in "-*•+0123456789" and (bullet := _BULLET.match(line)):
        line = line[bullet.end() :]
    if "`" in line:
        line = line.replace("`", "").strip()
    return line.replace("**", "") if "**" in line else line
