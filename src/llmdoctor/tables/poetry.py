"""What each version of Poetry reads, writes and accepts."""

from __future__ import annotations

from dataclasses import dataclass

from llmdoctor.tables.read import numbers, read_table


@dataclass(frozen=True)
class PoetryRules:
    """One row of the table: see its head for what the fields mean."""

    reads: str
    refuses: str
    hashes: tuple[str, ...]
    lock: tuple[str, ...]
    older: str | None = None
    older_than: str | None = None


def poetry_rules(version: str) -> PoetryRules | None:
    """The row for that Poetry ("2.1.4"); None for one that nobody has looked at."""
    wanted = numbers(version)
    for row in read_table("poetry")["poetry"]:
        if numbers(row["since"]) <= wanted < numbers(row["until"]):
            return PoetryRules(
                reads=row["reads"],
                refuses=row["refuses"],
                hashes=tuple(row["hashes"]),
                lock=tuple(row["lock"]),
                older=row.get("older"),
                older_than=row.get("older_than"),
            )
    return None


@dataclass(frozen=True)
class Removed:
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
