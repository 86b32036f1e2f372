"""What pip is configured with, so that uv can be driven the same way: uv does not read it.

Files in pip's order (global, user, site, then PIP_CONFIG_FILE), sections [global] and [install],
then PIP_* variables, which win. Indexes, find-links, certificate, trusted hosts and the proxy
matter; the rest is pip's own business.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from llmdoctor.errors import UnreadableError
from llmdoctor.system import System


@dataclass(frozen=True)
class PipConfig:
    """pip's view of where packages come from. Addresses may carry credentials: never show them raw.

    `no_index` stands for pip's own switch; `unreadable` names files that could not be read.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    cert: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    proxy: str | None = None
    no_index: bool = False
    unreadable: tuple[str, ...] = ()

    @property
    def hosts_own_index(self) -> bool:
        """Whether pip was told anything about where packages come from."""
        return bool(self.index_url or self.extra_index_urls or self.find_links or self.no_index)


def read(system: System, prefixes: tuple[str, ...] = ()) -> PipConfig:
    """Read pip's configuration for this user; `prefixes` are environments with their own."""
    values: dict[str, str] = {}
    unreadable = []
    for path in _files(system, prefixes):
        try:
            text = system.read_text(path)
        except UnreadableError as error:
            unreadable.append(str(error))
            continue
        if text is not None:
            try:
                values.update(parse(text))
            except configparser.Error as error:
                unreadable.append(f"{path}: {error.message.splitlines()[0]}")
    for name, value in system.environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
            values[name[4:].lower().replace("_", "-")] = value
    return PipConfig(
        index_url=values.get("index-url") or None,
        extra_index_urls=tuple(values.get("extra-index-url", "").split()),
        find_links=tuple(values.get("find-links", "").split()),
        cert=values.get("cert") or None,
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        proxy=values.get("proxy") or None,
        no_index=values.get("no-index", "").lower() in ("1", "true", "yes", "on"),
        unreadable=tuple(unreadable),
    )


def parse(text: str) -> dict[str, str]:
    """The options of one file that count for `pip install`, later sections over earlier ones."""
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    values: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            values.update({key.replace("_", "-"): value for key, value in parser.items(section)})
    return values


def _files(system: System, prefixes: tuple[str, ...]) -> list[str]:
    environ, path = system.environ, system.flavour
    own = environ.get("PIP_CONFIG_FILE")
    if own is not None and own in ("/dev/null", "nul", "NUL"):
        return []
    home = system.home()
    os = system.uname().system
    if os == "windows":
        found = [
            str(path(environ.get("PROGRAMDATA", "C:\\ProgramData"), "pip", "pip.ini")),
            str(path(home, "pip", "pip.ini")),
            str(path(environ.get("APPDATA", home), "pip", "pip.ini")),
        ]
        name = "pip.ini"
    else:
        shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        found = [str(path(folder, "pip", "pip.conf")) for folder in shared.split(":") if folder]
        if os == "macos":
            found.append("/Library/Application Support/pip/pip.conf")
            found.append(str(path(home, "Library", "Application Support", "pip", "pip.conf")))
        found.append("/etc/pip.conf")
        config = environ.get("XDG_CONFIG_HOME") or str(path(home, ".config"))
        found.append(str(path(home, ".pip", "pip.conf")))
        found.append(str(path(config, "pip", "pip.conf")))
        name = "pip.conf"
    found.extend(str(path(prefix, name)) for prefix in prefixes)
    return [*found, own] if own else found


def without_credentials(url: str) -> str:
    """A web address as it may be shown."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
