"""Import one module in the interpreter that runs this file, and say what came of it.

    python -I -B imports.py MODULE

The last line on stdout is JSON: `{"outcome": "ok|missing|broken", "error", "message"}`. Exit 0
whenever that line was written: anything else is a crash.
"""

from __future__ import annotations

import importlib
import json
import sys


def attempt(module: str) -> dict[str, object]:
    """Import `module`; the exception's class and text when that fails."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        outcome = "missing" if error.name == module.partition(".")[0] else "broken"
        return {"outcome": outcome, "error": type(error).__name__, "message": str(error)}
    except BaseException as error:  # noqa: BLE001 - a library may also call sys.exit when imported
        return {"outcome": "broken", "error": type(error).__name__, "message": str(error)}
    return {"outcome": "ok", "error": None, "message": None}


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(attempt(sys.argv[1])) + "\n")
