"""Bytes that somebody saved or pasted, as text: how they are encoded, and whether they are text.

Logs (`explain`) and reports (`ingest`) come the same ways: through terminals, PowerShell, editors.
What each of them takes off its lines then is its own matter.
"""

from __future__ import annotations

import codecs
import re

HEAD = 4096  # bytes that tell the encoding

# Kept among control characters: backspace, tab, line feed, form feed, carriage return, escape.
_CONTROL = "".join(chr(code) for code in range(32) if chr(code) not in "\b\t\n\f\r\x1b")
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,400}(?:\x07|\x1b\\)|[@-Z\\^_])"
)


def encoding_of(head: bytes) -> str:
    """The codec for what begins so: UTF-8, or the UTF-16 that PowerShell writes.

    UTF-16 without its mark is known by every second byte being zero, as Latin text has it.
    """
    sample = head[:HEAD]
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half, even, odd = len(sample) // 2, sample[::2].count(0), sample[1::2].count(0)
    if odd > max(0.4 * half, 2 * even):
        return "utf-16-le"
    if even > max(0.4 * half, 2 * odd):
        return "utf-16-be"
    return "utf-8-sig"


def decoded(data: bytes) -> str:
    """A whole file or pipe as text; what its encoding does not have becomes U+FFFD."""
    return data.decode(encoding_of(data), "replace")


def is_binary(text: str) -> bool:
    """Whether what was decoded holds control characters as no program prints them."""
    head = text[: 16 * HEAD]
    return sum(map(head.count, _CONTROL)) * 50 > len(head)


def without_escapes(text: str) -> str:
    """Without the colours, titles and cursor movements of a terminal."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text
