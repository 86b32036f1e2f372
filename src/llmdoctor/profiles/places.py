"""Where profiles lie: with llmdoctor, in a file, in a project's pyproject.toml, in a package.

A name is looked for in this order: ours, the project's, those of installed packages. The first two
cost a file each; the packages are asked only for a name that neither has.
"""

from __future__ import annotations

import functools
import shlex
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from llmdoctor import project_table
from llmdoctor.errors import ProfileError, close
from llmdoctor.paths import profiles_dir
from llmdoctor.probe.toml import parse_toml
from llmdoctor.profile import Origin

MOST_BYTES = 1024 * 1024  # a profile has some kilobytes, a project's manifest some more


@dataclass(frozen=True)
class Entry:
    """A profile as it is written, before anything but its TOML is understood.

    `where` names it in an error; `key` is the same place for every spelling of its path; what it
    extends is looked for from `folder`. `name` is the one it has to have, None for any.
    """

    data: dict[str, Any]
    where: str
    key: tuple[str, str]
    folder: Path
    name: str | None
    origin: Origin

    @property
    def label(self) -> str:
        """What it is called in a chain of profiles: its name, or that of its file."""
        return self.where if self.origin.kind == "file" else str(self.name)

    @property
    def spelled(self) -> str:
        """How it is named on a command line."""
        return self.origin.place if self.origin.kind == "file" else str(self.name)

    def error(self, what: str) -> ProfileError:
        """What is wrong with it; the next command reads it again."""
        again = shlex.join(["llmdoctor", "profiles", self.spelled])
        return ProfileError(f"{self.where}: {what}", next_command=again)


class Listed(NamedTuple):
    """A profile that is not ours and can be named, or what is in the way of that."""

    name: str
    origin: Origin
    problem: str = ""


class Project(NamedTuple):
    """The profile tables of the nearest pyproject.toml that speaks of llmdoctor."""

    path: Path
    tables: dict[str, Any]


@functools.cache
def shipped() -> dict[str, Path]:
    """The files of our own profiles, by name, in alphabetical order."""
    return {path.stem: path for path in sorted(profiles_dir().glob("*.toml"))}


def locate(word: str, project: str, folder: Path | None = None) -> Entry | None:
    """The profile that a word means: a path that ends in .toml, seen from `folder`, or a name.

    None for a name that nobody has. `project` is the folder where a project is looked for.

    Raises:
        ProfileError: it is there and cannot be read, or two have the name.
    """
    if word.endswith(".toml"):
        return _in_file(folder / word if folder else Path(word), word)
    if word in shipped():
        _not_hidden(word, project)
        return ours(word)
    return _in_project(word, project) or _in_package(word)


def meant(word: str, known: Iterable[str]) -> str | None:
    """The profile whose name was misspelt, if one was: `gpu` is near to `cpu` and its opposite."""
    return close(word, known, cutoff=0.85)


def unknown(word: str, project: str) -> tuple[str, str | None]:
    """What to say of a name that nobody has, and the nearest name."""
    known = [*shipped(), *(item.name for item in listed(project) if not item.problem)]
    near = meant(word, known)
    which = f"; did you mean {near!r}?" if near else ""
    there = ", ".join(dict.fromkeys(known))
    return f"no profile is called {word!r}{which} (there are: {there})", near


def listed(project: str) -> Iterator[Listed]:
    """Every profile that is not ours, by name: the project's before those of packages.

    None of them is read: a `problem` here is one of its name or its place.
    """
    from llmdoctor.profiles.packages import offers

    mine: dict[str, Origin] = {}
    try:
        found = nearest_project(project)
    except ProfileError as error:
        yield Listed("[tool.llmdoctor]", Origin("project", "pyproject.toml"), error.message)
    else:
        if found is not None:
            mine = dict.fromkeys(found.tables, Origin("project", str(found.path)))
    for name, origin in mine.items():
        where = f"{origin.place} [tool.llmdoctor.profiles.{name}]"
        yield Listed(name, origin, _misnamed(name, where))
    for offer in offers():
        origin = Origin("package", str(offer.path or ""), offer.package)
        problem = offer.problem or _misnamed(offer.name, f"the package {offer.package}")
        if not problem and offer.name in mine:
            problem = f"hidden by {mine[offer.name].text}, which has one of the same name"
        yield Listed(offer.name, origin, problem)


def nearest_project(folder: str) -> Project | None:
    """The pyproject.toml with a [tool.llmdoctor] table, in the folder or the nearest above it.

    Raises:
        ProfileError: one that names llmdoctor cannot be read.
    """
    found = nearest_table(folder)
    if found is None:
        return None
    return Project(Path(found.path), found.tables("profiles", "each profile"))


def nearest_table(folder: str) -> project_table.Table | None:
    """The [tool.llmdoctor] table of that pyproject.toml.

    Raises:
        ProfileError: one that names llmdoctor cannot be read.
    """
    start = Path(folder).absolute()
    files = (str(place / project_table.FILE) for place in (start, *start.parents))
    found = project_table.nearest(files, _manifest)
    if found is not None and found.problem:
        raise ProfileError(found.problem, next_command="llmdoctor check")
    return found


def _manifest(name: str) -> str | None:
    """The text of a pyproject.toml; None where none is, or where it is no file."""
    path = Path(name)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        return _bytes(path, name, "llmdoctor profiles").decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(name, error) from None


def ours(name: str) -> Entry:
    """A profile that ships with llmdoctor."""
    path = shipped()[name]
    data = _parse(path.read_text("utf-8"), path.name, f"llmdoctor profiles {name}")
    return Entry(data, path.name, (str(path), ""), path.parent, name, Origin())


def _not_hidden(name: str, project: str) -> None:
    """See that nobody takes a profile of ours for the project's of the same name."""
    try:
        found = nearest_project(project)
    except ProfileError:
        return  # a broken file of the project is no reason against a profile of ours
    if found and name in found.tables:
        where = f"{found.path} [tool.llmdoctor.profiles.{name}]"
        raise ProfileError(_misnamed(name, where), next_command="llmdoctor profiles")


def _in_file(path: Path, word: str) -> Entry:
    where, again = str(path), shlex.join(["llmdoctor", "profiles", word])
    data = _parse(_read(path, where, again), where, again)
    if problem := _misnamed(str(data.get("name")), where):
        raise ProfileError(problem, next_command=again)
    key = (str(path.resolve()), "")
    return Entry(data, where, key, path.parent, None, Origin("file", str(path)))


def _in_project(name: str, project: str) -> Entry | None:
    found = nearest_project(project)
    if found is None or name not in found.tables:
        return None
    where = f"{found.path} [tool.llmdoctor.profiles.{name}]"
    table = found.tables[name]
    if not isinstance(table, dict):
        raise ProfileError(f"{where}: expected a table", next_command=f"llmdoctor profiles {name}")
    data = {"name": name, **table}
    origin = Origin("project", str(found.path))
    return Entry(data, where, (str(found.path), name), found.path.parent, name, origin)


def _in_package(name: str) -> Entry | None:
    from llmdoctor.profiles.packages import file_of, offers

    found = [offer for offer in offers() if offer.name == name]
    if not found:
        return None
    if len(found) > 1:
        packages = " and ".join(offer.package for offer in found)
        raise ProfileError(
            f"the packages {packages} each have a profile called {name!r}: name one by its file, "
            f"{' or '.join(str(offer.path) for offer in found if offer.path)}",
            next_command="llmdoctor profiles",
        )
    offer = found[0]
    path = file_of(offer)
    where = f"{path} of the package {offer.package}"
    again = f"llmdoctor profiles {name}"
    data = _parse(_read(path, where, again), where, again)
    origin = Origin("package", str(path), offer.package)
    return Entry(data, where, (str(path.resolve()), ""), path.parent, name, origin)


def _misnamed(name: str, where: str) -> str:
    """What is wrong with the name of a profile that is not ours; "" where nothing is."""
    if name in shipped():
        return (
            f"{where}: a profile that ships with llmdoctor is called {name!r}: rename yours "
            f'(to build on ours, write `extends = "{name}"`)'
        )
    if name.endswith(".toml"):
        return f"{where}: {name!r} would be looked for as a file: rename it"
    return ""


def _read(path: Path, where: str, again: str) -> str:
    try:
        return _bytes(path, where, again).decode("utf-8")
    except OSError as error:
        raise _unreadable(where, error) from None
    except UnicodeDecodeError as error:
        raise ProfileError(
            f"{where} is not UTF-8 text: {error.reason}", next_command=again
        ) from None


def _bytes(path: Path, where: str, again: str) -> bytes:
    """The bytes of a file; what may never end, or is far too long for a profile, is not read."""
    found = path.stat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        what = "it is no file (a pipe or a device), and a profile is read from a file"
        raise ProfileError(f"cannot read {where}: {what}", next_command=again)
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        text = f"{where} is larger than {MOST_BYTES // 2**20} MiB, and a profile has some kilobytes"
        raise ProfileError(text, next_command=again)
    return data


def _unreadable(where: str, error: OSError) -> ProfileError:
    why = (error.strerror or str(error)).lower()
    return ProfileError(f"cannot read {where}: {why}", next_command="llmdoctor profiles")


def _parse(text: str, where: str, again: str) -> dict[str, Any]:
    data, problem = parse_toml(text, where)
    if problem:
        raise ProfileError(problem, next_command=again)
    return data
