"""Reading one table file: parsed once, and only when something asks for it."""

from __future__ import annotations

import re
import sys
from functools import cache, lru_cache
from typing import Any

from llmdoctor.paths import profiles_dir

_read: list[str] = []


@cache
def read_table(name: str) -> dict[str, Any]:
    """Parse ``profiles/tables/NAME.toml``; NAME may hold a folder, as in ``wheels/x``."""
    # Here, since a look that no table judges does without the parser, and its regular expressions.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    text = (profiles_dir() / "tables" / f"{name}.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text)
    _read.append(name)
    return table


def dates_read() -> dict[str, str]:
    """The tables read so far, by name, and the day (ISO) on which their sources were last read.

    After a judgement these are the tables that it rests on. Texts about causes carry no date.
    """
    return {name: table_date(name) for name in sorted(_read) if "table" in read_table(name)}


def table_date(name: str) -> str:
    """The day (ISO) on which the sources of a table were last read."""
    date: str = read_table(name)["table"]["date"]
    return date


@lru_cache(maxsize=4096)
def numbers(version: str) -> tuple[int, ...]:
    """Every number of a version, for ordering: "535.183.01" -> (535, 183, 1).

    A pre-release sorts after its release ("5.0.0rc1" > "5.0.0"). So one of the newest Transformers
    in the table counts as newer than the table, and one of an older line belongs to that line.
    """
    return tuple(int(part) for part in re.findall(r"\d+", version))
