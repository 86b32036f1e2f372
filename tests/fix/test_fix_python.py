"""An environment whose Python the project does not allow is made anew with one that it does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from cli.runs import Desk
from support import venvs
from support.index import LoopbackIndex
from support.poetry_projects import poetry_project, pyproject_text
from support.tree import assert_same_tree, snapshot
from support.wheels import build_wheel, fake_torch, torch_modules

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX environments are repaired")
HERE = "{}.{}".format(*sys.version_info[:2])
OTHER = next((m for m in ("3.12", "3.13", "3.10") if m != HERE and venvs.find_python(m)), None)
NOT_HERE = "3.13" if HERE != "3.13" else "3.12"
needs_another = pytest.mark.skipif(OTHER is None, reason="there is one Python here")
BACKEND = """\
import zipfile
def get_requires_for_build_editable(settings=None): return []
def build_editable(folder, settings=None, metadata=None):
    name = "mine-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("mine.pth", __file__.rpartition("/")[0])
        info = "mine-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "".join(f"{n},,\\n" for n in wheel.namelist()))
    return name
"""
MANIFEST = """\
[project]
name = "mine"
version = "1.0"
requires-python = "==WANTED.*"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


@pytest.fixture
def served(desk: Desk, loopback_index: LoopbackIndex, tmp_path: Path) -> Desk:
    """A project for another Python than its environment has, with attrs 1.0; 2.0 is out."""
    wheels = [build_wheel(tmp_path, "attrs", version) for version in ("1.0", "2.0")]
    wheels.append(build_wheel(tmp_path, "extra", "1.0", tag=f"cp{HERE.replace('.', '')}-none-any"))
    desk.environ["PIP_INDEX_URL"] = loopback_index.add("simple", *wheels)
    if OTHER is not None:
        found = desk.folder / "bin"
        found.mkdir()
        (found / f"python{OTHER}").symlink_to(venvs.find_python(OTHER) or "")
        desk.environ["PATH"] = f"{found}:{desk.environ['PATH']}"
    loopback_index.add("whl/cpu", fake_torch(tmp_path, "2.9.1", None))
    desk.environ["LLMDOCTOR_TORCH_INDEX"] = loopback_index.url("whl")
    env = desk.environment()
    venvs.install_fake_dist(env, "attrs", "1.0")
    torch = torch_modules("2.9.1+cpu", None)
    venvs.install_fake_dist(env, "torch", "2.9.1", local_tag="cpu", files=torch)
    (desk.project / "pyproject.toml").write_text(MANIFEST.replace("WANTED", OTHER or "3.99"))
    return desk


def out_of(env: Path, code: str) -> str:
    argv = [str(venvs.python_of(env)), "-I", "-B", "-c", code]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@needs_another
def test_the_same_packages_with_a_python_that_the_project_allows(served: Desk) -> None:
    (served.project / "backend.py").write_text(BACKEND)
    (served.project / "mine.py").write_text("")
    env, manifest = served.project / ".venv", served.project / "pyproject.toml"
    mirror = served.environ.pop("LLMDOCTOR_TORCH_INDEX")
    wanted = f'{manifest.read_text()}[tool.llmdoctor.mirrors]\ntorch-index = "{mirror}"\n'
    manifest.write_text(MANIFEST.replace("WANTED", HERE))
    argv = [find_uv_bin(), "pip", "install", "--quiet", "--python", str(env), "-e", "."]
    subprocess.run(argv, cwd=served.project, env=served.environ, check=True)
    manifest.write_text(wanted)
    venvs.leave_dangling(env, "tqdm", "4.67")  # goes with the old environment, and waits for that
    before = snapshot(served.project)
    there = ["--project", str(served.project)]
    (found,) = served.json("check", "--select", "PROJ002", *there, code=1)["findings"]
    ((program, *command),) = found["remedy"]["commands"]
    place = ["--env", str(env), *there]
    assert [program, *command] == ["llmdoctor", "fix", "--select", "PROJ002", *place]
    words = (*command, "--select", "PKG008", "--yes")
    done = served.json(*words, code=0)
    assert done["outcome"] == "kept", done
    safety = {item["code"]: item["safety"] for item in done["repairs"]}
    assert safety == {"PROJ002": "ask", "PKG008": "manual"}
    waits = next(item for item in done["repairs"] if item["safety"] == "manual")
    assert waits["commands"] == [["llmdoctor", "fix", *place]]
    code = (
        "import sys, attrs, mine, torch; from importlib.metadata import version as v; "
        "print('%d.%d' % sys.version_info[:2], attrs.__version__, v('torch'))"
    )
    assert out_of(env, code) == f"{OTHER} 1.0 2.9.1+cpu"
    assert served.json("check", "--select", "PROJ", code=0)["findings"] == []
    assert served.json(*words, code=0)["outcome"] == "nothing to repair"
    served.run("undo", "--yes")
    assert_same_tree(before, snapshot(served.project))


@needs_another
@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ("a package for this Python alone", "extra"),
        ("base packages", "its base's"),
        ("no such build of torch", "torch 2.9.1+cu126 is not to be had"),
        ("no index is asked", "the PyTorch index was not asked"),
    ],
)
def test_what_would_not_come_back_is_left_with_the_reason(
    served: Desk, trouble: str, why: str
) -> None:
    env = served.project / ".venv"
    if trouble == "base packages":
        venvs.set_cfg(env, "include-system-site-packages", "true")
    elif trouble == "no index is asked":
        served.environ["PIP_NO_INDEX"] = "1"
    elif trouble == "no such build of torch":
        (info,) = venvs.site_packages(env).glob("torch-*.dist-info")
        shutil.rmtree(info)
        venvs.install_fake_dist(env, "torch", "2.9.1", local_tag="cu126", files={})
    else:
        venvs.install_fake_dist(env, "extra", "1.0")
    before = snapshot(served.project)
    told = served.json("fix", "--select", "PROJ002", "--yes", code=1)
    (left,) = told["repairs"]
    assert (left["safety"], told["steps"]) == ("manual", [])
    assert why in left["details"][0]
    if trouble == "no such build of torch":
        assert f"{served.environ['LLMDOCTOR_TORCH_INDEX']}cu126" in left["details"][0]
    ((*words, python, place),) = left["commands"]
    assert (words, place) == (["uv", "venv", "--python"], str(env))
    assert python.endswith(f"python{OTHER}")
    assert_same_tree(before, snapshot(served.project))


@needs_another
def test_an_environment_outside_the_project_is_left_to_poetry(served: Desk) -> None:
    text = pyproject_text("tool.poetry", python=f"~{OTHER}")
    poetry_project(served.project, text)
    env = (served.project / ".venv").rename(served.folder / "elsewhere")
    before = snapshot(env)
    (left,) = served.json("fix", "--select", "PROJ002", "--env", str(env), code=1)["repairs"]
    use, install = left["commands"]
    assert use[:3] == ["poetry", "env", "use"]
    assert use[3].endswith(f"python{OTHER}")
    assert install == ["poetry", "install"]
    assert_same_tree(before, snapshot(env))


@pytest.mark.parametrize("wanted", [NOT_HERE, "3.98"])
def test_without_such_a_python_the_command_that_brings_one_is_told(
    served: Desk, wanted: str
) -> None:
    served.environ |= {"PATH": "/nowhere", "PYENV_ROOT": "/nowhere"}
    (served.project / "pyproject.toml").write_text(MANIFEST.replace("WANTED", wanted))
    (left,) = served.json("fix", "--select", "PROJ002", "--yes", code=1)["repairs"]
    known = ["uv", "python", "install", wanted]
    assert left["commands"] == [known if wanted == NOT_HERE else ["uv", "python", "list"]]


@needs_another
def test_an_environment_of_conda_is_left_to_conda(served: Desk) -> None:
    env = served.project / ".venv"
    (env / "pyvenv.cfg").unlink()
    (env / "conda-meta").mkdir()
    (env / "conda-meta" / f"python-{HERE}.0-h1.json").write_text("{}")
    (left,) = served.json("fix", "--select", "PROJ002", "--yes", code=1)["repairs"]
    beside, python = f"{env}-{OTHER}", f"python={OTHER}"
    assert left["commands"] == [["conda", "create", "--prefix", beside, python]]
