"""`nvcc --version`, and what a shell says where there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmdoctor.ingest.facts import Facts

_RELEASE = re.compile(r"release (\d{1,2}\.\d{1,2})(?:, V(\d{1,2}\.\d{1,2}\.\d{1,4}))?")
_ABSENT = re.compile(r"\bnvcc'?\b.{0,40}(?:command not found|not found|is not recognized)")


def read(lines: Sequence[str]) -> Facts:
    """The toolkit's version. A torch report's own line for it is read with that report."""
    for line in lines:
        if "Cuda compilation tools" in line and (match := _RELEASE.search(line)):
            return Facts(("nvcc",), nvcc=match[2] or match[1])
    if any("nvcc" in line and _ABSENT.search(line) for line in lines):
        return Facts(hints=1, nvcc="")
    return Facts()
