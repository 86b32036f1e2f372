"""What every page is made of: its frame, commands with a button to copy, texts that stay texts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from llmdoctor.render.page_style import SCRIPT, STYLE
from llmdoctor.render.remarks import clean

_SECURE = re.compile(r"https://[!-~]+")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def framed(heading: str, under: Iterable[str], main: Iterable[str]) -> str:
    """A whole page that needs nothing else; `under` stands below its heading."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{text(f'llmdoctor: {heading}')}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#main">Skip to the report</a>',
        "<header>",
        f"<h1>{text(heading)}</h1>",
        *under,
        "</header>",
        '<main id="main">',
        *main,
        "</main>",
        '<p id="said" role="status" aria-live="polite" class="skip"></p>',
        f"<script>{SCRIPT}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts)


def typed(command: str) -> str:
    """A command, with a button that copies it."""
    word = text(command)
    return (
        f'<div class="command"><pre tabindex="0"><code>{word}</code></pre>'
        f'<button type="button" data-copy hidden aria-label="Copy: {word}">Copy</button></div>'
    )


def address(url: str) -> str:
    """A web address: a link where it is a secure one that a browser takes as it is."""
    word = text(url)
    link = _SECURE.fullmatch(url)
    return f'<p><a href="{word}">{word}</a></p>' if link else f"<p><code>{word}</code></p>"


def prose(sentence: str) -> str:
    """A sentence; what stands in backticks is typed."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", text(sentence))


def text(words: str) -> str:
    """A text that no browser takes for markup."""
    return escape(clean(words))
