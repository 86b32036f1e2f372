"""Commands of Poetry that later versions know no longer."""

from __future__ import annotations

from typing import NamedTuple

from llmdoctor.tables.read import numbers, read_table


class Removed(NamedTuple):
    """A command or option that a Poetry knows no longer, and what does the same."""

    words: tuple[str, ...]
    since: str
    instead: tuple[str, ...]
    why: str
    cause: str | None = None

    def is_used_by(self, words: list[str]) -> bool:
        """Whether a command line ("lock", "-v", "--no-update") says so."""
        return words[:1] == [self.words[0]] and all(word in words for word in self.words[1:])


def removed_from_poetry(version: str) -> tuple[Removed, ...]:
    """What that Poetry no longer knows."""
    return tuple(
        Removed(
            words=tuple(row["words"]),
            since=row["since"],
            instead=tuple(row["instead"]),
            why=row["why"],
            cause=row.get("cause"),
        )
        for row in read_table("poetry")["removed"]
        if numbers(row["since"]) <= numbers(version)
    )
