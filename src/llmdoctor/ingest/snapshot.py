"""Our own saved look: what `llmdoctor check --format json` writes, alone or inside a text."""

from __future__ import annotations

import json
import re

from llmdoctor import wire
from llmdoctor.errors import ProfileError
from llmdoctor.machine import SCHEMA, Machine

SAVE = "llmdoctor check --format json --output machine.json"
_START = re.compile(r'\{\s{0,20}"schema"\s{0,20}:\s{0,20}(?:"check/\d|\d)')
_QUOTED = re.compile(r"^[ \t]*>[ \t]?", re.MULTILINE)


def within(text: str, name: str) -> Machine | None:
    """The machine of the first saved look in a text; None where there is none.

    Raises:
        ProfileError: there is one, and it is damaged or of another schema; `name` is the file's.
    """
    start = _START.search(text)
    if start is None and '"schema"' in text and ">" in text:
        text = _QUOTED.sub("", text)
        start = _START.search(text)
    if start is None:
        return None
    if not text[: start.start()].strip():
        return whole(text, name)
    try:
        data, _ = json.JSONDecoder().raw_decode(text[start.start() :])
    except json.JSONDecodeError as error:
        line = text.count("\n", 0, start.start()) + error.lineno
        raise ProfileError(
            f"{name}:{line}:{error.colno}: {error.msg}; the saved look in it is damaged or cut off",
            next_command=SAVE,
        ) from None
    except RecursionError:
        raise _too_deep(name) from None
    return _machine(data, name)


def whole(text: str, name: str) -> Machine:
    """The machine of a text that is JSON and nothing else.

    Raises:
        ProfileError: it is damaged, something else, or of another schema.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ProfileError(
            f"{name}:{error.lineno}:{error.colno}: {error.msg}; expected what "
            "`llmdoctor check --format json` writes",
            next_command=SAVE,
        ) from None
    except RecursionError:
        raise _too_deep(name) from None
    return _machine(data, name)


def _machine(data: object, name: str) -> Machine:
    if isinstance(data, dict) and "machine" in data:
        data = data["machine"]
    _right_schema(data, name)
    try:
        return wire.load(Machine, data)
    except wire.WireError as error:
        raise ProfileError(f"{name}: {error}", next_command=SAVE) from None
    except RecursionError:
        raise _too_deep(name) from None


def _right_schema(data: object, name: str) -> None:
    """A newer schema is named as that, before its unknown keys are."""
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(data, dict) and schema is None:
        raise ProfileError(
            f"{name} is no saved look: it has no schema; expected what "
            "`llmdoctor check --format json` writes",
            next_command=SAVE,
        )
    if isinstance(schema, int) and schema != SCHEMA:
        raise ProfileError(
            f"{name}: schema is {schema}, this llmdoctor reads {SCHEMA}: update it",
            next_command="llmdoctor --version",
        )


def _too_deep(name: str) -> ProfileError:
    return ProfileError(f"{name}: nested too deeply for a report", next_command=SAVE)
