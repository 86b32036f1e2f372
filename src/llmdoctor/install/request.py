"""What the user asked for."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from llmdoctor.addresses import without_credentials
from llmdoctor.profile import Profile
from llmdoctor.resolve import SOURCE_BUILD

# What an option that is added to a command takes the place of.
_INSTEAD_OF = {
    "--installer": ("--sync",),
    "--smoke": ("--no-smoke",),
    "--fresh": ("--in-place",),
}


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
    mirrors: tuple[str, ...] = ()  # as they were typed: "github=https://…"
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

    def options(self) -> list[tuple[str, ...]]:
        """What was asked for beside the profiles, option by option, as it is typed.

        A report is shown: no address keeps its credentials.
        """
        valued = (
            ("--bundle", self.bundle),
            ("--env", None if self.environment == Request.environment else self.environment),
            ("--python", self.python),
            ("--installer", None if self.installer == Request.installer else self.installer),
            ("--variant", None if self.variant == Request.variant else self.variant),
            ("--index-url", self.index_url),
            *(("--find-links", place) for place in self.find_links),
            *(("--mirror", mirror) for mirror in self.mirrors),
            *(("--allow", code) for code in self.allow if code != SOURCE_BUILD),
            ("--project", None if self.project == Request.project else self.project),
        )
        flags = (
            ("--build", SOURCE_BUILD in self.allow),
            ("--no-smoke", not self.smoke),
            ("--smoke", self.reprove),
            ("--fresh", self.fresh),
            ("--sync", self.sync),
            ("--in-place", self.in_place),
        )
        given = [(name, without_credentials(value)) for name, value in valued if value is not None]
        return [*given, *((name,) for name, asked in flags if asked)]

    def again(self, *more: str) -> str:
        """The same install, typed differently: for the next command of an error."""
        gone = {word for name in more for word in (name, *_INSTEAD_OF.get(name, ()))}
        words = [word for profile in self.profiles for word in ("--profile", profile.spelled)]
        words += [word for option in self.options() if option[0] not in gone for word in option]
        return shlex.join(["llmdoctor", "install", *words, *more])
