"""Reports as they looked: files under tests/golden; LLMDOCTOR_TEST_UPDATE=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

from llmdoctor import __version__
from llmdoctor.render.page_style import STYLE

GOLDEN = Path(__file__).parents[1] / "golden"


def assert_as_it_was(name: str, text: str) -> None:
    """Compare with the file of that name; the version and a page's one stylesheet are left out."""
    text = text.replace(STYLE.strip(), "STYLE").replace(__version__, "VERSION") + "\n"
    path = GOLDEN / name
    if os.environ.get("LLMDOCTOR_TEST_UPDATE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")
    assert path.read_text("utf-8") == text
