"""Carry out a prepared plan, one run at a time for each environment."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager

from llmdoctor.execute import Done, execute, recover
from llmdoctor.failure import Watcher
from llmdoctor.install.patient import absolute
from llmdoctor.install.prepare import Prepared
from llmdoctor.journal import Entry
from llmdoctor.system import System


def carry_out(system: System, prepared: Prepared, watch: Watcher) -> Done:
    """Execute a prepared plan; the caller holds the environment's lock (`hold`)."""
    return execute(system, prepared.plan, prepared.journal, watch)


def hold(system: System, environment: str, wait: float = 10.0) -> AbstractContextManager[None]:
    """Hold the one lock of an environment."""
    path = absolute(system, environment)
    name = hashlib.sha256(path.encode()).hexdigest()[:16]
    return system.lock(f"{system.state_dir()}/locks/{name}.lock", wait)


def recover_cut_off(system: System, environment: str) -> tuple[Entry, ...]:
    """Put back what an earlier run on that environment left half-done."""
    return recover(system, absolute(system, environment))
