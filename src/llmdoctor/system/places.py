"""The user's folders for llmdoctor's own files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from llmdoctor.errors import CannotFinishError

_FOR = {"STATE": "journals and locks", "CACHE": "downloaded wheels"}


def own_dir(what: Literal["STATE", "CACHE"], environ: Mapping[str, str]) -> str:
    """The state or the cache folder; a variable names another one.

    Raises:
        CannotFinishError: this user has no home.
    """
    import platformdirs

    variable = f"LLMDOCTOR_{what}_DIR"
    folder = environ.get(variable)
    usual = platformdirs.user_state_dir if what == "STATE" else platformdirs.user_cache_dir
    try:
        folder = folder or usual("llmdoctor", appauthor=False)
    except RuntimeError:  # what newer releases say of a user without a home
        folder = "~"
    if folder.startswith("~"):
        raise CannotFinishError(
            f"this user has no home folder, so there is no place to keep {_FOR[what]}",
            next_command=f"export {variable}=/var/tmp/llmdoctor",
        )
    return os.path.abspath(folder)
