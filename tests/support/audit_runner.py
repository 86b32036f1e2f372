"""Runs a module or a script under an audit hook: `audit_runner.py LOG (-m MODULE | SCRIPT) ARGS...`.

One JSON list per line of LOG: the event's name and its arguments as text. The last line, "end", holds
the names of all loaded modules; it is missing if the process did not end by itself. Loaded modules
include the few which this file needs (json, runpy), so it keeps to those.
"""

from __future__ import annotations

import json
import os
import runpy
import sys

TYPE_CHECKING = False  # as a checker sees it, without importing typing into the watched process
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_EVENTS = (
    "ctypes.dlopen",
    "import",
    "open",
    "os.",
    "pty.",
    "shutil.",
    "socket.",
    "sqlite3.connect",
    "subprocess.",
    "urllib.",
)
# Looking is not acting, and these would drown the rest.
_QUIET = {"os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.getxattr", "os.listxattr"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _install_hook(log: int) -> Callable[..., None]:
    write, dumps = os.write, json.dumps

    def record(event: str, *args: object) -> None:
        texts = [
            a if isinstance(a, str) else os.fsdecode(a) if isinstance(a, bytes) else repr(a)
            for a in args
        ]
        write(log, (dumps([event, *texts]) + "\n").encode())

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if not event.startswith(_EVENTS) or event in _QUIET:
            return
        if event == "import":
            record(event, args[0])
        elif event == "open":
            path, mode, flags = args
            # A number is a descriptor that is open already: wrapping it opens nothing.
            if not isinstance(path, int) and flags & _WRITING:
                record(event, os.fspath(path), mode)
        else:
            record(event, *args)

    sys.addaudithook(hook)
    return record


def main() -> None:
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    sys.argv = sys.argv[2:]
    is_module = sys.argv[0] == "-m"
    if is_module:
        del sys.argv[0]
    target = sys.argv[0]
    # What `python -m` and `python script` would have put there in place of this file's folder.
    sys.path[0] = os.getcwd() if is_module else os.path.dirname(os.path.abspath(target))  # noqa: PTH100, PTH109, PTH120
    record = _install_hook(log)
    try:
        if is_module:
            runpy.run_module(target, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(target, run_name="__main__")
    finally:
        record("end", *sorted(sys.modules))


if __name__ == "__main__":
    main()
