"""Running a piece of a test as somebody who is denied things: root as such is denied nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

# Root stays root, and so keeps the interpreter below its home, but loses what makes it see through
# modes: CAP_DAC_OVERRIDE (1) and CAP_DAC_READ_SEARCH (2) leave the bounding set, see prctl(2).
_DROP = """
import ctypes, os, sys
prctl = ctypes.CDLL(None, use_errno=True).prctl
drop_from_bounding_set = 24
for capability in (1, 2):
    if prctl(drop_from_bounding_set, capability, 0, 0, 0) != 0:
        sys.exit("cannot drop capabilities: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""


def unprivileged(
    *command: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a program for which the modes of files count; skips where that cannot be had."""
    words = [str(word) for word in command]
    if sys.platform == "win32":
        pytest.skip("modes of POSIX")
    if os.getuid() == 0:
        if sys.platform != "linux":
            pytest.skip("root can be denied something on Linux alone")
        words = [sys.executable, "-I", "-S", "-c", _DROP, *words]
    done = subprocess.run(
        words,
        cwd=cwd,
        env=None if env is None else dict(env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.stderr.startswith("cannot drop capabilities"):
        pytest.skip(done.stderr.strip())
    return done


def locally(code: str, cwd: Path) -> Any:
    """What `answer` is after `code` ran there with `door`, a `Local` for which modes count."""
    head = (
        "import json, os; from llmdoctor.errors import *; from llmdoctor.system.local import Local"
    )
    script = f"{head}\ndoor = Local()\n{code}\nprint(json.dumps(answer))"
    done = unprivileged(sys.executable, "-B", "-c", script, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
