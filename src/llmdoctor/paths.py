"""Where llmdoctor's own data lies."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from llmdoctor.errors import CannotFinishError


@cache
def profiles_dir() -> Path:
    """The folder of profiles and tables.

    An installed wheel carries it inside the package as ``_profiles``; a source checkout (and an
    editable install of one) has it as ``profiles`` beside ``src``. Raises CannotFinishError when
    neither is there, which means the installation lost files.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_profiles", package.parents[1] / "profiles"):
        if (folder / "tables").is_dir():
            return folder
    raise CannotFinishError(
        f"the profiles are missing from {package}: install llmdoctor again, from where you had it",
        next_command="python3 -m pip uninstall llmdoctor",
    )
