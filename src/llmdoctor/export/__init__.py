"""The same choice in other tools' words: pure functions from a plan to the text of one file.

Each format says what it can: exact files with hashes where the plan was resolved, else the
requirements with the index that torch is to come from.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from llmdoctor.addresses import has_credentials
from llmdoctor.errors import UsageError

if TYPE_CHECKING:  # the names alone are what a command's help needs
    from llmdoctor.plan import Plan

FORMATS = ("requirements", "pylock", "uv", "poetry", "dockerfile", "conda")


def export(plan: Plan, name: str) -> str:
    """The plan as the file of that format: the function in the module of its name.

    Raises:
        UsageError: the format needs more than the plan holds, or would show credentials.
    """
    text: str = getattr(import_module(f"llmdoctor.export.{name}"), name)(plan)
    if has_credentials(text):
        raise UsageError(
            "an index's address holds a user name or a password, and a file that is passed on must "
            "not: give the address without them, and leave them to netrc or the keyring",
            next_command="llmdoctor plan --help",
        )
    return text
