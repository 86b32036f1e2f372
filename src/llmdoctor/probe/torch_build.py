"""The installed torch: its build from `torch/version.py`, and whether its files can be imported."""

from __future__ import annotations

import ast
import re

from llmdoctor.machine import Package, Torch
from llmdoctor.probe.paths import join
from llmdoctor.system import System

_LIBRARIES = ("libtorch_cpu.so", "torch_cpu.dll", "libtorch_cpu.dylib")
_EXTENSION = re.compile(r"_C\.(?:(?:cpython-|cp)(\d)(\d+)[\w.-]*\.|abi3\.)?(?:so|pyd)")


def read_torch(
    system: System, folders: tuple[str, ...], package: Package | None, python: str | None
) -> Torch | None:
    """The torch that an interpreter with these site-packages `folders` would import, else None.

    Args:
        system: the door.
        folders: site-packages, the first one wins.
        package: torch's dist-info; without the files it claims, torch is broken.
        python: the interpreter's version, to be compared with the extension's.
    """
    for folder in folders:
        place = join(system, folder, "torch")
        files = system.names(place)
        if files is None or not {"__init__.py", "version.py", "lib"} & set(files):
            continue
        text = (
            system.read_text(join(system, place, "version.py")) if "version.py" in files else None
        )
        built = parse_version(text or "")
        problem = _problem(system, place, files, package, python)
        version = built.get("__version__") or (package.version if package else None)
        return Torch(version, built.get("cuda"), built.get("hip"), problem)
    if package is None:
        return None
    return Torch(package.version, problem="its dist-info is there, but the folder torch/ is not")


def parse_version(text: str) -> dict[str, str | None]:
    """The string constants that torch/version.py assigns, annotated or not, and its Nones."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, str | None] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets: list[ast.expr] = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            continue
        value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, (str, type(None))):
            for target in targets:
                if isinstance(target, ast.Name):
                    found[target.id] = value.value
    return found


def _problem(
    system: System,
    place: str,
    files: tuple[str, ...],
    package: Package | None,
    python: str | None,
) -> str | None:
    """What `import torch` would fail on.

    Libraries are looked for only where torch came as a wheel: distributions put them elsewhere.
    """
    missing = [f"torch/{name}" for name in ("__init__.py", "version.py") if name not in files]
    extensions = [match for match in map(_EXTENSION.fullmatch, files) if match]
    if package and package.record and package.tags:
        libraries = system.names(join(system, place, "lib")) or ()
        if not any(name in libraries for name in _LIBRARIES):
            missing.append("torch/lib/libtorch_cpu")
        if not extensions:
            missing.append("the extension torch/_C")
    if missing:
        return "files are missing: " + ", ".join(missing)
    built_for = [f"{match[1]}.{match[2]}" for match in extensions if match[1]]
    minor = ".".join((python or "").split(".")[:2])
    if built_for and minor and minor not in built_for:
        return f"its extension torch/_C is built for Python {built_for[0]}, not {minor}"
    return None
