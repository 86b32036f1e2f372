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
    install: tuple[str, ...]
    sync: tuple[str, ...]
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
                install=tuple(row["install"]),
                sync=tuple(row["sync"]),
                older=row.get("older"),
                older_than=row.get("older_than"),
            )
    return None
