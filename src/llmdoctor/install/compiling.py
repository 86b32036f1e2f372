"""`--build`: what is compiled in the environment, with which variables, and what is in its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from llmdoctor.checks import Case, build_gates
from llmdoctor.finding import Finding
from llmdoctor.installers import Compilation
from llmdoctor.machine import Machine, Toolkit, Torch
from llmdoctor.plan import Change, Choice, SourceBuild
from llmdoctor.system import System
from llmdoctor.tables import cuda_of_variant
from llmdoctor.tables.read import numbers
from llmdoctor.tables.toolkits import memory_of_a_job

_THREADS = 4  # of one nvcc; what `memory_of_a_job` counts with


def in_the_way(case: Case) -> tuple[Finding, ...]:
    """What a compilation would stop at, judged with the torch that will be there."""
    choice = case.choice
    if choice is None or not any(item.compiled for item in choice.requirements):
        return ()
    machine, kit = case.machine, toolkit(case.machine, choice)
    cuda = machine.cuda
    if kit is not None:
        cuda = replace(cuda, home=kit.path, toolkits=(replace(kit, source="CUDA_HOME"),))
    torch = Torch(f"{choice.torch}+{choice.variant}", cuda_of_variant(str(choice.variant)))
    there = replace(machine.environment, torch=torch)
    return build_gates(replace(case, machine=replace(machine, cuda=cuda, environment=there)))


def compilations(
    system: System,
    machine: Machine,
    choice: Choice,
    changes: Sequence[Change],
    programs: str,
) -> tuple[Compilation, ...]:
    """What of the changes is compiled, in order.

    Args:
        system: for its variables: those of the build that the user has set stay.
        machine: its processors, memory, GPUs and toolkits.
        choice: with the way of each package that is compiled.
        changes: everything that the installer will change.
        programs: the environment's folder of programs, for PATH: ninja lies there.
    """
    recipes = {item.name: item.compiled for item in choice.requirements if item.compiled}
    if not recipes:
        return ()
    kit = toolkit(machine, choice)
    found = []
    for change in changes:
        if recipe := recipes.get(change.package.name):
            env = _variables(recipe, machine, kit, system.environ)
            separator = ";" if machine.host.system == "windows" else ":"
            env["PATH"] = separator.join(filter(None, (programs, system.environ.get("PATH"))))
            text = f"compile {recipe.name} {recipe.version} ({_estimate(recipe, machine, env)})"
            found.append(Compilation(change, env, text))
    return tuple(found)


def toolkit(machine: Machine, choice: Choice) -> Toolkit | None:
    """The toolkit to compile with: of torch's CUDA, its minor before another; None: there is none.

    The one that CUDA_HOME names is the user's word, where it is of the right major.
    """
    wanted = numbers(cuda_of_variant(str(choice.variant)) or "")
    kits = [kit for kit in machine.cuda.toolkits if kit.nvcc and kit.version]
    fitting = [kit for kit in kits if numbers(str(kit.version))[:1] == wanted[:1]]
    return min(
        fitting,
        key=lambda kit: (kit.source != "CUDA_HOME", numbers(str(kit.version))[:2] != wanted[:2]),
        default=None,
    )


def jobs(threads: int, memory: int | None) -> tuple[int, int]:
    """How many compilers at once, and how many threads each: what processors and memory carry."""
    each = memory_of_a_job()
    room = memory if memory is not None else each
    count = max(1, min(threads // _THREADS or 1, room // each))
    return count, max(1, min(_THREADS, threads // count, room * _THREADS // (each * count)))


def _variables(
    recipe: SourceBuild, machine: Machine, kit: Toolkit | None, environ: Mapping[str, str]
) -> dict[str, str]:
    """What setup.py reads. How much is done at once, and for which GPUs, the user may have set."""
    count, threads = jobs(machine.cpu.threads or 1, _memory(machine))
    settings = {"MAX_JOBS": str(count), "NVCC_THREADS": str(threads)}
    if recipe.architectures and (names := architectures(recipe, machine)):
        settings[recipe.architectures] = ";".join(names)
    env = {name: environ.get(name) or value for name, value in settings.items()}
    env[recipe.force] = "TRUE"
    if kit is not None:
        env["CUDA_HOME"] = kit.path
    return env


def architectures(recipe: SourceBuild, machine: Machine) -> tuple[str, ...]:
    """What to compile for: the newest of each GPU's own generation that is not newer than it."""
    known = [(int(name) // 10, int(name), name) for name in recipe.known]
    found = set()
    for gpu in machine.nvidia.gpus:
        parts = numbers(gpu.compute_capability or "")
        if len(parts) == 2:
            own = parts[0] * 10 + parts[1]
            fitting = [item for item in known if item[0] == parts[0] and item[1] <= own]
            found |= {max(fitting)} if fitting else set()
    return tuple(name for _, _, name in sorted(found))


def _memory(machine: Machine) -> int | None:
    memory = machine.memory
    return min((size for size in (memory.total, memory.limit) if size), default=None)


def _estimate(recipe: SourceBuild, machine: Machine, env: dict[str, str]) -> str:
    count, threads = env["MAX_JOBS"], env["NVCC_THREADS"]
    how = f"{count} at once, {threads} threads each"
    if recipe.core_minutes is None or not (count.isdigit() and threads.isdigit()):
        return f"{how}; how long it takes is not known"
    cores = min(int(count) * int(threads), machine.cpu.threads or 1)
    return f"{how}; about {recipe.core_minutes // max(1, cores)} minutes"
