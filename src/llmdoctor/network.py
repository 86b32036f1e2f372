"""What the places that packages and models come from answered: the words of `check --network`.

A part of `Machine`. Addresses are kept without user names, passwords and queries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from llmdoctor.hardware import private

Role = Literal["index", "find-links", "torch-index", "wheels", "models"]
# How `system.Fetched.failure` calls what went wrong; "unasked": nobody was, `said` tells why.
Outcome = Literal["ok", "unasked", "dns", "refused", "timeout", "tls", "proxy", "status", "other"]


@dataclass(frozen=True)
class Place:
    """One place and what it answered.

    `named_by` says who wants it: a variable, pip's configuration, the project, llmdoctor. `login`:
    the address carries a user name or password, which is not kept. `main`: the installers ask it
    first, and nothing is found without it.
    """

    role: Role
    named_by: str
    outcome: Outcome
    url: str | None = field(default=None, metadata=private("text"))
    status: int | None = None  # of HTTP
    said: str | None = field(default=None, metadata=private("text"))
    login: bool = False
    main: bool = False

    @property
    def name(self) -> str:
        """How a sentence calls it."""
        return _NAMES[self.role]


_NAMES: dict[Role, str] = {
    "index": "the package index",
    "find-links": "the page of wheels",
    "torch-index": "the PyTorch index",
    "wheels": "GitHub, where ready wheels lie",
    "models": "the Hugging Face Hub",
}
