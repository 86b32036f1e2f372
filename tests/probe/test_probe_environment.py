"""The patient from outside: real environments, the ways in which they break, and foreign ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from llmdoctor.machine import Environment, Note
from llmdoctor.probe.environment import read_environment
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.interpreter import parse_answer
from llmdoctor.probe.locate import Place
from llmdoctor.system.local import Local
from probe.described import Described, dist_info, door, torch_files
from support import venvs

MINOR = "{}.{}".format(*sys.version_info[:2])


def read(
    path: Path, *, executable: str | None = None, notes: list[Note] | None = None
) -> Environment:
    guard = Guard("environment", [] if notes is None else notes)
    return read_environment(Local(), Place(str(path), executable), guard)


def described(machine: Described, path: str, executable: str | None = None) -> Environment:
    notes: list[Note] = []
    found = read_environment(door(machine), Place(path, executable), Guard("environment", notes))
    assert notes == []
    return found


def with_torch(env: Path) -> Path:
    """An installed fake torch; gives its folder."""
    return venvs.install_fake_torch(env, "2.9.1", "12.6").parent / "torch"


def test_healthy_venv_is_read_without_starting_its_python(env: Path) -> None:
    (env / "bin" / "python").unlink()  # a python that would fail if it were started
    (env / "bin" / "python").write_text("#!/bin/false\n")
    found = read(env)
    assert (found.kind, found.problem) == ("venv", None)
    assert found.version == "{}.{}.{}".format(*sys.version_info[:3])
    assert found.site_packages == (str(venvs.site_packages(env)),)
    assert found.base is not None
    assert found.packages == ()
    assert found.torch is None


def test_nothing_and_an_empty_folder_are_missing_and_other_folders_are_broken(
    tmp_path: Path,
) -> None:
    assert read(tmp_path / "no").kind == "missing"
    assert read(tmp_path).kind == "missing"
    (tmp_path / "photo.jpg").touch()
    assert (read(tmp_path).problem or "").startswith("not a Python environment")
    assert (read(tmp_path / "photo.jpg").problem or "").startswith("not a Python environment")


def test_vanished_base_interpreter_is_named(env: Path) -> None:
    gone = venvs.vanish_base(env)
    found = read(env)
    assert found.kind == "broken"
    assert str(gone) in (found.problem or "")
    assert found.site_packages, "what is installed can still be told"


def test_missing_pyvenv_cfg_is_broken_and_not_taken_for_its_base(env: Path) -> None:
    venvs.remove_cfg(env)
    found = read(env)
    assert (found.kind, found.path) == ("broken", str(env))
    assert "pyvenv.cfg is missing" in (found.problem or "")


def test_garbled_pyvenv_cfg_is_broken(env: Path) -> None:
    venvs.garble_cfg(env)
    found = read(env)
    assert found.kind == "broken"
    assert "home" in (found.problem or "")
    assert (found.version or "").startswith(MINOR)


def test_base_that_became_another_minor_is_broken(env: Path) -> None:
    (env / "lib" / f"python{MINOR}").rename(env / "lib" / "python3.1")
    assert "its packages are in lib/python3.1" in (read(env).problem or "")


def test_moved_environment_works_and_says_where_its_scripts_point(env: Path) -> None:
    moved = venvs.move_venv(env, env.with_name("moved"))
    found = read(moved)
    assert found.kind == "venv"
    assert str(env) in (found.problem or "")


def test_interpreter_named_by_the_user_is_started_for_proof(env: Path) -> None:
    python = str(venvs.python_of(env))
    assert read(env, executable=python).kind == "venv"
    Path(python).unlink()
    Path(python).write_text("#!/bin/sh\necho sick >&2\nexit 3\n")
    Path(python).chmod(0o755)
    found = read(env, executable=python)
    assert found.kind == "broken"
    assert "exit code 3: sick" in (found.problem or "")


def test_interpreter_without_an_environment_is_a_system_one() -> None:
    base = str(getattr(sys, "_base_executable", sys.executable))
    found = read(Path(base), executable=base)
    assert found.kind == "system"
    assert found.version == "{}.{}.{}".format(*sys.version_info[:3])
    assert found.site_packages


def test_file_that_is_no_python_is_broken(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho hello\n")
    other.chmod(0o755)
    found = read(other, executable=str(other))
    assert found.kind == "broken"
    assert "not a Python interpreter" in (found.problem or "")
    assert read(tmp_path / "no", executable=str(tmp_path / "no")).kind == "broken"


def test_shim_leads_to_the_environment_of_the_python_that_it_starts(
    env: Path, tmp_path: Path
) -> None:
    shim = tmp_path / "shims" / "python"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {venvs.python_of(env)} "$@"\n')
    shim.chmod(0o755)
    found = read(shim, executable=str(shim))
    assert (found.kind, found.path) == ("venv", str(env))


def test_externally_managed_marker_counts_for_interpreters_only() -> None:
    answer = "3.12.3\n/usr/bin/python3\n/usr\n/usr/lib/python3.12\n/home/ann/.local/x\n/usr/lib/python3/dist-packages\n"
    from llmdoctor.probe.interpreter import _QUESTION

    machine = Described(
        files={
            "/usr/lib/python3.12/EXTERNALLY-MANAGED": "",
            "/usr/lib/python3/dist-packages/x": "",
        },
        answers={f"/usr/bin/python3 -I -S -X utf8 -c {_QUESTION}": answer},
    )
    found = described(machine, "/usr/bin/python3", "/usr/bin/python3")
    assert (found.kind, found.externally_managed) == ("system", True)
    assert found.site_packages == ("/usr/lib/python3/dist-packages",)


def test_conda_environment_is_read_from_conda_meta() -> None:
    site = "/srv/conda/lib/python3.11/site-packages"
    machine = Described(
        files={
            "/srv/conda/conda-meta/python-3.11.9-h955ad1f_0.json": "",
            "/srv/conda/conda-meta/python-dateutil-2.9.0-py311_2.json": "",
            "/srv/conda/bin/python": "",
            **dist_info(site, "numpy", "2.1.0", tag="cp311-cp311-linux_x86_64"),
        }
    )
    found = described(machine, "/srv/conda")
    assert (found.kind, found.version, found.executable) == (
        "conda",
        "3.11.9",
        "/srv/conda/bin/python",
    )
    assert found.package("numpy") is not None


def test_system_site_packages_of_the_base_are_visible_unless_hidden() -> None:
    own, base = "/e/lib/python3.12/site-packages", "/usr/lib/python3/dist-packages"
    machine = Described(
        files={
            "/e/pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.12.3\n",
            "/usr/bin/python3.12": "",
            **dist_info(own, "numpy", "2.1.0", tag="x"),
            **dist_info(base, "numpy", "1.26.4", tag="x"),
            **dist_info(base, "torch", "2.5.0", tag="x"),
        },
        links={"/e/bin/python": "/usr/bin/python3.12"},
    )
    found = described(machine, "/e")
    assert found.system_site_packages
    assert [(p.name, p.version) for p in found.packages] == [("numpy", "2.1.0"), ("torch", "2.5.0")]


def test_lib64_that_is_a_link_is_not_counted_twice() -> None:
    machine = Described(
        files={
            "/e/pyvenv.cfg": "home = /usr/bin\nversion_info = 3.12.3.final.0\n",
            "/e/bin/python": "",
            **dist_info("/e/lib/python3.12/site-packages", "numpy", "2.1.0", tag="x"),
        },
        links={"/e/lib64": "lib"},
    )
    found = described(machine, "/e")
    assert found.site_packages == ("/e/lib/python3.12/site-packages",)
    assert found.version == "3.12.3"


def test_windows_base_that_is_gone_is_broken() -> None:
    machine = Described(
        system="windows",
        house="C:\\Users\\ann",
        here="C:\\p",
        files={
            "C:\\p\\.venv\\pyvenv.cfg": "home = C:\\Python312\nversion = 3.12.7\n",
            "C:\\p\\.venv\\Scripts\\python.exe": "",
        },
    )
    found = described(machine, "C:\\p\\.venv")
    assert found.kind == "broken"
    assert "C:\\Python312\\python.exe" in (found.problem or "")


def test_denied_environment_is_broken_with_a_note_never_missing() -> None:
    notes: list[Note] = []
    machine = Described(files={"/e/pyvenv.cfg": ""}, denied={"/e"})
    found = read_environment(door(machine), Place("/e"), Guard("environment", notes))
    assert (found.kind, found.path) == ("broken", "/e")
    assert [note.status for note in notes] == ["denied"]


def test_torch_build_comes_from_its_version_file(env: Path) -> None:
    with_torch(env)
    found = read(env)
    assert found.torch is not None
    assert (found.torch.version, found.torch.cuda, found.torch.variant) == (
        "2.9.1+cu126",
        "12.6",
        "cu126",
    )
    assert found.torch.problem is None


@pytest.mark.parametrize("gone", ["__init__.py", "version.py", "lib/libtorch_cpu.so", "_C.so"])
def test_torch_with_missing_files_cannot_be_imported(env: Path, gone: str) -> None:
    (with_torch(env) / gone).unlink()
    found = read(env).torch
    assert found is not None
    assert "torch/" + gone.removesuffix(".so") in (found.problem or "")
    assert found.version == "2.9.1+cu126", "the metadata tells it when the file does not"


def test_torch_whose_folder_is_gone_is_broken_and_without_dist_info_absent(env: Path) -> None:
    torch = with_torch(env)
    torch.rename(torch.with_name("elsewhere"))
    found = read(env).torch
    assert found is not None
    assert "torch/" in (found.problem or "")
    venvs.dist_info(env, "torch", "2.9.1+cu126").rename(env / "elsewhere")
    assert read(env).torch is None


def test_torch_for_another_python_is_broken() -> None:
    site = "/e/lib/python3.11/site-packages"
    machine = Described(
        files={
            "/e/pyvenv.cfg": "home = /usr/bin\nversion = 3.11.2\n",
            "/e/bin/python": "",
            **dist_info(site, "torch", "2.9.1", tag="cp312-cp312-linux_x86_64"),
            **torch_files(site, "2.9.1+cu128", "12.8"),
        }
    )
    torch = described(machine, "/e").torch
    assert torch is not None
    assert "built for Python 3.12, not 3.11" in (torch.problem or "")


@pytest.mark.parametrize("name", ["python3.13t", "python3.13"])
def test_a_free_threaded_environment_is_read_and_says_what_it_is(name: str) -> None:
    site = "/e/lib/python3.13t/site-packages"
    machine = Described(
        files={
            "/e/pyvenv.cfg": "home = /opt/py/bin\nversion = 3.13.0\n",
            f"/opt/py/bin/{name}": "",
            **dist_info(site, "idna", "3.10", tag="py3-none-any"),
        },
        links={"/e/bin/python": f"/opt/py/bin/{name}"},
    )
    found = described(machine, "/e")
    assert (found.kind, found.version, found.site_packages) == ("venv", "3.13.0t", (site,))
    assert [package.name for package in found.packages] == ["idna"]


def test_a_conda_environment_may_be_free_threaded() -> None:
    machine = Described(
        files={
            "/e/conda-meta/python-3.13.0-h1_0_cp313t.json": "",
            "/e/bin/python": "",
            **dist_info("/e/lib/python3.13t/site-packages", "idna", "3.10", tag="py3-none-any"),
        },
    )
    found = described(machine, "/e")
    assert (found.version, len(found.packages)) == ("3.13.0t", 1)


def test_an_answer_tells_a_free_threaded_interpreter() -> None:
    lines = ["3.13.0", "/opt/py/bin/python3", "/opt/py", "/opt/py/lib/python3.13t", "/u", "/s"]
    assert parse_answer("\n".join(lines)).version == "3.13.0t"
    lines[3] = "/opt/py/lib/python3.13"
    assert parse_answer("\n".join(lines)).version == "3.13.0"
