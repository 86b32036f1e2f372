"""What pip is configured with, so that uv can be driven the same way: uv does not read it.

Files in pip's order (global, user, site, then PIP_CONFIG_FILE, which replaces the user's), then
[install] over [global], then PIP_* variables, which win. An empty value hides the value that a
weaker file gives in the same section, and counts as none. Indexes, find-links, certificate, trusted
hosts and the proxy matter; the rest is pip's own business.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from urllib.parse import urlsplit

from llmdoctor.errors import UnreadableError
from llmdoctor.probe.paths import absolute, absolute_place
from llmdoctor.system import System


@dataclass(frozen=True)
class PipConfig:
    """pip's view of where packages come from. Addresses may carry credentials: never show them raw.

    `no_index` stands for pip's own switch; `unreadable` are files that could not be read, each with
    the reason.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    cert: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    proxy: str | None = None
    no_index: bool = False
    unreadable: tuple[tuple[str, str], ...] = ()

    @property
    def hosts_own_index(self) -> bool:
        """Whether pip was told anything about where packages come from."""
        return bool(self.index_url or self.extra_index_urls or self.find_links or self.no_index)

    def trusts(self, url: str) -> bool:
        """Whether that address's host is trusted whatever its certificate says.

        Raises:
            ValueError: it is no address.
        """
        parts = urlsplit(url)
        hosts = {parts.hostname, parts.netloc.rpartition("@")[2]}
        return not hosts.isdisjoint(self.trusted_hosts)


def read(system: System, prefixes: tuple[str, ...] = ()) -> PipConfig:
    """Read pip's configuration for this user; `prefixes` are environments with their own."""
    options: dict[tuple[str, str], str] = {}
    unreadable = []
    for path in _files(system, prefixes):
        try:
            text = system.read_text(path)
        except UnreadableError as error:
            unreadable.append((path, error.reason))
            continue
        if text is not None:
            try:
                options.update(parse(text))
            except configparser.Error as error:
                unreadable.append((path, " ".join(error.message.split())))
    for name, value in system.environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE":
            options["environment", name[4:].lower().replace("_", "-")] = value
    values = {
        name: value
        for level in ("global", "install", "environment")
        for (section, name), value in options.items()
        if section == level and value
    }
    return PipConfig(
        index_url=values.get("index-url"),
        extra_index_urls=tuple(values.get("extra-index-url", "").split()),
        find_links=tuple(
            absolute_place(system, place) for place in values.get("find-links", "").split()
        ),
        cert=absolute(system, values["cert"]) if "cert" in values else None,
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        proxy=values.get("proxy"),
        no_index=values.get("no-index", "").lower() in ("1", "true", "t", "yes", "y", "on"),
        unreadable=tuple(unreadable),
    )


def parse(text: str) -> dict[tuple[str, str], str]:
    """The options of one file that count for `pip install`, by section and name."""
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {
        (section, name.replace("_", "-")): value
        for section in ("global", "install")
        if parser.has_section(section)
        for name, value in parser.items(section)
    }


def _files(system: System, prefixes: tuple[str, ...]) -> list[str]:
    environ, path = system.environ, system.flavour
    own = environ.get("PIP_CONFIG_FILE")
    if own is not None and own in ("/dev/null", "nul", "NUL"):
        return []
    home = path(system.home())
    os = system.uname().system
    name = "pip.ini" if os == "windows" else "pip.conf"
    if os == "windows":
        shared = [path(environ.get("PROGRAMDATA", "C:\\ProgramData"), "pip")]
        users = [home / "pip", path(environ.get("APPDATA", home), "pip")]
    elif os == "macos":
        library = home / "Library" / "Application Support" / "pip"
        shared = [path("/Library/Application Support/pip")]
        there = system.names(str(library)) is not None
        users = [home / ".pip", library if there else home / ".config" / "pip"]
    else:
        folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        shared = [path(folder, "pip") for folder in folders.split(":") if folder] + [path("/etc")]
        config = environ.get("XDG_CONFIG_HOME") or home / ".config"
        users = [home / ".pip", path(config, "pip")]
    if own and system.exists(own):
        users = []
    found = [str(folder / name) for folder in (*shared, *users, *map(path, prefixes))]
    return [*found, own] if own else found
