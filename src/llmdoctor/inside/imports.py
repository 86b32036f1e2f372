"""Import modules in the interpreter that runs this file, and say what came of each.

    python -I -B imports.py MODULE …

After each a line on stdout is JSON: `{"module", "outcome": "ok|missing|broken", "error",
"message"}`. The first module without a line is the one that ended the process.
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
    for name in sys.argv[1:]:
        sys.stdout.write("\n" + json.dumps({"module": name, **attempt(name)}) + "\n")
        sys.stdout.flush()
