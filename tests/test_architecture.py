"""Who may import whom: floors, one door, one place for the patient's packages.

Read from the source with `ast`, late imports and those for type checkers included.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "llmdoctor"
LONGEST = 350  # lines of a module

# From the ground up. A module imports from its own floor and from those below it.
FLOORS = {
    "words": (
        "__init__",  # the version
        "addresses",
        "deep",
        "errors",
        "finding",
        "hardware",
        "hosts",
        "locked",
        "machine",
        "network",
        "pasted",
        "plan",
        "profile",
        "proof",
        "redact",
        "steps",
        "visible",
        "wire",
    ),
    "door": (
        "paths",  # where the package's own data lies
        "records",
        "saved",
        "system",
    ),
    "eyes": (
        "advice",
        "checks",
        "diagnose",
        "ingest",
        "explain",
        "inside",
        "interpreters",
        "known",
        "mirrors",
        "pip_config",
        "plugins",
        "policy",
        "probe",
        "profiles",
        "project_table",
        "promises",
        "resolve",
        "sources",
        "tables",
        "tags",
        "target",
        "wheel_tags",
    ),
    "hands": (
        "bundle",
        "closure",
        "execute",
        "failure",
        "fix",
        "install",
        "installers",
        "journal",
        "prescribe",
        "prune",
        "rollback",
        "smoke",
        "undo",
        "verify",
        "wheelhouse",
        "write",
    ),
    "mouth": (
        "__main__",
        "cli",
        "export",
        "render",
    ),
}

OUTSIDE = (
    "ctypes",
    "http",
    "os",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "urllib.request",
)
PATIENT = ("peft", "pynvml", "torch", "transformers")

# (module, what it imports): why it need not go through the door.
ALLOWED = {
    ("cli.output", "os"): "asks the terminal its width, and what the user says about colours",
    ("cli.output", "signal"): "turns SIGTERM into the interrupt that every command cleans up after",
    ("cli.output", "pathlib.Path"): "writes the report where --output says",
    ("paths", "pathlib.Path"): "finds the package's own data",
    ("profiles.packages", "pathlib.Path"): "looks for the profiles of installed packages",
    ("profiles.places", "pathlib.Path"): "reads our own profiles, and those that a user names",
    ("smoke", "pathlib.Path"): "names the package's own program",
    ("smoke.child", "pathlib.Path"): "names the file that the program writes",
    ("sources", "urllib.request.url2pathname"): "turns a file address into a path; asks nobody",
    ("verify", "pathlib.Path"): "names the package's own program",
}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module below llmdoctor by its dotted name; a package is the name of its folder."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text("utf-8"), str(path))
    return found


def in_package(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def imported(tree: ast.AST) -> Iterator[str]:
    """What a module imports, as dotted names: `from a import b` is `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(tree: ast.AST) -> Iterator[str]:
    """The modules of llmdoctor that a module imports."""
    for name in imported(tree):
        if in_package(name, "llmdoctor"):
            words = name.split(".")[1:]
            while words and ".".join(words) not in modules():
                words.pop()
            yield ".".join(words) or "__init__"


def floor(module: str) -> int:
    for number, (_, packages) in enumerate(FLOORS.items()):
        if any(in_package(module, package) for package in packages):
            return number
    pytest.fail(f"{module} stands on no floor: write it into FLOORS")


def test_every_module_stands_on_a_floor_and_the_table_names_no_other() -> None:
    for module in modules():
        floor(module)
    for package in itertools.chain.from_iterable(FLOORS.values()):
        assert any(in_package(module, package) for module in modules()), f"{package} is gone"


@pytest.mark.parametrize("module", modules())
def test_imports_point_down(module: str) -> None:
    up = [name for name in own(modules()[module]) if floor(name) > floor(module)]
    assert up == []


def test_no_module_needs_itself_to_be_imported() -> None:
    """A cycle of imports works in one order and breaks in another."""
    needs = {
        name: {
            target
            for node in tree.body
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for target in own(ast.Module([node], []))
            if target != name and not in_package(name, target)
        }
        for name, tree in modules().items()
    }
    while free := [name for name, targets in needs.items() if not targets & needs.keys()]:
        for name in free:
            del needs[name]
    assert needs == {}, "these import each other"


@pytest.mark.parametrize("module", [name for name in modules() if not in_package(name, "inside")])
def test_the_outside_is_behind_the_door(module: str) -> None:
    if in_package(module, "system"):
        return
    outside = {
        name
        for name in imported(modules()[module])
        if name == "pathlib.Path" or any(in_package(name, package) for package in OUTSIDE)
    }
    assert {name for name in outside if (module, name.removesuffix(".*")) not in ALLOWED} == set()
    tree = modules()[module]
    calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    assert not names & {"open", "print", "input", "exec", "eval", "__import__"}


def test_every_exception_is_still_needed() -> None:
    for module, name in ALLOWED:
        assert name in set(imported(modules()[module])), f"{module} no longer imports {name}"


@pytest.mark.parametrize("module", [name for name in modules() if not in_package(name, "inside")])
def test_the_doctor_imports_nothing_of_the_patient(module: str) -> None:
    names = imported(modules()[module])
    assert [n for n in names if any(in_package(n, package) for package in PATIENT)] == []


@pytest.mark.parametrize("module", [name for name in modules() if in_package(name, "inside")])
def test_what_runs_in_the_patient_imports_nothing_of_the_doctor(module: str) -> None:
    assert list(own(modules()[module])) == []


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_a_module_can_be_read_at_a_sitting(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def undocumented(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None:
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize("module", modules())
def test_what_is_public_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(modules()[module])
    missing = list(undocumented(modules()[module].body))
    if module == "system.local":  # documented once, at the protocol in `system`
        missing = [name for name in missing if not name.startswith("Local.")]
    assert missing == []
