"""`[tool.llmdoctor]` of a pyproject.toml: where it is looked for, and what shape it has.

The one reader of the table. What stands in a part of it is judged by who uses that part: `policy`,
`profiles.places` and `installers.poetry_groups`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llmdoctor.errors import ProfileError
from llmdoctor.probe.toml import get, parse_toml

NAME = "[tool.llmdoctor]"
FILE = "pyproject.toml"
_READ = "llmdoctor profiles"  # tells what of the table can be read


@dataclass(frozen=True)
class Table:
    """The table of one file. `problem`: why the file, which speaks of llmdoctor, is no TOML."""

    path: str
    data: Mapping[str, Any]
    problem: str | None = None

    def tables(self, key: str, of: str) -> dict[str, Any]:
        """The tables below a key, by name; none where it is absent.

        Raises:
            ProfileError: something else stands there; `of` says what each table is for.
        """
        found = self.data.get(key, {})
        if not isinstance(found, dict):
            where = f"{self.path} [tool.llmdoctor.{key}]"
            raise ProfileError(f"{where}: expected a table for {of}", next_command=_READ)
        return found


def nearest(files: Iterable[str], read: Callable[[str], str | None]) -> Table | None:
    """The table of the first of these files that has one.

    A file without it is passed over, as uv and Ruff do with theirs: so the members of a workspace
    share what stands in its root. `read` gives None for a file that is not there.

    Raises:
        ProfileError: what stands there is no table.
    """
    for path in files:
        text = read(path)
        if text is None or "llmdoctor" not in text:  # most have none, and TOML costs milliseconds
            continue
        manifest, problem = parse_toml(text, path)
        if problem:
            return Table(path, {}, problem)
        if found := of_manifest(manifest, path):
            return found
    return None


def of_manifest(manifest: Mapping[str, Any], path: str) -> Table | None:
    """The table of a file that was read already, or None.

    Raises:
        ProfileError: what stands there is no table.
    """
    found = get(dict(manifest), "tool", "llmdoctor")
    if found is None:
        return None
    if not isinstance(found, dict):
        raise ProfileError(f"{path} {NAME}: expected a table", next_command=_READ)
    return Table(path, found)
