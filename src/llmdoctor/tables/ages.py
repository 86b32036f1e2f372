"""How old the tables are that a judgement rests on."""

from __future__ import annotations

from collections.abc import Mapping


def outdated(dates: Mapping[str, str], today: str) -> tuple[str, ...]:
    """The tables whose sources were last read over a year before `today`, the oldest first.

    `dates` are those of `tables.dates_read`; they and `today` are ISO ("2026-11-20"; a time of
    the day may follow). Such days are in order as text, so no calendar is needed.
    """
    limit = f"{int(today[:4]) - 1:04}{today[4:10]}"
    return tuple(sorted((name for name in dates if dates[name] < limit), key=lambda n: dates[n]))
