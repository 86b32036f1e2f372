"""A report of any command as Markdown or as a page: what it puts on paper, remembered as blocks.

A command writes its report once. On a terminal each line is shown as it comes; here headings,
lists, commands and addresses are told apart, so that they can become markup.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from llmdoctor import __version__
from llmdoctor.redact import from_home, redact_text
from llmdoctor.render import markup
from llmdoctor.render.terminal import Paper, command

_ADDRESS = re.compile(r"https?://[^\s<>]+")
_BULLETS = ("·", "-")
_NUMBER = re.compile(r"\d+\.")

Kind = Literal["heading", "text", "item", "typed", "lines", "address"]


@dataclass
class Block:
    """One part of a report. `within` is what stands below an item, further in than its `indent`."""

    kind: Kind
    lines: list[str]
    style: str = ""
    sign: str = ""
    indent: int = 0
    within: list[Block] = field(default_factory=list)


class Sheet(Paper):
    """Remembers what is written on it. What names a person is taken out, as for a bug report."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._gap = False
        self.blocks: list[Block] = []

    def line(self, text: str = "", style: str = "", indent: int = 0) -> None:
        """A paragraph; in bold and not indented, it heads what follows."""
        if not text.strip():
            self._gap = True
            return
        heads = "bold" in style and indent == 0
        self._put(Block("heading" if heads else "text", [self._clean(text)], style, indent=indent))

    def item(self, sign: str, text: str, style: str = "", indent: int = 2) -> None:
        """A paragraph behind a sign or a number."""
        sign = " ".join(sign.removeprefix("- ").split())
        self._put(Block("item", [self._clean(text)], style, sign, indent))

    def verbatim(self, text: str, style: str = "", indent: int = 0) -> None:
        """A line that is never cut or wrapped: a command, a path, an address."""
        if text.startswith("$ "):
            words = [from_home(word, self._home) for word in shlex.split(text[2:])]
            self._put(Block("typed", [command(words)], style, indent=indent))
        elif _ADDRESS.fullmatch(text):
            self._put(Block("address", [self._clean(text)], style, indent=indent))
        else:
            self._put(Block("lines", [self._clean(text)], style, indent=indent))

    def read(self) -> list[Block]:
        """What was written. A line by itself that is no quotation is a sentence, or heads."""
        _settle(self.blocks)
        return self.blocks

    def _put(self, block: Block) -> None:
        among = self.blocks
        while among and among[-1].kind == "item" and block.indent > among[-1].indent:
            among = among[-1].within
        before = among[-1] if among and not self._gap else None
        if before and before.kind == block.kind and block.kind in ("typed", "lines"):
            before.lines += block.lines
        else:
            among.append(block)
        self._gap = False

    def _clean(self, text: str) -> str:
        return redact_text(text, self._home)


def _settle(blocks: list[Block]) -> None:
    for block in blocks:
        if block.kind == "lines" and len(block.lines) == 1 and "dim" not in block.style:
            block.kind = "heading" if "bold" in block.style and not block.indent else "text"
        _settle(block.within)


def markdown(name: str, write: Callable[[Paper], None], home: str) -> str:
    """What `write` puts on paper, as Markdown, below a heading that names the command."""
    sheet = Sheet(home)
    write(sheet)
    heading = f"## llmdoctor {markup.plain(f'{__version__}: {name}')}"
    return "\n".join([heading, "", *_markdown(sheet.read())]).rstrip()


def _markdown(blocks: list[Block]) -> Iterator[str]:
    for number, block in enumerate(blocks):
        first = block.lines[0]
        if block.kind == "heading":
            yield f"### {markup.prose(first)}"
        elif block.kind == "item":
            yield from _item(block)
            if number + 1 < len(blocks) and blocks[number + 1].kind == "item":
                continue
        elif block.kind == "typed":
            lines = "\n".join(f"$ {_one_line(line)}" for line in block.lines)
            yield from markup.fence(lines, "console").splitlines()
        elif block.kind == "lines":
            lines = "\n".join(map(_one_line, block.lines))
            yield from markup.fence(lines, "text").splitlines()
        else:
            yield f"<{first}>" if block.kind == "address" else markup.prose(first)
        yield ""


def _item(block: Block) -> Iterator[str]:
    mark, sign = "-", block.sign
    if _NUMBER.fullmatch(sign):
        mark, sign = sign, ""
    if sign in _BULLETS:
        sign = ""
    elif "bold" in block.style:
        sign = f"**{markup.prose(sign)}**"
    yield " ".join(filter(None, (mark, sign, markup.prose(block.lines[0]))))
    below = list(_markdown(block.within))
    if below:
        yield ""
    for line in below[:-1]:
        yield f"{' ' * (len(mark) + 1)}{line}".rstrip()


def _one_line(text: str) -> str:
    """A line of a fence, with its blanks."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def page(name: str, write: Callable[[Paper], None], home: str) -> str:
    """The same as a page that needs nothing else."""
    from llmdoctor.render import page_parts

    sheet = Sheet(home)
    write(sheet)
    under = [f'<p class="soft">llmdoctor {__version__}</p>']
    return page_parts.framed(name.capitalize(), under, _page(sheet.read()))


def _page(blocks: list[Block]) -> Iterator[str]:
    from llmdoctor.render import page_parts as parts

    for number, block in enumerate(blocks):
        first = block.lines[0]
        if block.kind == "item":
            if number == 0 or blocks[number - 1].kind != "item":
                yield '<ul class="plain">'
            sign = "" if block.sign in _BULLETS else f"{parts.text(block.sign)} "
            sign = f"<b>{sign}</b>" if "bold" in block.style else sign
            yield f"<li>{sign}{parts.prose(first)}"
            if block.within:
                yield '<div class="within">'
                yield from _page(block.within)
                yield "</div>"
            yield "</li>"
            if number + 1 == len(blocks) or blocks[number + 1].kind != "item":
                yield "</ul>"
        elif block.kind == "typed":
            yield from map(parts.typed, block.lines)
        elif block.kind == "lines":
            yield f'<pre tabindex="0">{parts.text(chr(10).join(block.lines))}</pre>'
        elif block.kind == "address":
            yield parts.address(first)
        elif block.kind == "heading":
            yield f"<h2>{parts.prose(first)}</h2>"
        else:
            soft = ' class="soft"' if "dim" in block.style else ""
            yield f"<p{soft}>{parts.prose(first)}</p>"
