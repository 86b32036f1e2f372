"""Ask the keyring that Poetry would ask, in a child of Poetry's own Python, for a short time.

Only `fix` and `check --deep` do: a keyring that is locked may open a window. So nobody is asked
either where there is a screen for one, where Poetry has its keyring off, or where there is none.
"""

from __future__ import annotations

from pathlib import PurePath

from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Machine
from llmdoctor.probe.paths import join
from llmdoctor.system import System

PROGRAM = PurePath(__file__).parent.parent / "inside" / "ask_keyring.py"
SECONDS = 3.0  # for the answer; a keyring that is there gives it in a few milliseconds
_START = 30.0  # seconds for Python and its imports, on a slow disk


def keyring_answer(system: System, machine: Machine) -> str | None:
    """What Poetry's keyring says: answers, absent, locked, silent, "fails ERROR", "raises ERROR".

    None: not asked.

    Raises:
        UnreadableError: Poetry's Python did not get as far as to ask.
    """
    project, poetry, variables = machine.project, machine.tool("poetry"), machine.variables
    if project is None or not project.keyring or poetry is None or poetry.prefix is None:
        return None
    if "DISPLAY" in variables or "WAYLAND_DISPLAY" in variables:
        return None
    if "DBUS_SESSION_BUS_ADDRESS" not in variables and "PYTHON_KEYRING_BACKEND" not in variables:
        return None
    python = join(system, poetry.prefix, "bin", "python")  # only Linux has such keyrings
    done = system.run((python, "-I", "-B", str(PROGRAM), f"{SECONDS:g}"), timeout=SECONDS + _START)
    words = done.out.split("\n")
    if words[0] == "asking":
        return words[1] or "silent"
    if words[0] == "absent":
        return "absent"
    why = done.problem or done.err.strip()[-300:] or f"exit code {done.code}"
    raise UnreadableError(python, f"it did not ask its keyring: {why}", status="failed")
