"""A log as it comes, bytes in any of the usual encodings, to clean lines with their numbers.

Terminals, CI services, container tools and PowerShell each leave something in a log that is no part
of any message: colours, progress bars, time stamps, names of services, frames. What is left here is
what the failing program said. Memory stays bounded: one chunk and one line at a time.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

from llmdoctor.errors import UsageError
from llmdoctor.pasted import HEAD, encoding_of, is_binary, without_escapes

LONGEST = 1 << 16  # characters; a longer line is read as several of the same number

# What other programs write before each line of the one whose words matter. Every arm needs a
# character that no message begins with, so that few lines cost more than one look.
_PREFIX = re.compile(
    r"""(?:\s*(?:
        >\s?                                                            # a quotation
      | (?:\#\d+\s+)?\d+\.\d+\s                                         # docker build
      | \[?\d{4}-\d\d-\d\d[T\ ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?[,\s]
      | \[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?\s
      | (?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+\d\d-\d\d\s\d\d:\d\d:\d\d\s+[^\s\]]{1,80}\]\s
      | \((?:[\w.-]+\s)?pid=\d+[^)]{0,80}\)\s                            # Ray, vLLM
      | \[(?:rank|default|worker)\s?\d+\]:?\s                            # torchrun
      | [\w.-]{1,40}\s+\|\s                                             # docker compose
      | stderr:\s
    ))+""",
    re.VERBOSE,
)
# One character for one: what typography made of a message's quotes and spaces.
_PLAIN = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0xB4: "'", 0xA0: " "}
# Frames that pip, Poetry, rich and uv draw around or before messages; zero-width characters.
_DRAWN = dict.fromkeys((
    *range(0x2500, 0x25A0), 0x2022, 0xD7, 0x2192, 0x276F, 0x200B, 0x200C, 0x200D, 0xFEFF,
))  # fmt: skip


def lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of each line; pieces that a carriage return parts share a number.

    Raises:
        UsageError: the bytes are no text.
    """
    number, rest = 1, ""
    for text in _decoded(chunks):
        rest += text
        whole, end, rest = rest.rpartition("\n")
        if end:
            for line in whole.split("\n"):
                for piece in line.split("\r"):
                    yield number, _clean(piece)
                number += 1
        while len(rest) > LONGEST:
            for piece in rest[:LONGEST].split("\r"):
                yield number, _clean(piece)
            rest = rest[LONGEST:]
    for piece in rest.split("\r"):
        if piece:
            yield number, _clean(piece)


def _clean(line: str) -> str:
    line = without_escapes(line)
    if not line.isascii():
        line = line.translate(_PLAIN)
    prefix = _PREFIX.match(line)
    return line[prefix.end() :] if prefix else line


def squeezed(line: str) -> str:
    """A line without white space and frames.

    Joined to its neighbours it reads the same however a terminal, a frame or a chat wrapped it.
    """
    if not line.isascii():
        line = line.translate(_DRAWN)
    return "".join(line.split())


def dropped(character: str) -> bool:
    """Whether `squeezed` leaves that character out."""
    return character.isspace() or ord(character) in _DRAWN


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder: codecs.IncrementalDecoder | None = None
    head = b""
    for chunk in chunks:
        head += chunk
        if decoder is None and len(head) < HEAD:
            continue
        decoder = decoder or _decoder(head)
        yield decoder.decode(head)
        head = b""
    decoder = decoder or _decoder(head)
    yield decoder.decode(head, final=True)


def _decoder(head: bytes) -> codecs.IncrementalDecoder:
    encoding = encoding_of(head)
    if is_binary(head[:HEAD].decode(encoding, "replace")):
        raise UsageError(
            "this is no text but binary data",
            next_command="pip install PACKAGE 2>&1 | llmdoctor explain -",
        )
    return codecs.getincrementaldecoder(encoding)("replace")
