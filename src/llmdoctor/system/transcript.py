"""Looks written down and answered again: saved machines, also of systems that are not at hand.

A transcript is JSON: `{"flavour": "posix|windows", "environ": {...}, "calls": [[name, args,
answer], ...]}`; an answer is the returned value, or `{"unreadable": [what, reason, status]}`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from llmdoctor import wire
from llmdoctor.errors import ReadOnlyError, UnreadableError
from llmdoctor.system import Completed, Space, System, Uname

_FLAVOURS: dict[str, type[PurePath]] = {"posix": PurePosixPath, "windows": PureWindowsPath}
_RECORDS = {"run": Completed, "space": Space, "uname": Uname}
_LOOKS = frozenset({
    "uname", "confstr", "cpu_count", "cwd", "home", "state_dir", "interpreter", "now", "kind",
    "exists", "real_path", "names", "read_bytes", "read_text", "size", "frees", "which", "space",
    "has_library", "run",
})  # fmt: skip


class Recording:
    """Answers as another system does, and writes the answers down in `calls`."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.calls: dict[str, Any] = {}

    @property
    def flavour(self) -> type[PurePath]:
        """The recorded machine's paths."""
        return self._system.flavour

    @property
    def environ(self) -> Any:
        """The recorded machine's environment."""
        return self._system.environ

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _LOOKS:
            raise ReadOnlyError(f"{name} cannot be recorded")
        look = getattr(self._system, name)

        def recorded(*args: Any, **options: Any) -> Any:
            key = _key(name, args, options)
            try:
                answer = look(*args, **options)
            except UnreadableError as error:
                self.calls[key] = {"unreadable": [error.what, error.reason, error.status]}
                raise
            self.calls[key] = (
                {"base64": base64.b64encode(answer).decode()}
                if isinstance(answer, bytes)
                else wire.dump(answer)
            )
            return answer

        return recorded

    def transcript(self, environ: dict[str, str]) -> str:
        """The transcript as JSON text; `environ` is the part of the environment worth keeping."""
        flavour = "windows" if self.flavour is PureWindowsPath else "posix"
        calls = [[*json.loads(key), answer] for key, answer in sorted(self.calls.items())]
        document = {"flavour": flavour, "environ": environ, "calls": calls}
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


class Replayed:
    """Answers from a transcript. A look that it does not hold is unreadable: "not recorded"."""

    def __init__(self, transcript: str) -> None:
        document = json.loads(transcript)
        self.flavour = _FLAVOURS[document["flavour"]]
        self.environ: dict[str, str] = document["environ"]
        self._answers = {_key(name, args, {}): answer for name, args, answer in document["calls"]}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _LOOKS:
            raise ReadOnlyError(f"{name} cannot be replayed")

        def replayed(*args: Any, **options: Any) -> Any:
            key = _key(name, args, options)
            if key not in self._answers:
                raise UnreadableError(key, "not in the transcript", status="failed")
            answer = self._answers[key]
            if isinstance(answer, dict) and "unreadable" in answer:
                what, reason, status = answer["unreadable"]
                raise UnreadableError(what, reason, status=status)
            if isinstance(answer, dict) and "base64" in answer:
                return base64.b64decode(answer["base64"])
            if name in _RECORDS and answer is not None:
                return wire.load(_RECORDS[name], answer)
            return tuple(answer) if isinstance(answer, list) else answer

        return replayed


def _key(name: str, args: Any, options: dict[str, Any]) -> str:
    """What tells one look from another; how a program is run does not change what it is."""
    limit = [options["limit"]] if "limit" in options else []
    return json.dumps([name, [*args, *limit]])
