"""See what only loading shows, in the interpreter that runs this file.

    python -I -B deep.py --out FILE [--limit SECONDS] [--skip gpu:N]... STEP...

A STEP is a module to import, or `cuda`: start torch's CUDA, then run a small kernel on every GPU.
`-I` keeps this program's own imports safe; what it leaves out of the path of the user's Python,
PYTHONPATH and the user's own site-packages, comes back before the first step. Nothing is written
except FILE, in JSON lines, each flushed when written:

`{"type": "import", "module", "outcome": "ok|missing|broken", "version", "path", "origin", "error",
"frames", "warnings", "seconds"}`
    after an import. missing: no such module; broken: it raised, `error` is the exception.
`{"type": "cuda", "outcome": "ok|broken", "cuda", "hip", "cudnn", "available", "count",
"architectures", "error", "warnings"}`
`{"type": "device", "index", "outcome": "ok|broken", "name", "compute_capability", "bf16", "error"}`
`{"type": "libraries", "loaded": [{"name", "path", "inside", "own"}]}`
    once, at the end: what is mapped into this process (Linux only).

Before each step a line with a record separator (U+001E) and its name goes to stderr, and stdout
goes there too: so the parent knows what said what, and in which step this process died. A step
that takes longer than SECONDS ends the process with a traceback that begins "Timeout". After a
torch that does not import no other step is run: a half-loaded torch would confuse them.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import importlib.util
import json
import os
import re
import site
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

MARK = "\x1e"
FRAMES = 4  # of a traceback, the last
LONGEST = 4000  # characters of a message
LIBRARY = re.compile(
    r"(lib(?:cuda|cudart|cublas|cublasLt|cudnn\w*|cufft|curand|cusolver|cusparse|cusparseLt|cupti"
    r"|gomp|iomp5|nccl|nvJitLink|nvrtc|stdc\+\+)(?:-[0-9a-f]+)?\.so(?:\.\d+)?)[\d.]*"
)


class Report:
    """The report and, on stderr, the step that is being taken."""

    def __init__(self, path: str, limit: float) -> None:
        self._file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - until the end
        self._limit = limit

    def begin(self, step: str) -> None:
        """Say what comes next; this process ends itself when that takes too long."""
        sys.stdout.flush()
        sys.stderr.write("\n" + MARK + step + "\n")
        sys.stderr.flush()
        faulthandler.dump_traceback_later(self._limit, exit=True)

    def write(self, kind: str, **fields: object) -> None:
        """Append one record; the step has ended."""
        faulthandler.cancel_dump_traceback_later()
        self._file.write(json.dumps({"type": kind, **fields}) + "\n")
        self._file.flush()


class Warnings:
    """What is warned of from now on, as "UserWarning: text"; the libraries' filters stay theirs."""

    def __init__(self) -> None:
        self._seen: list[str] = []
        warnings.showwarning = self._show

    def _show(
        self, message: object, category: type[Warning], *_: object, **__: object
    ) -> None:  # as `warnings.showwarning` is called
        self._seen.append("%s: %s" % (category.__name__, message))

    def taken(self) -> list[str]:
        """Those since the last call."""
        seen, self._seen = self._seen, []
        return [text[:LONGEST] for text in seen]


def main() -> int:
    """Take the steps."""
    parser = argparse.ArgumentParser(prog="deep")
    parser.add_argument("--out", required=True)
    parser.add_argument("--limit", type=float, default=180.0)
    parser.add_argument("--skip", action="append", default=[])
    parser.add_argument("steps", nargs="+")
    options = parser.parse_args()
    os.dup2(2, 1)
    faulthandler.enable()
    origins = restore_path()
    report, warned = Report(options.out, options.limit), Warnings()
    for step in options.steps:
        report.begin(step)
        if step == "cuda":
            look_at_cuda(report, warned, options.skip)
            continue
        found = import_module(step, origins)
        report.write("import", **found, warnings=warned.taken())
        if step == "torch" and found["outcome"] != "ok":
            break
    report.begin("libraries")
    report.write("libraries", loaded=loaded_libraries())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # what libraries do when Python ends is no part of this, and costs


def restore_path() -> list[tuple[str, str]]:
    """Lay what `-I` left out back on `sys.path`; which folder has which origin, longest first."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    given = [str(Path(entry).absolute()) for entry in entries if entry]
    own = [place for place in sys.path if Path(place).name in _SITES]
    before = list(sys.path)
    if not os.environ.get("PYTHONNOUSERSITE") and _reads_user_site():
        user = site.getusersitepackages()
        if Path(user).is_dir():
            site.addsitedir(user)
    users = [place for place in sys.path if place not in before]
    # Python reads the user's packages before the base's own, and after those of an environment.
    base = site.getsitepackages([sys.base_prefix, sys.base_exec_prefix])
    first = next((n for n, place in enumerate(before) if place in base), len(before))
    sys.path[:] = [*given, *before[:first], *users, *before[first:]]
    known = dict.fromkeys(given, "PYTHONPATH")
    known.update((place, "user site") for place in users)
    known.update((place, "environment") for place in [*own, sys.prefix])
    return sorted(known.items(), key=lambda pair: -len(pair[0]))


_SITES = ("site-packages", "dist-packages")


def _reads_user_site() -> bool:
    """Whether this Python reads the user's own packages: a plain virtual environment's does not."""
    if sys.prefix == sys.base_prefix:
        return True
    try:
        text = Path(sys.prefix, "pyvenv.cfg").read_text("utf-8")
    except (OSError, ValueError):
        return False
    return bool(re.search(r"(?im)^include-system-site-packages\s*=\s*true\s*$", text))


def import_module(name: str, origins: list[tuple[str, str]]) -> dict[str, Any]:
    """Import it and say how that went; never raises."""
    began = time.perf_counter()
    found: dict[str, Any] = {"module": name, "outcome": "ok", "error": None, "frames": []}
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - a broken library raises anything, SystemExit too
        absent = isinstance(error, ModuleNotFoundError) and error.name in (name, top(name))
        found["outcome"] = "missing" if absent else "broken"
        found["error"] = said_by(error)
        found["frames"] = frames(error)
    module = sys.modules.get(top(name))
    found["seconds"] = time.perf_counter() - began
    found["version"] = word_of(module, "__version__")
    path = word_of(module, "__file__")
    if path is None and found["outcome"] != "missing":
        path = found_at(top(name))  # what raised is no longer among the modules
    found["path"] = path
    found["origin"] = None if path is None else origin(path, origins)
    return found


def top(name: str) -> str:
    """The package that a module belongs to."""
    return name.partition(".")[0]


def word_of(module: Any, name: str) -> str | None:  # noqa: ANN401 - the patient's module
    """What a module says of itself, as text; None also where that raises: it may run any code."""
    try:
        value = getattr(module, name, None)
        return None if value is None else str(value)
    except Exception:  # noqa: BLE001 - how the import itself went is already known
        return None


def found_at(name: str) -> str | None:
    """The file that the import of a module begins with."""
    try:
        spec = importlib.util.find_spec(name)
    except Exception:  # noqa: BLE001 - a module, or the finder of one, runs its own code here
        return None
    return spec.origin if spec else None


def origin(path: str, origins: list[tuple[str, str]]) -> str:
    """What put a file on the path."""
    for place, name in origins:
        if path.startswith(place.rstrip(os.sep) + os.sep):
            return name
    return "elsewhere"


def said_by(error: BaseException) -> str:
    """The class and the text of an exception, and those of its cause."""
    text = "%s: %s" % (type(error).__name__, error)
    if error.__cause__ is not None:
        text += "\n%s: %s" % (type(error.__cause__).__name__, error.__cause__)
    return text[:LONGEST]


def frames(error: BaseException) -> list[str]:
    """The last files of the traceback and their lines, without the folders."""
    places = [
        (Path(frame.f_code.co_filename).name, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    rest = [place for place in places if not place[0].startswith("<frozen")]
    return ["%s:%d" % place for place in rest[2:][-FRAMES:]]  # here and importlib come first


def look_at_cuda(report: Report, warned: Warnings, skip: list[str]) -> None:
    """Start torch's CUDA, then take a step for each GPU that is not to be skipped."""
    torch = importlib.import_module("torch")  # the process that imported it may have died since
    facts: dict[str, Any] = {"outcome": "ok", "error": None}
    count = 0
    try:
        facts["cuda"] = torch.version.cuda
        facts["hip"] = getattr(torch.version, "hip", None)
        facts["available"] = torch.cuda.is_available()
        if (facts["cuda"] or facts["hip"]) and not facts["available"]:
            torch.cuda.init()  # says why
        elif facts["available"]:
            torch.cuda.init()
            facts["count"] = count = torch.cuda.device_count()
            facts["architectures"] = list(torch.cuda.get_arch_list())
            facts["cudnn"] = torch.backends.cudnn.version()
    except Exception as error:  # noqa: BLE001 - whatever a driver answers
        facts["outcome"], facts["error"] = "broken", said_by(error)
    report.write("cuda", **facts, warnings=warned.taken())
    for index in range(count):
        step = "gpu:%d" % index
        if step not in skip:
            report.begin(step)
            report.write("device", index=index, **look_at_gpu(torch, index))


def look_at_gpu(torch: Any, index: int) -> dict[str, Any]:  # noqa: ANN401 - the patient's module
    """What a GPU is, and whether it adds numbers."""
    facts: dict[str, Any] = {"outcome": "ok", "error": None}
    try:
        facts["name"] = torch.cuda.get_device_name(index)
        facts["compute_capability"] = "%d.%d" % torch.cuda.get_device_capability(index)
        ones = torch.ones(64, device="cuda:%d" % index)
        total = (ones + ones).sum().item()
        torch.cuda.synchronize(index)
        if total != 128:
            facts["outcome"], facts["error"] = "broken", "64 times 1 + 1 made %r" % total
        with torch.cuda.device(index):
            facts["bf16"] = has_bf16(torch)
    except Exception as error:  # noqa: BLE001 - the result of this GPU and of no other
        facts["outcome"], facts["error"] = "broken", said_by(error)
    return facts


def has_bf16(torch: Any) -> bool:  # noqa: ANN401
    """Whether the current GPU has bf16 in hardware; newer releases count emulation too."""
    try:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    except TypeError:  # a release without that word
        return bool(torch.cuda.is_bf16_supported())


def loaded_libraries() -> list[dict[str, Any]]:
    """The CUDA and compiler libraries mapped into this process, by the name they are asked for."""
    try:
        with Path("/proc/self/maps").open(encoding="utf-8", errors="replace") as file:
            paths = {line.split(None, 5)[5].rstrip("\n") for line in file if "/lib" in line}
    except OSError:  # not Linux
        return []
    own = own_libraries()
    prefix = str(Path(sys.prefix).resolve()) + os.sep
    found = []
    for path in sorted(paths):
        match = LIBRARY.fullmatch(Path(path).name)
        if match:
            mine = own.get(match[1])
            # uv may have linked the environment's own files to its cache
            inside = path.startswith(prefix) or (mine and str(Path(mine).resolve()) == path)
            found.append({"name": match[1], "path": path, "inside": bool(inside), "own": mine})
    return found


def own_libraries() -> dict[str, str]:
    """The environment's copies: those of torch and of the nvidia-* packages, or conda's."""
    folders = []
    for place in map(Path, sys.path):
        if place.name in _SITES and Path(sys.prefix) in place.parents:
            folders += [place / "torch" / "lib", *sorted(place.glob("nvidia/*/lib"))]
    if Path(sys.prefix, "conda-meta").is_dir():
        folders.append(Path(sys.prefix, "lib"))
    found: dict[str, str] = {}
    for folder in folders:
        for file in sorted(folder.glob("lib*.so*")):
            match = LIBRARY.fullmatch(file.name)
            if match:
                found.setdefault(match[1], str(file))
    return found


if __name__ == "__main__":
    sys.exit(main())
