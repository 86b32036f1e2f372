"""Our own saved look: what `llmdoctor check --format json` writes, alone or inside a text."""

from __future__ import annotations

import json
import re

from llmdoctor import wire
from llmdoctor.errors import ProfileError
from llmdoctor.machine import SCHEMA, Machine

SAVE = "llmdoctor check --format json --output machine.json"
_REPORT, _NUMBER = "check", 1  # of the document that a saved look lies in
_LONGEST = 40  # characters of a wrong schema that are shown
_START = re.compile(r'\{\s{0,20}"schema"\s{0,20}:\s{0,20}(?:"check/\d|\d)')
_QUOTED = re.compile(r"^(?:[ \t]{0,8}>){1,9}[ \t]?", re.MULTILINE)


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
    before = text[: start.start()]
    return _machine(_decoded(text[len(before) :], name, first=before.count("\n") + 1), name)


def whole(text: str, name: str) -> Machine:
    """The machine of a text that is JSON and nothing else.

    Raises:
        ProfileError: it is damaged, something else, or of another schema.
    """
    return _machine(_decoded(text, name), name)


def _decoded(text: str, name: str, *, first: int | None = None) -> object:
    """The JSON value of a text; with `first`, the line that it begins on, more may follow it."""
    damaged = "the saved look in it is damaged or cut off"
    expected = "expected what `llmdoctor check --format json` writes"
    try:
        return json.loads(text) if first is None else json.JSONDecoder().raw_decode(text)[0]
    except json.JSONDecodeError as error:
        line = error.lineno + (first or 1) - 1
        raise ProfileError(
            f"{name}:{line}:{error.colno}: {error.msg}; {expected if first is None else damaged}",
            next_command=SAVE,
        ) from None
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError as error:
        raise _no_number(error, name) from None


def _machine(data: object, name: str) -> Machine:
    if isinstance(data, dict) and "machine" in data:
        _right_envelope(data.get("schema"), name)
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
        raise _another(f"{schema}", f"{SCHEMA}", name, newer=schema > SCHEMA)


def _right_envelope(schema: object, name: str) -> None:
    """A machine whose envelope somebody took the schema out of still has its own."""
    right = f"{_REPORT}/{_NUMBER}"
    if schema is None or schema == right:
        return
    number = re.fullmatch(rf"{_REPORT}/(\d{{1,9}})", str(schema))
    newer = number is not None and int(number[1]) > _NUMBER
    raise _another(str(schema), right, name, newer=newer)


def _another(found: str, right: str, name: str, *, newer: bool) -> ProfileError:
    """Only a newer schema is one that a newer llmdoctor reads."""
    found = found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…"
    if newer:
        return ProfileError(
            f"{name}: schema is {found}, and this llmdoctor reads {right}: update llmdoctor",
            next_command="llmdoctor --version",
        )
    return ProfileError(f"{name}: schema is {found}, expected {right}", next_command=SAVE)


def _no_number(error: ValueError, name: str) -> ProfileError:
    """Python reads a number of some thousand digits from no text."""
    why = str(error).partition(";")[0]
    return ProfileError(f"{name}: a number in it cannot be read: {why}", next_command=SAVE)


def _too_deep(name: str) -> ProfileError:
    return ProfileError(f"{name}: nested too deeply for a report", next_command=SAVE)
