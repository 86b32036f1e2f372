"""Manifests and locks, and where a project's environment is."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from llmdoctor.machine import Project
from llmdoctor.probe.locate import Place, Subject, locate
from llmdoctor.probe.project import read_project
from llmdoctor.system.local import Local
from probe.described import Described, door
from support import poetry_projects as poetry

GROUPS = '[dependency-groups]\ndev = ["pytest>=8"]\n'
MANIFESTS = {
    "tool.poetry": poetry.pyproject_text("tool.poetry", dependencies={"torch": ">=2.6"}),
    "tool.poetry with groups": poetry.pyproject_text(
        "tool.poetry", groups={"gpu": {"triton": ">=3"}}
    ),
    "tool.poetry with PEP 735": poetry.pyproject_text("tool.poetry", extra=GROUPS),
    "project": poetry.pyproject_text("project", dependencies={"torch": ">=2.6"}),
    "project with sources": poetry.pyproject_text("project", sources={"pt": "https://x.invalid/s"}),
    "project with PEP 735": poetry.pyproject_text("project", extra=GROUPS),
}


def read(folder: Path) -> Project:
    found = read_project(Local(), str(folder))
    assert found is not None
    return found


@pytest.mark.parametrize("name", MANIFESTS)
def test_hash_of_every_poetry_generation_is_computed(tmp_path: Path, name: str) -> None:
    lock = read(poetry.poetry_project(tmp_path, MANIFESTS[name])).lock
    assert lock is not None
    assert lock.manifest_hashes == {
        "1.x": poetry.content_hash(MANIFESTS[name], poetry="1.8.5"),
        "2.0": poetry.content_hash(MANIFESTS[name], poetry="2.2.1"),
        "2.3": poetry.content_hash(MANIFESTS[name], poetry="2.5.1"),
    }
    assert lock.content_hash == lock.manifest_hashes["2.3"]


def test_lock_says_who_wrote_it_in_which_format(tmp_path: Path) -> None:
    packages = [
        poetry.Locked(
            "torch",
            "2.9.1",
            files=["torch-2.9.1-cp312-cp312-manylinux_2_28_x86_64.whl"],
            markers='sys_platform == "linux" or platform_machine == "x86_64"',
            dependencies={"numpy": "*"},
            source={"type": "legacy", "url": "https://x.invalid", "reference": "pt"},
        )
    ]
    project = read(
        poetry.poetry_project(tmp_path, MANIFESTS["tool.poetry"], packages, poetry="1.8.5")
    )
    lock = project.lock
    assert lock is not None
    assert (lock.tool, lock.generator, lock.lock_version) == ("poetry", "Poetry 1.8.5", "2.0")
    assert (lock.problem, project.problem) == (None, None)
    assert (project.tool, project.requires_python) == ("poetry", ">=3.10")


def test_stale_lock_matches_no_hash(tmp_path: Path) -> None:
    poetry.make_stale(poetry.poetry_project(tmp_path))
    lock = read(tmp_path).lock
    assert lock is not None
    assert lock.content_hash not in lock.manifest_hashes.values()


def test_conflict_markers_are_named_before_toml_is_tried(tmp_path: Path) -> None:
    poetry.add_conflict_markers(poetry.poetry_project(tmp_path))
    lock = read(tmp_path).lock
    assert lock is not None
    assert "conflict markers" in (lock.problem or "")
    assert lock.content_hash is None


def test_damage_in_the_middle_of_a_lock_is_found_with_its_line(tmp_path: Path) -> None:
    packages = [poetry.Locked("six", "1.17.0", files=["six-1.17.0-py2.py3-none-any.whl"])]
    path = poetry.poetry_project(tmp_path, None, packages) / "poetry.lock"
    path.write_text(path.read_text().replace('version = "1.17.0"', 'version = "1.17'))
    lock = read(tmp_path).lock
    assert lock is not None
    assert "line 5" in (lock.problem or "")


def test_lock_that_is_cut_off_is_told(tmp_path: Path) -> None:
    poetry.drop_metadata(poetry.poetry_project(tmp_path))
    lock = read(tmp_path).lock
    assert lock is not None
    assert "[metadata]" in (lock.problem or "")


def test_unusual_but_valid_lock_is_no_problem(tmp_path: Path) -> None:
    path = poetry.poetry_project(tmp_path) / "poetry.lock"
    path.write_text(path.read_text().replace("package = []", "package = [\n\n'''x'''   ,\n]"))
    lock = read(tmp_path).lock
    assert lock is not None
    assert lock.problem is None


def test_broken_manifest_is_a_problem_with_its_line_and_the_lock_is_still_read(
    tmp_path: Path,
) -> None:
    poetry.poetry_project(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x\n')
    found = read(tmp_path)
    assert "line 2" in (found.problem or "")
    assert found.lock is not None
    assert found.lock.manifest_hashes == {}
    assert found.lock.lock_version == "2.1"


def test_manifest_that_poetry_cannot_hash_is_a_problem(tmp_path: Path) -> None:
    text = MANIFESTS["project"].replace(
        "package-mode = false", "dependencies = {x = 2020-01-01}\npackage-mode = false"
    )
    poetry.poetry_project(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    assert "cannot be hashed" in (read(tmp_path).problem or "")


def test_uv_lock_gives_version_and_revision(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1"\n')
    (tmp_path / "uv.lock").write_text(
        'version = 1\nrevision = 3\nrequires-python = ">=3.10"\n\n[[package]]\nname = "x"\n'
        'version = "1"\nsource = { virtual = "." }\nwheels = [\n    { url = "a", size = 1 },\n]\n'
    )
    found = read(tmp_path)
    assert found.tool == "uv"
    assert found.lock is not None
    assert (found.lock.tool, found.lock.lock_version, found.lock.problem) == ("uv", "1.3", None)


def test_tool_is_told_by_lock_and_table(tmp_path: Path) -> None:
    assert read_project(Local(), str(tmp_path)) is None
    (tmp_path / "requirements.txt").touch()
    assert read(tmp_path).manifest == "requirements.txt"
    (tmp_path / "pyproject.toml").write_text("[tool.uv]\n")
    assert read(tmp_path).tool == "uv"
    (tmp_path / "poetry.lock").write_text("")
    assert read(tmp_path).tool == "poetry"
    (tmp_path / "uv.lock").write_text("")
    assert read(tmp_path).tool == "uv", "with two locks the manifest's own table decides"


@pytest.mark.parametrize(
    ("use", "limited"),
    [
        ('{ version = ">=2.6", source = "pt" }', False),
        ('{ version = ">=2.6", source = "PT", markers = "sys_platform == \'linux\'" }', True),
        ('{ version = ">=2.6", source = "pt", platform = "linux" }', True),
        ('[{ version = "2.6", source = "pt", platform = "linux" }, { version = "2.6" }]', True),
        ('">=2.6"', False),
    ],
)
def test_markers_say_for_which_platforms_poetry_takes_the_pytorch_index(
    tmp_path: Path, use: str, limited: bool
) -> None:
    text = poetry.pyproject_text(
        "tool.poetry", sources={"pt": "https://download.pytorch.org/whl/cu126"}
    )
    head, tail = text.split("[[tool.poetry.source]]")
    (tmp_path / "pyproject.toml").write_text(f"{head}torch = {use}\n[[tool.poetry.source]]{tail}")
    (place,) = read(tmp_path).torch_places
    assert (place.explicit, place.limited) == (True, limited)


# --- where the environment is ---------------------------------------------------------------

HOME = "/home/ann"
PROJECT = f"{HOME}/project"
DIGEST = base64.urlsafe_b64encode(hashlib.sha256(PROJECT.encode()).digest()).decode()[:8]
VIRTUALENVS = f"{HOME}/.cache/pypoetry/virtualenvs"
POETRY = Project(PROJECT, "pyproject.toml", "poetry")


def place(machine: Described, project: Project | None = POETRY, **subject: str) -> str:
    return locate(door(machine), Subject(project=PROJECT, **subject), project).path


def test_env_option_comes_first_and_is_relative_to_the_working_folder() -> None:
    machine = Described(files={f"{PROJECT}/.venv/pyvenv.cfg": ""})
    assert place(machine, environment="other") == f"{PROJECT}/other"
    assert place(machine, environment="~/llm") == f"{HOME}/llm"


def test_python_option_leads_to_its_environment_without_following_the_link() -> None:
    machine = Described(
        files={"/e/pyvenv.cfg": "", "/usr/bin/python3.12": ""},
        links={"/e/bin/python": "/usr/bin/python3.12"},
        programs={"python3.12": "/usr/bin/python3.12"},
    )
    subject = Subject(python="/e/bin/python")
    assert locate(door(machine), subject, None) == Place("/e", "/e/bin/python")
    assert locate(door(machine), Subject(python="python3.12"), None) == Place(
        "/usr/bin/python3.12", "/usr/bin/python3.12"
    )
    assert locate(door(machine), Subject(python="python9"), None) == Place("python9", "python9")


def test_projects_own_environment_comes_before_the_activated_one() -> None:
    environ = {"VIRTUAL_ENV": "/activated", "CONDA_PREFIX": "/conda"}
    assert place(Described(environ=environ), None) == "/activated"
    machine = Described(files={f"{PROJECT}/.venv/pyvenv.cfg": ""}, environ=environ)
    assert place(machine, None) == f"{PROJECT}/.venv"
    assert place(Described(), None) == f"{PROJECT}/.venv"
    assert place(Described(environ={"CONDA_PREFIX": "/conda"}), None) == "/conda"


def test_poetrys_own_folder_is_found_by_the_hash_of_the_project() -> None:
    files = {
        f"{VIRTUALENVS}/demo-{DIGEST}-py3.9/pyvenv.cfg": "",
        f"{VIRTUALENVS}/demo-{DIGEST}-py3.12/pyvenv.cfg": "",
        f"{VIRTUALENVS}/other-AAAAAAAA-py3.13/pyvenv.cfg": "",
        f"{VIRTUALENVS}/non-package-mode-{DIGEST}-py3.13/pyvenv.cfg": "",
    }
    assert place(Described(files=files)) == f"{VIRTUALENVS}/demo-{DIGEST}-py3.12"
    chosen = {
        **files,
        f"{VIRTUALENVS}/envs.toml": f'[demo-{DIGEST}]\nminor = "3.9"\npatch = "3.9.1"\n',
    }
    assert place(Described(files=chosen)) == f"{VIRTUALENVS}/demo-{DIGEST}-py3.9"


def test_poetrys_settings_decide_between_dot_venv_and_its_own_folder() -> None:
    own = f"{VIRTUALENVS}/demo-{DIGEST}-py3.12"
    files = {f"{own}/pyvenv.cfg": "", f"{PROJECT}/.venv/pyvenv.cfg": ""}
    assert place(Described(files=files)) == f"{PROJECT}/.venv"
    off = {f"{HOME}/.config/pypoetry/config.toml": "[virtualenvs]\nin-project = false\n"}
    assert place(Described(files={**files, **off})) == own
    on = {f"{PROJECT}/poetry.toml": "[virtualenvs]\nin-project = true\n"}
    assert place(Described(files={f"{own}/pyvenv.cfg": "", **off, **on})) == f"{PROJECT}/.venv"
    environ = {"POETRY_VIRTUALENVS_IN_PROJECT": "false"}
    assert place(Described(files={**files, **on}, environ=environ)) == own


def test_poetrys_folder_can_be_moved_by_settings() -> None:
    files = {f"/big/venvs/demo-{DIGEST}-py3.12/pyvenv.cfg": ""}
    config = {
        f"{PROJECT}/poetry.toml": 'cache-dir = "/big"\n[virtualenvs]\npath = "{cache-dir}/venvs"\n'
    }
    assert place(Described(files={**files, **config})) == f"/big/venvs/demo-{DIGEST}-py3.12"
    environ = {"POETRY_VIRTUALENVS_PATH": "/big/venvs"}
    assert place(Described(files=files, environ=environ)) == f"/big/venvs/demo-{DIGEST}-py3.12"
