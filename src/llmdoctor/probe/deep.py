"""Look at an environment from inside: run `inside/deep.py` in its Python (`check --deep`).

All steps share one child, since imports are the cost. A child that dies or hangs in a step costs
that step; the rest go on in a fresh child. The environment variables are those of the user's shell,
LD_LIBRARY_PATH and PYTHONPATH included: what they do is part of the diagnosis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Literal

from llmdoctor import wire
from llmdoctor.deep import MODULES, CudaStart, Deep, Device, Import, Loaded
from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Environment
from llmdoctor.probe.paths import join
from llmdoctor.records import last_words, parse_records
from llmdoctor.system import System

PROGRAM = PurePath(__file__).parent.parent / "inside" / "deep.py"
_LIMIT = 180.0  # seconds for one step: the first import from a slow disk may take a minute
_SAID = 4000  # characters of what a step printed, the last
_STEP = re.compile(r"\n?\x1e(.*)\n")  # see the program

# Nothing of the network; what a library caches goes to the folder that is thrown away.
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_CACHES = (
    "CUDA_CACHE_PATH",
    "HF_HOME",
    "MPLCONFIGDIR",
    "NUMBA_CACHE_DIR",
    "TMPDIR",
    "TEMP",
    "TMP",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "VLLM_CACHE_ROOT",
    "VLLM_CONFIG_ROOT",
    "XDG_CACHE_HOME",
)


@dataclass(frozen=True)
class _Child:
    """What one child did: its records, the step in which it died, and what each step printed."""

    records: list[dict[str, Any]]
    died: str | None
    how: Literal["crash", "timeout"]
    ended: str
    said: Mapping[str, str]

    @property
    def finished(self) -> set[str]:
        """The steps that left a record."""
        return {_step_of(record) for record in self.records}


def look_inside(
    system: System,
    environment: Environment,
    project: str,
    folder: str,
    say: Callable[[str], None],
    *,
    limit: float = _LIMIT,
) -> Deep:
    """Import the stack in that environment's Python, start CUDA, run a kernel on every GPU.

    Args:
        system: the door; a read-only one is enough.
        environment: the patient.
        project: the folder whose files would be imported instead of packages.
        folder: for the report and for what libraries cache; empty, thrown away afterwards.
        say: is told each step as it begins.
        limit: seconds after which a step is hanging.
    """
    python = environment.executable
    if python is None or environment.kind in ("missing", "broken"):
        kind = "missing" if environment.kind == "missing" else "broken"
        return Deep(problem=f"the environment is {kind}")
    caches = dict.fromkeys(_CACHES, folder)
    env = {**_QUIET, **caches}
    there = {module.name for module in MODULES if environment.package(module.distribution)}
    words = {**{name: f"importing {name}" for name in there}, "cuda": "starting torch's CUDA"}

    def tell(step: str) -> None:
        if step.startswith("gpu:"):
            say(f"running a kernel on GPU {step[4:]}")
        elif step in words:
            say(words[step])

    found: list[dict[str, Any]] = []
    skip: list[str] = []
    problem = None
    left = [*(module.name for module in MODULES), "cuda"]
    while left:
        child = _one_child(system, python, left, skip, folder, env, limit, tell)
        found += [
            {**record, "said": child.said.get(_step_of(record)) or None} for record in child.records
        ]
        if child.died is not None:
            found.append(_death(child))
        seen = child.finished | {child.died}
        if not any(step in seen for step in left):
            problem = f"it ended before its first step: {child.ended}"
            break
        left = [step for step in left if step not in seen]
        if any(r["type"] == "import" and r["module"] == "torch" and r["outcome"] != "ok"
               for r in found):  # fmt: skip
            left = [module.name for module in MODULES if module.name in left and not module.torch]
        if child.died is not None and child.died.startswith("gpu:"):
            skip = [_step_of(record) for record in found if record["type"] == "device"]
            left = ["cuda"]
    deep = _deep(found, problem, environment)
    return replace(deep, beside=_beside(system, project, environment))


def _one_child(
    system: System,
    python: str,
    steps: Sequence[str],
    skip: Sequence[str],
    folder: str,
    env: Mapping[str, str],
    limit: float,
    tell: Callable[[str], None],
) -> _Child:
    def hear(line: str) -> None:
        if line.startswith("\x1e"):
            tell(line[1:])

    out = join(system, folder, "deep.jsonl")
    done = system.run(
        (
            *(python, "-I", "-B", str(PROGRAM), "--out", out, "--limit", f"{limit}"),
            *(word for step in skip for word in ("--skip", step)),
            *steps,
        ),
        env=env,
        # Each step ends itself; only a library that meddles with that makes the parent end it.
        timeout=limit * (len(steps) + 2),
        on_line=hear,
    )
    _, *parts = _STEP.split(done.err)
    said = {step: text.strip()[-_SAID:] for step, text in zip(parts[::2], parts[1::2], strict=True)}
    if not parts:
        return _Child([], None, "crash", last_words(done), {})
    written, open_step = parse_records(system.read_text(out) or ""), parts[-2]
    finished = {_step_of(record) for record in written}
    died = open_step if open_step not in finished else None
    hung = done.problem == "timeout" or "\nTimeout (" in f"\n{said.get(died or '', '')}"
    ended = f"took longer than {limit:g} s" if hung else done.problem or f"exit code {done.code}"
    return _Child(written, died, "timeout" if hung else "crash", ended, said)


def _step_of(record: Mapping[str, Any]) -> str:
    if record["type"] == "import":
        return str(record["module"])
    return f"gpu:{record['index']}" if record["type"] == "device" else str(record["type"])


def _death(child: _Child) -> dict[str, Any]:
    """The record that a step would have written, had it not died."""
    step = str(child.died)
    said = child.said.get(step) or None
    how: dict[str, Any] = {"outcome": child.how, "error": child.ended, "said": said}
    if step == "libraries":
        return {"type": step, "loaded": []}
    if step == "cuda":
        return {"type": step, **how}
    if step.startswith("gpu:"):
        return {"type": "device", "index": int(step[4:]), **how}
    return {"type": "import", "module": step, **how}


def _deep(found: Sequence[dict[str, Any]], problem: str | None, environment: Environment) -> Deep:
    """The records as a `Deep`; of several children the first to start CUDA counts."""

    def of(kind: str) -> list[dict[str, Any]]:
        return [
            {k: v for k, v in record.items() if k != "type" and v is not None}
            for record in found
            if record["type"] == kind
        ]

    there = {module.name for module in MODULES if environment.package(module.distribution)}
    # Of one package several modules are tried, and not every release has all of them.
    there -= {"flash_attn_2_cuda"}
    imports = [wire.load(Import, record) for record in of("import")]
    cuda = [wire.load(CudaStart, record) for record in of("cuda")]
    loaded = {
        library["path"]: library for record in of("libraries") for library in record["loaded"]
    }
    return Deep(
        imports=tuple(
            item
            for item in imports
            if item.outcome != "missing" or item.module == "torch" or item.module in there
        ),
        cuda=cuda[0] if cuda else None,
        devices=tuple(wire.load(Device, record) for record in of("device")),
        libraries=tuple(wire.load(Loaded, loaded[path]) for path in sorted(loaded)),
        problem=problem,
    )


def _beside(system: System, project: str, environment: Environment) -> tuple[str, ...]:
    """Files of the project by which a Python that is started there hides a package."""
    names = {module.name.partition(".")[0]: module.distribution for module in MODULES}
    hiding: list[str] = []
    for name, distribution in names.items():
        package = environment.package(distribution)
        if package is None and name != "torch":
            continue  # it hides nothing
        if package is not None and package.editable:
            continue  # it is this project
        places = (join(system, project, f"{name}.py"), join(system, project, name, "__init__.py"))
        hiding += (place for place in places if _is_there(system, place))
    return tuple(hiding)


def _is_there(system: System, path: str) -> bool:
    try:
        return system.exists(path)
    except UnreadableError:  # nor can this user's Python import it
        return False
