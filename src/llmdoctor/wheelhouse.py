"""Wheels that have an address of their own: fetched once, and judged before anything is installed.

They lie in the user's cache folder. Nobody signs such files, so the digest of each is written down
when it is first seen, and another digest at the same address later is an error.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import parse_qs, urlsplit

from llmdoctor import sources, tags
from llmdoctor.addresses import file_name
from llmdoctor.errors import LlmdoctorError
from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Requirement, Resolved, Target
from llmdoctor.system import Downloaded, System

OnBytes = Callable[[str, int, "int | None"], None]


class WheelRefusedError(LlmdoctorError):
    """A wheel cannot be had, or is not what it should be. `another`: the next one may do."""

    exit_code = 1

    def __init__(self, file: str, why: str, *, another: bool = True) -> None:
        super().__init__(f"{file}: {why}", next_command="llmdoctor plan --help")
        self.file = file
        self.why = why
        self.another = another


@dataclass(frozen=True)
class Wheelhouse:
    """Where wheels are fetched to, and how.

    `mirrors` are beginnings of addresses that the user has named: of these, http will do.
    `indexes` are those that packages come from, with their credentials.
    `on_bytes` is told the file, how many bytes have come, and of how many.
    """

    system: System
    pip: PipConfig
    mirrors: Collection[str] = ()
    on_bytes: OnBytes | None = None
    indexes: Collection[str] = ()

    def fetch(self, item: Requirement, target: Target) -> str:
        """The path of a requirement's wheel, fetched unless it lies here whole.

        Raises:
            WheelRefusedError: it does not come, or is not a sound wheel of that project and target.
            OSError: it cannot be written (a full disk).
        """
        url, meant = _address(str(item.url))
        file = file_name(url)
        self._see_scheme(file, url)
        if not tags.fits(file, target):
            raise WheelRefusedError(file, "its name says that it is for another platform or Python")
        path = self._place(url, file)
        known = meant or self._remembered().get(url)
        if known is None or sha256_of(self.system, path) != known:
            got = self._download(url, file, path)
            if known is not None and got.sha256 != known:
                self.system.remove(path)
                raise WheelRefusedError(
                    file,
                    f"{got.url} is another file than before: sha256 {got.sha256}, and {known} was "
                    "meant. If its publisher has replaced it, take its line out of "
                    f"{self._ledger}",
                    another=False,
                )
            known = got.sha256
        if problem := misfit(self.system, path, item.name):
            self.system.remove(path)
            raise WheelRefusedError(file, problem)
        if url not in self._remembered():
            line = json.dumps({"url": url, "sha256": known, "seen": self.system.now()})
            self.system.make_dir(self.system.state_dir())
            self.system.append_line(self._ledger, line)
        return path

    def collect(self, package: Resolved, folder: str) -> tuple[Resolved, bool]:
        """Bring an index's file into a folder under its own name, unless it lies there whole.

        Gives the package with the size and the hash that the file has, and whether it had to come.

        Raises:
            WheelRefusedError: it does not come, or is another file than the index says.
            OSError: it cannot be written (a full disk).
        """
        system, file, known = self.system, package.file, package.sha256
        path = str(system.flavour(folder, file))
        found = sha256_of(system, path)
        there = found is not None and found == known
        if not there:
            if str(package.url).startswith("file:"):
                bring(system, sources.local_path(str(package.url)), path)
            else:
                self._download(self._with_credentials(str(package.url)), file, path)
            found = sha256_of(system, path)
        if known is not None and found != known:
            system.remove(path)
            raise WheelRefusedError(
                file, f"its sha256 is {found}, and the index says {known}", another=False
            )
        return replace(package, sha256=found, size=system.size(path)), not there

    def _with_credentials(self, url: str) -> str:
        """An index hands out addresses without the password that it was asked with."""
        parts = urlsplit(url)
        for index in self.indexes:
            of_index = urlsplit(index)
            user, at, host = of_index.netloc.rpartition("@")
            if at and (of_index.scheme, host) == (parts.scheme, parts.netloc):
                return parts._replace(netloc=f"{user}@{host}").geturl()
        return url

    def _download(self, url: str, file: str, path: str) -> Downloaded:
        system, told = self.system, self.on_bytes
        system.make_dir(str(system.flavour(path).parent))
        parts = urlsplit(url)
        hosts = {parts.hostname, parts.netloc.rpartition("@")[2]}
        got = system.download(
            url,
            path,
            ca_file=self.pip.cert,
            verify=hosts.isdisjoint(self.pip.trusted_hosts),
            proxy=self.pip.proxy,
            on_bytes=None if told is None else lambda done, of: told(file, done, of),
        )
        if not got.ok:
            # only what a server says of this one file makes another one worth trying
            gone = re.match(r"HTTP (403|404|410)\b", str(got.problem)) is not None
            raise WheelRefusedError(file, f"{got.url}: {got.problem}", another=gone)
        return got

    def _see_scheme(self, file: str, url: str) -> None:
        if url.startswith("https://"):
            return
        if url.startswith("http://") and any(url.startswith(place) for place in self.mirrors):
            return
        scheme = urlsplit(url).scheme or "no scheme"
        raise WheelRefusedError(
            file, f"wheels are fetched by https, and its address has {scheme}", another=False
        )

    def _place(self, url: str, file: str) -> str:
        key = hashlib.sha256(url.encode()).hexdigest()[:16]
        return str(self.system.flavour(self.system.cache_dir(), "wheels", key, file))

    @property
    def _ledger(self) -> str:
        return str(self.system.flavour(self.system.state_dir(), "wheels.jsonl"))

    def _remembered(self) -> dict[str, str]:
        """The digest that each address had when it was first seen."""
        found: dict[str, str] = {}
        for line in (self.system.read_text(self._ledger) or "").splitlines():
            try:
                told = json.loads(line)
                found.setdefault(str(told["url"]), str(told["sha256"]))
            except (ValueError, KeyError, TypeError):
                continue  # a line that was cut off: the wheel is seen for the first time again
        return found


def sha256_of(system: System, path: str) -> str | None:
    """The SHA-256 of a file, however long; None where none lies."""
    if system.kind(path) != "file":
        return None
    digest = hashlib.sha256()
    for chunk in system.read_chunks(path):
        digest.update(chunk)
    return digest.hexdigest()


def bring(system: System, path: str, to: str) -> None:
    """Copy a file to a second place, where it is whole or not at all.

    Never a link: the user's own wheels, and what is carried about, must not share their bytes.
    """
    system.link(system.real_path(path), f"{to}.part", copy=True)
    if system.kind(to) is not None:
        system.remove(to)
    system.rename(f"{to}.part", to)


def misfit(system: System, path: str, project: str) -> str | None:
    """What makes a file no sound wheel of the project; None when nothing does.

    Nothing is unpacked. A member that would leave the environment is one reason, another project's
    name in METADATA another one.
    """
    from packaging.utils import canonicalize_name, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    archive = system.archive(path, ("*.dist-info/METADATA",))
    if archive.problem:
        return archive.problem
    for member in archive.members:
        place = PurePosixPath(member.name.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or re.match(r"[A-Za-z]:", member.name):
            return f"its member {member.name!r} would be written outside the environment"
        if member.kind == "link":
            return f"its member {member.name!r} is a link, which no wheel may hold"
    if len(archive.texts) != 1:
        return f"it is no wheel: it holds {len(archive.texts) or 'no'} METADATA"
    name, version = _told(next(iter(archive.texts.values())))
    if canonicalize_name(name) != canonicalize_name(project):
        return f"it is {name or 'nameless'} inside, and {project} was meant"
    of_file = parse_wheel_filename(system.flavour(path).name)[1]
    try:
        inside = Version(version)
    except InvalidVersion:
        return f"it has the version {version!r} inside, which is none"
    if inside != of_file and (inside.local or inside.public != of_file.public):
        return f"it is {version} inside, and its name says {of_file}"
    return None


def _told(metadata: str) -> tuple[str, str]:
    head: Mapping[str, str] = {
        key.lower(): value.strip()
        for key, _, value in (
            line.partition(":") for line in metadata.partition("\n\n")[0].splitlines()
        )
    }
    return head.get("name", ""), head.get("version", "")


def _address(url: str) -> tuple[str, str | None]:
    """The address without its fragment, and the digest that the fragment names."""
    parts = urlsplit(url)
    digest = parse_qs(parts.fragment).get("sha256")
    return parts._replace(fragment="").geturl(), digest[0].lower() if digest else None
