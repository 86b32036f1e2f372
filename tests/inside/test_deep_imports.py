"""`check --deep` from inside: a package that raises, dies, hangs or chatters hides no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inside.deep_looks import TORCH, install, look, outcomes
from llmdoctor import wire
from llmdoctor.deep import MODULES, Deep, Import
from llmdoctor.probe.deep import PROGRAM
from support.tree import assert_same_tree, snapshot
from support.venvs import (
    find_python,
    install_fake_dist,
    make_venv,
    python_of,
    set_cfg,
    site_packages,
)

CRASH = "import ctypes; ctypes.string_at(0)"


@pytest.fixture
def env(tmp_path: Path) -> Path:
    return make_venv(tmp_path / "env")


def one(deep: Deep, module: str) -> Import:
    found = deep.imported(module)
    assert found is not None
    return found


def test_every_package_that_is_there_is_imported_with_its_version_and_file(env: Path) -> None:
    install(env, "torch", TORCH, "2.9.1+cu126")
    install(env, "numpy", "")
    told: list[str] = []
    deep = look(env, told=told)
    assert outcomes(deep) == {"torch": "ok", "numpy": "ok"}
    torch = one(deep, "torch")
    assert (torch.version, torch.origin) == ("2.9.1+cu126", "environment")
    assert torch.path == str(site_packages(env) / "torch" / "__init__.py")
    assert deep.problem is None
    assert told[:3] == ["importing torch", "importing numpy", "starting torch's CUDA"]


def test_an_environment_without_torch_says_so_and_the_rest_is_imported(env: Path) -> None:
    install(env, "numpy", "")
    install(env, "peft", "import torch")
    deep = look(env)
    assert outcomes(deep) == {"torch": "missing", "numpy": "ok"}
    assert deep.cuda is None


def test_an_import_that_raises_gives_its_class_its_text_and_the_last_files(env: Path) -> None:
    symbol = "flash_attn_2_cuda.so: undefined symbol: _ZN3c104cuda9SetDeviceEi"
    install(env, "torch", TORCH)
    path = install(env, "flash-attn", "from .inner import work")
    (path.parent / "inner.py").write_text(f"\nraise ImportError({symbol!r})\n")
    install(env, "peft", "")
    deep = look(env)
    assert outcomes(deep) == {"torch": "ok", "peft": "ok", "flash_attn": "broken"}
    broken = one(deep, "flash_attn")
    assert broken.error == f"ImportError: {symbol}"
    assert broken.frames == ("__init__.py:2", "inner.py:2")
    assert broken.path == str(path)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ("class Odd(BaseException): pass\nraise Odd('x')", "Odd: x"),
        ("def (", "SyntaxError: invalid syntax"),
        ("import no_such_thing", "ModuleNotFoundError: No module named 'no_such_thing'"),
    ],
)
def test_whatever_an_import_raises_is_its_result(source: str, error: str, env: Path) -> None:
    install(env, "torch", TORCH)
    install(env, "accelerate", source)
    install(env, "peft", "")
    deep = look(env)
    assert outcomes(deep) == {"torch": "ok", "accelerate": "broken", "peft": "ok"}
    assert (one(deep, "accelerate").error or "").startswith(error)


@pytest.mark.parametrize(
    "source",
    [
        "def __getattr__(name): raise RuntimeError(name)\ndel __file__, __path__, __spec__",
        "__file__ = 3\n__version__ = [1]",
        "class Odd:\n def __str__(self): raise ValueError('no')\n__version__ = __file__ = Odd()",
    ],
)
def test_a_module_that_says_odd_things_of_itself_hides_no_other(source: str, env: Path) -> None:
    install(env, "torch", TORCH)
    install(env, "accelerate", source)
    install(env, "peft", "")
    assert outcomes(look(env)) == {"torch": "ok", "accelerate": "ok", "peft": "ok"}


def test_a_recorded_package_whose_files_are_gone_is_missing(env: Path) -> None:
    install(env, "torch", TORCH)
    install_fake_dist(env, "transformers", "5.0.0", files={"leftover.txt": ""})
    assert outcomes(look(env)) == {"torch": "ok", "transformers": "missing"}


@pytest.mark.parametrize(
    ("death", "said"),
    [
        (CRASH, "killed by signal 11"),
        ("import os; os.abort()", "killed by signal 6"),
        ("import os; os._exit(3)", "exit code 3"),
    ],
)
def test_an_import_that_kills_python_hides_no_other(death: str, said: str, env: Path) -> None:
    install(env, "torch", TORCH)
    install(env, "numpy", "")
    install(env, "accelerate", f"print('here I am', flush=True)\n{death}")
    install(env, "peft", "import torch")
    deep = look(env)
    wanted = {"torch": "ok", "numpy": "ok", "accelerate": "crash", "peft": "ok"}
    assert outcomes(deep) == wanted
    crashed = one(deep, "accelerate")
    assert crashed.error == said
    assert "here I am" in (crashed.said or "")
    assert deep.cuda is not None, "CUDA is started in the fresh process"


def test_a_crash_shows_where_it_was(env: Path) -> None:
    install(env, "torch", TORCH)
    install(env, "peft", CRASH)
    said = one(look(env), "peft").said or ""
    assert "Fatal Python error: Segmentation fault" in said
    assert "peft" in said


def test_an_import_that_hangs_is_ended_and_hides_no_other(env: Path) -> None:
    install(env, "torch", TORCH)
    install(env, "accelerate", "import time\ntime.sleep(120)")
    install(env, "peft", "")
    deep = look(env, limit=2.0)
    assert outcomes(deep) == {"torch": "ok", "accelerate": "timeout", "peft": "ok"}
    hung = one(deep, "accelerate")
    assert hung.error == "took longer than 2 s"
    assert "accelerate" in (hung.said or ""), "the place where it stood"


@pytest.mark.parametrize(
    ("source", "outcome"),
    [("raise ImportError('no libcudart')", "broken"), (CRASH, "crash")],
)
def test_what_builds_on_a_torch_that_fails_is_not_tried(
    source: str, outcome: str, env: Path
) -> None:
    install(env, "torch", source)
    install(env, "peft", "import torch")
    install(env, "transformers", "")
    deep = look(env)
    assert outcomes(deep) == {"torch": outcome, "transformers": "ok"}
    assert deep.cuda is None


def test_every_import_may_kill_its_process(env: Path) -> None:
    for name in ("torch", "numpy", "transformers", "peft"):
        install(env, name, CRASH)
    wanted = {"torch": "crash", "numpy": "crash", "transformers": "crash"}
    assert outcomes(look(env)) == wanted


def test_what_is_printed_and_warned_belongs_to_its_import(env: Path) -> None:
    noise = """
        import sys, warnings
        print('{"type": "import", "module": "peft"}')
        sys.stderr.write("half a line")
        warnings.warn("it is old")
    """
    install(env, "torch", TORCH)
    install(env, "accelerate", noise)
    install(env, "peft", "import os; os.write(1, b'from C')")
    deep = look(env)
    loud = one(deep, "accelerate")
    assert loud.warnings == ("UserWarning: it is old",)
    assert "half a line" in (loud.said or "")
    assert '"module": "peft"' in (loud.said or "")
    assert one(deep, "peft").said == "from C"
    assert one(deep, "torch").said is None
    assert set(outcomes(deep).values()) == {"ok"}


def test_python_path_counts_as_in_the_users_shell(env: Path, tmp_path: Path) -> None:
    install(env, "torch", TORCH, "2.9.1+cu126")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "torch.py").write_text("__version__ = 'mine'\n")
    torch = one(look(env, variables={"PYTHONPATH": str(tmp_path / "mine")}), "torch")
    assert (torch.version, torch.origin) == ("mine", "PYTHONPATH")
    assert torch.path == str(tmp_path / "mine" / "torch.py")


def test_a_python_path_that_shadows_the_standard_library_breaks_no_look(
    env: Path, tmp_path: Path
) -> None:
    install(env, "torch", TORCH)
    (tmp_path / "mine").mkdir()
    for name in ("json", "argparse", "traceback", "warnings"):
        (tmp_path / "mine" / f"{name}.py").write_text("raise ImportError('shadowed')\n")
    assert outcomes(look(env, variables={"PYTHONPATH": str(tmp_path / "mine")})) == {"torch": "ok"}


@pytest.mark.parametrize(("reads", "origin"), [("true", "user site"), ("false", "environment")])
def test_the_users_own_packages_count_where_the_environment_reads_them(
    reads: str, origin: str, env: Path, tmp_path: Path
) -> None:
    """A venv with system packages takes what it lacks from there; its own come first."""
    set_cfg(env, "include-system-site-packages", reads)
    install(env, "torch", TORCH)
    minor = "{}.{}".format(*sys.version_info[:2])
    user = tmp_path / "userbase" / "lib" / f"python{minor}" / "site-packages"
    for name in ("numpy", "torch"):
        (user / name).mkdir(parents=True)
        (user / name / "__init__.py").write_text("__version__ = 'user'\n")
    if reads == "false":
        install(env, "numpy", "")
    else:
        install_fake_dist(env, "numpy", "1.0", files={"leftover.txt": ""})
    deep = look(env, variables={"PYTHONUSERBASE": str(tmp_path / "userbase")})
    assert one(deep, "numpy").origin == origin
    assert one(deep, "torch").origin == "environment"


def test_a_file_of_the_project_that_hides_a_package_is_named_and_never_run(
    env: Path, tmp_path: Path
) -> None:
    install(env, "torch", TORCH)
    install(env, "peft", "")
    project = tmp_path / "project"
    (project / "peft").mkdir(parents=True)
    (project / "torch.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (project / "peft" / "__init__.py").write_text("")
    (project / "hqq.py").write_text("")  # no package of that name is installed: it hides nothing
    deep = look(env, project=project)
    assert deep.beside == (str(project / "torch.py"), str(project / "peft" / "__init__.py"))
    assert not (tmp_path / "ran").exists()
    assert outcomes(deep)["torch"] == "ok"


def test_nothing_is_left_in_the_environment_the_home_or_the_project(
    env: Path, tmp_path: Path
) -> None:
    """Libraries cache beside themselves, in the home and in the temporary folder."""
    litter = """
        import os, pathlib, tempfile
        for name in ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "HF_HOME", "XDG_CACHE_HOME"):
            (pathlib.Path(os.environ[name]) / name).mkdir()
        tempfile.mkdtemp()
        assert os.environ["HF_HUB_OFFLINE"] == "1"
        from . import inner
    """
    install(env, "torch", TORCH)
    path = install(env, "peft", litter)
    (path.parent / "inner.py").write_text("")
    before = snapshot(tmp_path, mtime=True)
    assert outcomes(look(env)) == {"torch": "ok", "peft": "ok"}
    assert_same_tree(before, snapshot(tmp_path, mtime=True))


def test_an_interpreter_that_ends_at_its_start_is_a_problem(env: Path) -> None:
    install(env, "torch", TORCH)
    (site_packages(env) / "sitecustomize.py").write_text(
        "import os, sys\nsys.stderr.write('no entry\\n')\nos._exit(7)\n"
    )
    deep = look(env)
    assert deep.problem == "it ended before its first step: exit code 7: no entry"
    assert deep.imports == ()


def test_an_interpreter_that_cannot_be_run_is_a_problem(env: Path) -> None:
    python_of(env).unlink()
    python_of(env).write_text("no program")
    deep = look(env)
    assert deep.imports == ()
    assert deep.problem is not None


def test_a_missing_environment_is_a_problem(tmp_path: Path) -> None:
    assert look(tmp_path / "none").problem == "the environment is missing"


@pytest.mark.parametrize("minor", ["3.9", "3.10", "3.12", "3.13"])
def test_every_python_from_3_9_on_can_be_looked_at(minor: str, tmp_path: Path) -> None:
    python = find_python(minor)
    if python is None:
        pytest.skip(f"no Python {minor} here")
    env = make_venv(tmp_path / "env", python)
    install(env, "torch", TORCH)
    install(env, "peft", "raise ImportError('gone')")
    install(env, "accelerate", CRASH)
    deep = look(env)
    assert outcomes(deep) == {"torch": "ok", "accelerate": "crash", "peft": "broken"}
    assert deep.cuda is not None
    assert [gpu.outcome for gpu in deep.devices] == ["ok"] * 3


def test_a_look_survives_json(env: Path) -> None:
    install(env, "torch", TORCH)
    install(env, "peft", "raise ImportError('gone')")
    deep = look(env)
    assert wire.load(Deep, wire.dump(deep)) == deep


def test_modules_come_after_what_they_need() -> None:
    assert MODULES[0].name == "torch"
    assert len({module.name for module in MODULES}) == len(MODULES)
    assert Path(PROGRAM).is_file()


def test_a_real_stack_is_imported_and_its_cuda_is_started(smoke_python: Path) -> None:
    deep = look(smoke_python.parent.parent)
    assert {"torch", "transformers"} <= outcomes(deep).keys()
    assert set(outcomes(deep).values()) == {"ok"}
    assert deep.cuda is not None
    assert deep.cuda.outcome == "ok"
    if sys.platform == "linux":
        names = {library.name for library in deep.libraries}
        assert "libstdc++.so.6" in names
        assert any(library.inside and "torch" in library.path for library in deep.libraries)
