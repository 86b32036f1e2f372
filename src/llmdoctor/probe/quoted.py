"""Command lines of Poetry in a project's own files, and whether Poetry would ask a keyring."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from llmdoctor.machine import Quoted
from llmdoctor.probe.paths import absolute, join
from llmdoctor.probe.toml import get, parse_toml
from llmdoctor.system import System

_FILES = re.compile(
    r"(?:README|CONTRIBUTING|INSTALL)(?:\.(?:md|rst|txt))?|[Mm]akefile|[Jj]ustfile|tox\.ini"
    r"|Dockerfile[\w.-]*|[\w.-]+\.(?:sh|bat|ps1)|\.gitlab-ci\.ya?ml|\.travis\.yml"
)
_WORKFLOW = re.compile(r"[\w.-]+\.ya?ml")
# Up to where the shell, or the sentence around it, goes on.
_COMMAND = re.compile(r"(?<![\w./-])poetry(?: +[\w./=:,@{}$-]+)+")
_WITH_SECRETS = ("config", "publish")  # commands that are given passwords and tokens
_MOST_FILES = 40
_MOST_BYTES = 64 * 1024
_MOST_COMMANDS = 50
_SERVICES = ("dbus-1", "services")  # below the folders of data, XDG_DATA_DIRS


def poetry_commands(system: System, folder: str) -> tuple[Quoted, ...]:
    """What README, Makefile, scripts, Dockerfiles and CI jobs in `folder` tell people to run."""
    return tuple(islice(_commands(system, folder), _MOST_COMMANDS))


def asks_keyring(system: System, folder: str) -> bool:
    """Whether Poetry asks a desktop's keyring for passwords: on by default, where there is one."""
    names = [name for folder in _data_folders(system) for name in system.names(folder) or ()]
    if not any("secrets" in name or "kwallet" in name for name in names):
        return False
    said = system.environ.get("POETRY_KEYRING_ENABLED")
    if said:
        return said.lower() not in ("0", "false", "no", "off")
    config = system.environ.get("XDG_CONFIG_HOME") or join(system, system.home(), ".config")
    config = system.environ.get("POETRY_CONFIG_DIR") or join(system, config, "pypoetry")
    for path in (
        join(system, folder, "poetry.toml"),
        join(system, absolute(system, config), "config.toml"),
    ):
        text = system.read_text(path)
        enabled = get(parse_toml(text, path)[0], "keyring", "enabled") if text else None
        if isinstance(enabled, bool):
            return enabled
    return True


def _data_folders(system: System) -> list[str]:
    """Where the session's bus finds the services that it can start, a keyring's among them."""
    own = system.environ.get("XDG_DATA_HOME") or join(system, system.home(), ".local", "share")
    shared = system.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [join(system, place, *_SERVICES) for place in (own, *shared.split(":")) if place]


def _commands(system: System, folder: str) -> Iterator[Quoted]:
    for file in islice(_files(system, folder), _MOST_FILES):
        text = system.read_text(join(system, folder, *file.split("/")), _MOST_BYTES) or ""
        if "poetry " not in text:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for match in _COMMAND.finditer(line):
                if match[0].split()[1] not in _WITH_SECRETS:
                    yield Quoted(file, number, match[0])


def _files(system: System, folder: str) -> Iterator[str]:
    yield from filter(_FILES.fullmatch, system.names(folder) or ())
    workflows = system.names(join(system, folder, ".github", "workflows")) or ()
    yield from (f".github/workflows/{name}" for name in workflows if _WORKFLOW.fullmatch(name))
