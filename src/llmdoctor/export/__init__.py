"""The same choice in other tools' words: pure functions from a plan to the text of one file.

Each format says what it can: exact files with hashes where the plan was resolved, else the
requirements with the index that torch is to come from.
"""

from __future__ import annotations

from collections.abc import Callable

from llmdoctor.export.conda import conda
from llmdoctor.export.dockerfile import dockerfile
from llmdoctor.export.poetry import poetry
from llmdoctor.export.pylock import pylock
from llmdoctor.export.requirements import requirements
from llmdoctor.export.uv import uv
from llmdoctor.plan import Plan

FORMATS: dict[str, Callable[[Plan], str]] = {
    "requirements": requirements,
    "pylock": pylock,
    "uv": uv,
    "poetry": poetry,
    "dockerfile": dockerfile,
    "conda": conda,
}
