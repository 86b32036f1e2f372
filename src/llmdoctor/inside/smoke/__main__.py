"""Smoke test of the interpreter that runs this directory.

    python -I -B path/to/smoke [--out FILE] [--device cpu|cuda:N] [--seed 0] [--full]
                               [--only GLOB]... [--list] [--bytecode]

The interpreter needs torch, transformers and (for the LoRA rows) peft; llmdoctor is not imported.
Results are JSON lines, each flushed when written, to FILE or else to stdout. torch prints on stdout
too, so a program that reads the results should give ``--out``. In the order they are written:

``{"type": "importing", "package"}``
    before torch, transformers and peft are imported: names the package if the process dies there.
``{"type": "import", "package", "outcome": "ok"|"missing"|"broken", "version", "error", "message",
"seconds"}``
    after it. ``error`` is the exception's class name, ``message`` its text (both null when ok).
    missing: no such package. broken: it is there and does not import.
``{"type": "environment", ...}``
    ``python`` {version, implementation, executable, platform, machine}; ``packages`` {torch (with
    its local version), transformers, peft, numpy}, null where absent; ``cuda``, the CUDA version
    torch was built for, null on a CPU build; ``gpus``, how many torch sees;
    ``device`` {type, name, and ``absent``: why torch cannot use it, in which case no row follows};
    ``threads``; ``arch_list``, the GPU architectures compiled into torch;
    ``import_seconds`` by package; ``seed``.
``{"type": "start", "row": {"backend", "kernel", "mode", "dtype", "device"}}``
    before each row: names the row if the process dies or hangs in it.
``{"type": "row", ...}``
    the five fields of the identity, ``attention``, transformers' name of the backend, then
    ``outcome`` pass | fail | skip (crash and timeout are for the parent to say);
    ``seconds`` wall time, ``peak_bytes`` null on a CPU, where no peak per row can be observed;
    ``error`` and ``tolerance``, the measured number closest to (or beyond) its gate and that gate,
    null when nothing was measured; ``ran_as``, the attention kernels that the profiler saw, such
    as "FLASH_ATTENTION", "eager" or "eager+MATH", null when none was seen, "paged …" one on a
    paged cache; ``detail``, why the row failed or was skipped, then every number measured.
``{"type": "done", "rows", "seconds", "cpu_seconds"}``
    the protocol was completed. seconds and cpu_seconds count from the start of this program.

Exit status: 0 when "done" was written, whatever the rows say; 2 for wrong arguments; anything else
means that the outcome of the rows not written is unknown.

``--only`` takes a glob over backend/kernel/mode/dtype, such as ``sdpa/*/lora/*``, and may be
repeated. ``--full`` adds the rows that take minutes. ``--list`` prints those names and imports
nothing. Nothing is read from the network, and nothing is written except FILE, a temporary folder
that is deleted at the end and, with ``--bytecode``, what Python compiles of the packages.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

PACKAGE = "llmdoctor_smoke"


def load(module: str) -> ModuleType:
    """Import a module that lies beside this file, as part of the package ``llmdoctor_smoke``.

    Python puts a directory that it runs at the head of ``sys.path``, where a neighbour of this
    file would shadow any package of the environment that has the same name. So the directory
    leaves ``sys.path`` and its modules are found through their package alone.
    """
    here = Path(__file__).resolve().parent
    if PACKAGE not in sys.modules:
        sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != here]
        spec = importlib.util.spec_from_file_location(
            PACKAGE, here / "__init__.py", submodule_search_locations=[str(here)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(
                f"{here} is not a complete copy of the smoke test: reinstall llmdoctor"
            )
        package = importlib.util.module_from_spec(spec)
        sys.modules[PACKAGE] = package
        spec.loader.exec_module(package)
    return importlib.import_module(f"{PACKAGE}.{module}")


if __name__ == "__main__":
    sys.exit(load("run").main(sys.argv[1:]))
