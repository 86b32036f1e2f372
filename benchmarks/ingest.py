"""Whether reading a pasted report takes time in proportion to its length, whatever it holds.

    python benchmarks/ingest.py

Prints, for texts that are made to be slow, the CPU seconds for 5 and 10 MB, and their ratio, which
should be about 2.
"""

from __future__ import annotations

import contextlib
import time

from llmdoctor import ingest
from llmdoctor.errors import LlmdoctorError

START = "OS: Ubuntu 22.04 (x86_64)\nPython version: 3.12.4\nPyTorch version: 2.9.1+cu128\n"
UNITS = {
    "long lines": "a: " * 1400 + "\n",
    "brackets": "GCC version: " + "(a) " * 1000 + "\n",
    "escapes": "\x1b[0000;" * 500,
    "tags": "<details " * 400 + "\n",
    "comments": "<!-- ",
    "entities": "&amp;" * 800 + "\n",
    "numbers": "Platform: Linux-" + "1-" * 2000 + "\n",
    "json": '{"schema": 1, "a": [',
    "short lines": "k: v\n",
    "one line": "[pip3] ",
}


def seconds(unit: str, size: int) -> float:
    """CPU seconds to read a report that goes on with `size` characters of that unit."""
    text = START + unit * (size // len(unit))
    began = time.process_time()
    with contextlib.suppress(LlmdoctorError):
        ingest.read(text)
    return time.process_time() - began


def main() -> None:
    """Print the table."""
    for name, unit in UNITS.items():
        small, large = seconds(unit, 5_000_000), seconds(unit, 10_000_000)
        print(f"{name:12} {small:6.2f} s {large:6.2f} s  ratio {large / small:.1f}")


if __name__ == "__main__":
    main()
