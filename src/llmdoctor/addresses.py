"""Web addresses: what of one may be shown, and the file that it leads to."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

# After "//", or at the start of a word where the scheme was forgotten; passwords may hold "@".
_USER = re.compile(r"(?:(?<=//)[^/\\\s'\"?#]*|(?<![^\s'\"=])[^/\\\s'\"=]*)@(?=[^\s/@])")
_QUERY = re.compile(r"(\w://[^\s?#'\"]*)[?#][^\s'\",;)]*")
_WORD = re.compile(r"(?:[^\s'\"]|'[^']*'|\"[^\"]*\")+")  # of a command line, quotes and all
_CREDENTIALS = re.compile(r"://[^/\s\"'@]+@")


def without_credentials(text: str) -> str:
    """An address, or a sentence that quotes one, without user names, passwords and signatures.

    A query and a fragment go whole: stores sign what they hand out in them.
    """
    return _QUERY.sub(r"\1", _USER.sub("", text))


def command_without_credentials(command: str) -> str:
    """A command line whose addresses are shown so; a word that is no address (`env@2`) stays."""
    return _WORD.sub(
        lambda word: without_credentials(word[0]) if "://" in word[0] else word[0], command
    )


def has_credentials(text: str) -> bool:
    """Whether an address in a text names a user: such a text is not passed on."""
    return _CREDENTIALS.search(text) is not None


def file_name(url: str) -> str:
    """The last part of an address's path as a file is called: "%2B" is "+". "" without one.

    An address that is none ("http://[x") leads to no file.
    """
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""
