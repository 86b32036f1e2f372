"""Ask the keyring as Poetry does, in Poetry's own Python, and say what came of it.

    python -I -B ask_keyring.py SECONDS

Prints `asking` once everything is imported, then one of `answers`, `absent` (no keyring is set up),
`locked`, `fails ERROR`, and `raises ERROR`, which Poetry does not expect. A keyring that gives no
answer within the time ends the process, so that `asking` is its last word. Nothing is stored, and
no password is printed.
"""

from __future__ import annotations

import faulthandler
import sys

# What Poetry 2.1 and later ask for before every command that installs or locks.
SERVICE, USER = "python-poetry-check", "python-poetry"


def ask() -> str:
    """One question to the keyring; its answer as a word."""
    import keyring  # type: ignore[import-not-found]

    backend = keyring.get_keyring()
    name = f"{type(backend).__module__}.{type(backend).__name__}"
    if name in ("keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"):
        return "absent"
    try:
        keyring.get_password(SERVICE, USER)
    except (RuntimeError, keyring.errors.KeyringError) as error:  # Poetry goes on without
        kind = type(error).__name__
        return "locked" if "Locked" in kind else f"fails {kind}"
    except Exception as error:  # noqa: BLE001 - and ends with any other
        return f"raises {type(error).__name__}"
    return "answers"


def main(seconds: float) -> None:
    """Import what is needed, start the clock, ask."""
    try:
        import keyring
    except ImportError:
        sys.stdout.write("absent\n")
        return
    keyring.get_keyring()  # imports the backends; on its own it never waits for one
    sys.stdout.write("asking\n")
    sys.stdout.flush()
    faulthandler.dump_traceback_later(seconds, exit=True)
    said = ask()
    faulthandler.cancel_dump_traceback_later()
    sys.stdout.write(f"{said}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]))
