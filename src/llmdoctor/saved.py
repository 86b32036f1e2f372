"""Documents of ours that a user names as files: reports, baselines, plans to review."""

from __future__ import annotations

import json
from typing import Any

from llmdoctor.errors import UnreadableError, UsageError
from llmdoctor.system import System


def document(
    system: System, path: str, option: str, *, schema: str, next_command: str
) -> dict[str, Any]:
    """The JSON document in a file of the user's, as `option` names it, of that `schema`.

    Raises:
        UsageError: there is none, it cannot be read, is no JSON or of another schema.
    """
    named = f"{option} {path}"
    try:
        text = system.read_text(path)
    except UnreadableError as error:
        raise UsageError(
            f"{named}: it cannot be read: {error.reason}", next_command=next_command
        ) from None
    if text is None:
        raise UsageError(f"{named}: there is no such file", next_command=next_command)
    try:
        data = json.loads(text)
    except RecursionError:
        raise UsageError(f"{named} is nested too deeply", next_command=next_command) from None
    except ValueError as error:
        raise UsageError(f"{named} is not JSON: {error}", next_command=next_command) from None
    found = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(data, dict) or found != schema:
        raise UsageError(
            f"{named}: its schema is {found!r}, expected {schema!r}", next_command=next_command
        )
    return data
