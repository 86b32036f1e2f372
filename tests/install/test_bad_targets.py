"""Targets and indexes that are not as hoped: a clear error and nothing changed, or it just works."""

from __future__ import annotations

import subprocess
import sys

import pytest

from install.conftest import World
from install.test_private_index import SECRET, guarded
from llmdoctor.install.occupied import occupied
from llmdoctor.system.local import Local
from support.index import closed_port
from support.tree import assert_same_tree, snapshot
from support.venvs import make_venv
from system.unprivileged import unprivileged

INSTALL = ("install", "--profile", "cpu", "--yes", "--no-smoke")
INSTALLERS = pytest.mark.parametrize("installer", ["uv", "pip"])
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


def refused(world: World, *words: str, code: int) -> str:
    """A run that fails with a next command and leaves the project as it was; what it said."""
    before = snapshot(world.project)
    done = world.run(*(words or INSTALL), code=code)
    assert "next: " in done.stderr or code == 1
    assert_same_tree(before, snapshot(world.project))
    return done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="who runs is seen on Linux alone")
@pytest.mark.parametrize("started", ["by its path", "from its folder", "as an activated shell"])
def test_an_environment_from_which_a_program_runs_is_left_alone(
    lived_in: World, started: str
) -> None:
    word, path = {
        "by its path": (str(lived_in.venv / "bin" / "python"), ""),
        "from its folder": (".venv/bin/python", ""),
        "as an activated shell": ("python", f"{lived_in.venv}/bin:"),
    }[started]
    program = lived_in.project / "train.py"
    program.write_text("import sys\nprint('up', flush=True)\nsys.stdin.read()\n")
    child = subprocess.Popen(
        # by PATH a program is looked for in the parent's variables
        ["/bin/sh", "-c", 'exec "$0" "$@"', word, "train.py", "--token", SECRET],
        cwd=lived_in.project,
        env={**lived_in.environ, "PATH": path + lived_in.environ["PATH"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    try:
        said = refused(lived_in, *INSTALL, code=1)
        assert f"{child.pid}: python train.py" in said
        assert SECRET not in said
        assert "--allow in-use" in said
        document = lived_in.json("plan", "--profile", "cpu", code=1)
        assert [reason["code"] for reason in document["reasons"]][:1] == ["in-use"]
        elsewhere = lived_in.json("plan", "--profile", "cpu", "--env", ".venv2")
        assert elsewhere["feasible"]
        lived_in.run(*INSTALL, "--allow", "in-use")
    finally:
        child.communicate("end")
    assert lived_in.versions()["peft"] == "0.21.2"


@pytest.mark.skipif(sys.platform != "linux", reason="who runs is seen on Linux alone")
def test_somebody_elses_program_whose_folder_may_not_be_read_stops_nothing(lived_in: World) -> None:
    """Its command line can be read by all, and where it was started by nobody else."""

    class Guarded(Local):
        def real_path(self, path: str) -> str:
            if path.endswith("/cwd"):
                raise PermissionError(13, "Permission denied", path)
            return super().real_path(path)

    own = str(lived_in.venv / "bin" / "python")
    words = ["-c", "print('up', flush=True); input()"]
    started = [
        subprocess.Popen(
            [word, *words],
            cwd=lived_in.project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for word in (own, ".venv/bin/python")
    ]
    try:
        for child in started:
            assert child.stdout is not None
            assert child.stdout.readline() == "up\n"
        (found,) = occupied(Guarded(), str(lived_in.venv))
        assert found.evidence == (f"{started[0].pid}: python -c",)
    finally:
        for child in started:
            child.communicate("\n")


@posix
@INSTALLERS
def test_a_link_to_an_environment_stays_a_link(world: World, installer: str) -> None:
    real = world.folder / "elsewhere"
    make_venv(real)
    world.venv.symlink_to(real)
    before = snapshot(real)
    world.run(*INSTALL, "--installer", installer)
    assert world.venv.is_symlink()
    assert world.versions()["peft"] == "0.21.2"
    world.run("undo", "--yes")
    assert world.venv.is_symlink()
    assert_same_tree(before, snapshot(real))


NO_LINKS = "--find-links names a folder or a page of wheels, and"


@pytest.mark.parametrize(
    ("words", "says", "then"),
    [
        (
            ("--find-links", "wheel"),
            f"{NO_LINKS} there is no folder {{}}/wheel; did you mean 'wheels'?",
            None,
        ),
        (("--find-links", "file"), f"{NO_LINKS} {{}}/file is a file, and no folder", None),
        (("--bundle", "wheel"), "there is no folder {}/wheel; did you mean 'wheels'?", None),
        (("--bundle", "file"), "{}/file is a file, and no folder", None),
        (("--bundle", "wheels"), "{}/wheels is no bundle: it has no pylock.toml", None),
        (
            ("--in-place",),
            "there is no environment in {}/.venv that could be changed in place",
            "--no-smoke",
        ),
        (
            ("--in-place", "--env", "wheels"),
            "there is no environment in {}/wheels",
            "--env wheels --no-smoke",
        ),
        (
            ("--in-place", "--env", "file"),
            "{}/file: not a Python environment",
            "--no-smoke --env .venv",
        ),
    ],
)
def test_a_place_that_is_not_what_was_meant_is_named(
    world: World, words: tuple[str, ...], says: str, then: str | None
) -> None:
    (world.project / "wheels").mkdir()
    (world.project / "file").touch()
    said = refused(world, *INSTALL, *words, code=2)
    assert says.format(world.project) in said
    if then is not None:
        assert said.splitlines()[-1] == f"next: llmdoctor install --profile cpu {then}"


def test_a_folder_of_wheels_that_pip_would_pass_over_is_passed_over(world: World) -> None:
    world.environ["PIP_FIND_LINKS"] = str(world.folder / "gone")
    assert world.json("plan", "--profile", "cpu")["feasible"]


@posix
def test_a_link_that_leads_nowhere_is_no_place_for_an_environment(world: World) -> None:
    world.venv.symlink_to(world.folder / "gone" / "venv")
    done = world.run(*INSTALL)
    assert world.venv.is_symlink()
    assert (world.folder / "gone" / "venv" / "pyvenv.cfg").exists(), done.stderr


@INSTALLERS
def test_a_path_with_spaces_and_letters_of_the_world(world: World, installer: str) -> None:
    place = "Käse & Brot/環境 1"
    done = world.json(*INSTALL, "--installer", installer, "--env", place)
    assert done["outcome"] == "kept"
    (info,) = (world.project / place).glob("lib/python3*/site-packages/peft-0.21.2.dist-info")
    assert info.is_dir()
    world.run("undo", "--yes", "--env", place)
    assert not (world.project / place).exists()


@posix
@INSTALLERS
@pytest.mark.parametrize("closed", ["the environment", "its project"])
def test_an_environment_that_this_user_may_not_write_is_left_as_it_is(
    lived_in: World, installer: str, closed: str
) -> None:
    """As in one of another user's, or in a folder that is mounted read-only."""
    places = [lived_in.project]
    if closed == "the environment":
        places = [path for path in lived_in.venv.rglob("*") if path.is_dir()] + [lived_in.venv]
    before = snapshot(lived_in.project)
    modes = {path: path.stat().st_mode for path in places if not path.is_symlink()}
    for path in modes:
        path.chmod(0o555)
    words = [sys.executable, "-m", "llmdoctor", *INSTALL, "--installer", installer]
    done = unprivileged(*words, cwd=lived_in.project, env=lived_in.environ)
    for path, mode in modes.items():
        path.chmod(mode)
    assert done.returncode in (1, 3, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert "ermission denied" in done.stdout + done.stderr or "may not" in done.stdout
    assert_same_tree(before, snapshot(lived_in.project))


def test_an_index_that_is_not_there_is_named(world: World) -> None:
    with closed_port() as nowhere:
        said = refused(world, *INSTALL, "--index-url", f"{nowhere}whl/cpu", code=1)
    assert f"{nowhere}whl/cpu" in said
    assert "--find-links" in said, "the way out"


@INSTALLERS
@pytest.mark.parametrize("login", ["ann:wrong@", ""])
def test_a_login_that_an_index_refuses_is_told_without_the_password(
    lived_in: World, installer: str, login: str
) -> None:
    with guarded(lived_in.index.url()) as private:
        address = private.replace(f"ann:{SECRET}@", login)
        lived_in.environ["PIP_INDEX_URL"] = f"{address}/simple/"
        said = refused(lived_in, *INSTALL, "--installer", installer, code=1)
    assert "401" in said
    assert "wrong" not in said


def test_a_wheel_that_is_cut_short_though_its_digest_is_right(lived_in: World) -> None:
    """Uploaded broken: only unpacking shows it."""
    cut = lived_in.wheel("safetensors", "1.0", corrupt=True)
    whole = lived_in.wheel("numpy", "2.9.9", requires=["safetensors"])
    lived_in.index.add("simple", cut, whole)
    assert cut.name in refused(lived_in, *INSTALL, code=1)


@INSTALLERS
def test_a_package_that_installs_and_cannot_be_imported_is_taken_back(
    lived_in: World, installer: str
) -> None:
    modules = {"accelerate/__init__.py": "raise ImportError('libcudart.so.12: cannot open')\n"}
    newest = lived_in.wheel("accelerate", "1.15.0+broken", modules=modules)
    lived_in.index.add("simple", newest)
    said = refused(lived_in, *INSTALL, "--installer", installer, code=4)
    assert "import accelerate: ImportError: libcudart.so.12" in said


def test_two_installs_at_once_end_in_one_whole_environment(world: World) -> None:
    """The second waits for the first, finds that all is right, and does nothing."""
    world.index.fail("/simple/*peft-0.21.2*.whl", "slow", times=1)
    children = [world.start(*INSTALL) for _ in range(2)]
    said = [child.communicate(timeout=120) for child in children]
    codes = sorted(child.returncode for child in children)
    assert codes == [0, 0], said
    assert world.versions()["peft"] == "0.21.2"
    assert sorted("already right" in out for out, _ in said) == [False, True]
    outcomes = [run["outcome"] for run in world.json("history")["runs"]]
    assert outcomes == ["kept"]


def test_a_project_without_a_manifest_is_a_folder_like_any_other(world: World) -> None:
    assert list(world.project.iterdir()) == []
    world.run(*INSTALL, "--project", ".")
    assert list(world.project.iterdir()) == [world.venv]
