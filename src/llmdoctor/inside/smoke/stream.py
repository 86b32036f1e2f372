"""Writes the report, one JSON line at a time, so that it outlives a crash of the process."""

from __future__ import annotations

import json
from typing import TextIO


class Stream:
    """The report as a file of JSON lines."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, kind: str, **fields: object) -> None:
        """Append one record of this type and flush it."""
        # ASCII only and no NaN: any JSON reader in any locale can read it.
        self._file.write(json.dumps({"type": kind, **fields}, allow_nan=False) + "\n")
        self._file.flush()
