"""LOCK002 beside the verdict of real Poetrys, on manifests and locks that nobody thought of.

Each Poetry is started once and asked for its own answer: `poetry check --lock` would start it anew
for every example.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from checks.judging import judge
from fix.poetries import POETRIES
from llmdoctor.machine import Machine, Tool
from llmdoctor.probe.project import read_project
from llmdoctor.system.local import Local
from support.poetry_projects import content_hash, lock_text, pyproject_text

GENERATORS = ["1.8.5", "2.0.1", "2.2.1", "2.3.4", "2.5.1"]
ANSWERS = """\
import json, pathlib, sys
from poetry.factory import Factory
for line in sys.stdin:
    try:
        answer = bool(Factory().create_poetry(pathlib.Path(line.strip())).locker.is_fresh())
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    print(json.dumps(answer), flush=True)
"""
NAMES = st.sampled_from(["torch", "numpy", "Typing_Extensions"])
TABLES = st.dictionaries(NAMES, st.sampled_from([">=1", ">=2,<3", "==1.0"]), max_size=2)
STYLES: tuple[Literal["tool.poetry", "project"], ...] = ("tool.poetry", "project")
EXTRA = st.sampled_from(
    [
        "",
        '[dependency-groups]\ndev = ["pytest>=8"]\n',
        '[dependency-groups]\ndev = ["pytest>=8", {include-group = "lint"}]\nlint = ["ruff"]\n',
        "[dependency-groups]\n",
        '[tool.poetry.group.docs]\noptional = true\n\n[tool.poetry.group.docs.dependencies]\nx = "*"\n',
        '[tool.poetry.extras]\ngpu = ["torch"]\n',
        "[tool.other]\nkey = 1\n",
    ]
)
MANIFESTS = st.builds(
    pyproject_text,
    st.sampled_from(STYLES),
    dependencies=TABLES,
    groups=st.dictionaries(st.sampled_from(["dev", "gpu"]), TABLES, max_size=1),
    sources=st.sampled_from([{}, {}, {"pt": "https://download.pytorch.org/whl/cu126"}]),
    python=st.sampled_from([">=3.10", ">=3.10,<3.13"]),
    extra=EXTRA,
)


@pytest.fixture(scope="module", params=POETRIES, ids=lambda path: path.parent.parent.name)
def asked(request: pytest.FixtureRequest) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A Poetry's version, and the program that answers in its place."""
    program: Path = request.param
    python = program.parent / "python"
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True)
    with subprocess.Popen(
        [str(python), "-c", ANSWERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        yield said.stdout.split()[-1].rstrip(")"), child
        assert child.stdin is not None
        child.stdin.close()


def poetrys_answer(child: subprocess.Popen[str], folder: str) -> Any:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{folder}\n")
    child.stdin.flush()
    return json.loads(child.stdout.readline())


@pytest.mark.skipif(not POETRIES, reason="LLMDOCTOR_TEST_POETRY names no Poetry")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    manifest=MANIFESTS,
    other=MANIFESTS,
    same=st.booleans(),
    generator=st.sampled_from(GENERATORS),
    rule=st.none() | st.sampled_from(GENERATORS),
)
def test_the_verdict_on_a_lock_is_poetrys_own(
    asked: tuple[str, subprocess.Popen[str]],
    manifest: str,
    other: str,
    same: bool,
    generator: str,
    rule: str | None,
) -> None:
    version, child = asked
    locked = manifest if same else other
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text(manifest)
        digest = content_hash(locked, poetry=rule or generator)
        text = lock_text(locked, poetry=generator, hash_=digest)
        (Path(folder) / "poetry.lock").write_text(text)
        answer = poetrys_answer(child, folder)
        assume(isinstance(answer, bool))  # else Poetry refuses the manifest itself
        project = read_project(Local(), folder)
        machine = Machine(project=project, tools=(Tool("poetry", "/bin/poetry", version),))
        assert judge("LOCK002", machine).outcome == ("pass" if answer else "fail")
