"""What the user asked for."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from llmdoctor.profile import Profile


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    profiles: tuple[Profile, ...]
    known: tuple[Profile, ...]
    environment: str = ".venv"
    python: str | None = None
    installer: str = "auto"
    variant: str = "auto"
    index_url: str | None = None
    find_links: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    smoke: bool = True
    reprove: bool = False  # run the smoke test also where there is nothing to change
    fresh: bool = False
    project: str = "."
    avoid: tuple[str, ...] = ()  # wheel files that did not come or load
    sync: bool = False  # Poetry: remove what the lock does not list
    in_place: bool = False  # change an environment that cannot be swapped
    bundle: str | None = None  # take everything from this folder, and ask nobody
    run: str | None = None  # the run that it is a part of; None: one of its own

    @property
    def tool(self) -> str:
        """The name of the installer that will work."""
        return "uv" if self.installer == "auto" else self.installer

    def again(self, *more: str) -> str:
        """The same install, typed differently: for the next command of an error."""
        words = [word for profile in self.profiles for word in ("--profile", profile.spelled)]
        if self.bundle is not None:
            words += ["--bundle", self.bundle]
        if self.project != Request.project:
            words += ["--project", self.project]
        if self.environment != Request.environment and "--env" not in more:
            words += ["--env", self.environment]
        return shlex.join(["llmdoctor", "install", *words, *more])
