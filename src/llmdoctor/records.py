"""What a child in the patient leaves behind: JSON lines cut where it died, and its last words."""

from __future__ import annotations

import json
from typing import Any

from llmdoctor.system import Completed


def parse_records(text: str) -> list[dict[str, Any]]:
    """The records of a report up to the first line that is none."""
    records = []
    for line in text.splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:  # the last line of a child that died while writing it
            break
    return records


def last_words(done: Completed) -> str:
    """How a child ended, and the last line that it wrote."""
    words = (done.err.strip() or done.out.strip()).splitlines()
    ended = done.problem or f"exit code {done.code}"
    return f"{ended}: {words[-1]}" if words else ended
