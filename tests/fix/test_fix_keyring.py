"""Poetry's keyring on a real D-Bus whose secrets owner never answers. `nox -s poetry` brings both."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.runs import Desk
from support.poetry_projects import poetry_project
from support.poetrys import POETRIES, put_on_path, run_poetry
from support.tree import assert_same_tree, snapshot

OWNER = Path(__file__).parents[1] / "support" / "secrets_owner.py"
pytestmark = [
    pytest.mark.skipif(not POETRIES, reason="LLMDOCTOR_TEST_POETRY names no Poetry"),
    pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="no dbus-daemon is installed"),
]
SILENT = "POETRY006: Poetry's keyring does not answer"


@pytest.fixture(params=POETRIES, ids=lambda path: path.parent.parent.name)
def poetry(request: pytest.FixtureRequest, desk: Desk) -> Path:
    program: Path = request.param
    put_on_path(desk.environ, desk.folder, program)
    return program


@pytest.fixture
def bus(desk: Desk, poetry: Path) -> Iterator[Callable[[str], Path]]:
    """Starts a session bus with an owner of the secrets; gives the file of the calls it had."""
    children = []
    # A name without a file: a socket's path may have 107 characters at most, a test's folder more.
    address = f"unix:abstract=llmdoctor-{uuid.uuid4()}"

    def start(manner: str) -> Path:
        argv = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}"]
        children.append(subprocess.Popen([*argv, "--print-address=1"], stdout=subprocess.PIPE))
        assert children[-1].stdout is not None
        assert children[-1].stdout.readline()
        desk.environ["DBUS_SESSION_BUS_ADDRESS"] = address
        calls = desk.folder / "calls"
        if manner != "nobody":
            with calls.open("w") as file:
                python = poetry.with_name("python")
                argv = [str(python), str(OWNER), manner]
                children.append(subprocess.Popen(argv, stdout=file, env=desk.environ))
            wait_for(lambda: "owner" in calls.read_text())
        return calls

    yield start
    for child in reversed(children):
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    import time

    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def project(desk: Desk) -> Desk:
    """A project that Poetry may ask the keyring for: it is on, and the bus knows such a service."""
    services = Path(desk.environ["HOME"]) / ".local" / "share" / "dbus-1" / "services"
    services.mkdir(parents=True)
    (services / "org.freedesktop.secrets.service").write_text(
        "[D-BUS Service]\nName=org.freedesktop.secrets\nExec=/bin/false\n"
    )
    del desk.environ["POETRY_KEYRING_ENABLED"]
    poetry_project(desk.project)
    return desk


def stands_still(desk: Desk, poetry: Path) -> bool:
    """Whether Poetry, which has nothing to install, is still at it after several times its time."""
    try:
        words = ("install", "--dry-run", "--no-root", "--no-interaction")
        run_poetry(poetry, desk.project, desk.environ, *words, timeout=15)
    except subprocess.TimeoutExpired:
        return True
    return False


def asks_before_it_starts(poetry: Path) -> bool:
    """1.8 and 2.0 ask only where an index is asked, for which nothing here has a reason."""
    return not poetry.parent.parent.name.startswith(("1.", "2.0"))


def test_a_keyring_that_never_answers_is_switched_off_for_the_project(
    project: Desk, poetry: Path, bus: Callable[[str], Path]
) -> None:
    calls = bus("silent")
    before = snapshot(project.project)
    (plain,) = project.json("check", "--select", "POETRY006")["findings"]
    assert plain["severity"] == "note"
    assert calls.read_text() == "owner\n", "a plain check asks no keyring"
    (deep,) = project.json("check", "--deep", "--select", "POETRY006", code=1)["findings"]
    assert f"{deep['code']}: {deep['title']}" == SILENT
    assert len(calls.read_text().splitlines()) > 1
    if asks_before_it_starts(poetry):
        assert stands_still(project, poetry)

    done = project.json("fix", "--select", "POETRY006", "--yes", code=0)
    assert done["outcome"] == "kept", done
    assert (project.project / "poetry.toml").read_text() == "[keyring]\nenabled = false\n"
    assert project.json("check", "--deep", "--select", "POETRY006", code=0)["findings"] == []
    if asks_before_it_starts(poetry):
        assert not stands_still(project, poetry)
    again = project.json("fix", "--select", "POETRY006", "--yes", code=0)
    assert again["outcome"] == "nothing to repair"
    project.run("undo", "--yes")
    assert_same_tree(before, snapshot(project.project))


def test_a_keyring_is_switched_off_for_the_user_or_told_for_one_run(
    project: Desk, poetry: Path, bus: Callable[[str], Path]
) -> None:
    bus("silent")
    before = snapshot(project.project)
    words = ("fix", "--select", "POETRY006", "--yes", "--keyring")
    told = project.json(*words, "run", code=1)
    assert (told["outcome"], told["steps"]) == ("nothing to repair", [])
    ((env, variable, *command),) = told["repairs"][0]["commands"]
    assert (env, command) == ("env", ["poetry", "install"])
    name, _, value = variable.partition("=")
    project.environ[name] = value
    assert project.json("check", "--deep", "--select", "POETRY006", code=0)["findings"] == []
    if asks_before_it_starts(poetry):
        assert not stands_still(project, poetry)
    del project.environ[name]
    assert_same_tree(before, snapshot(project.project))

    done = project.json(*words, "global", code=0)
    assert done["outcome"] == "kept", done
    config = Path(project.environ["POETRY_CONFIG_DIR"]) / "config.toml"
    assert config.read_text() == "[keyring]\nenabled = false\n"
    # where Poetry keeps the project's environment elsewhere, that is what a plain undo means
    project.run("undo", "--yes")
    assert not config.exists()


@pytest.mark.parametrize("manner", ["refusing", "nobody"])
def test_a_keyring_that_says_no_is_left_alone(
    project: Desk, bus: Callable[[str], Path], manner: str
) -> None:
    bus(manner)
    before = snapshot(project.project)
    assert project.json("check", "--deep", "--select", "POETRY006", code=0)["findings"] == []
    told = project.json("fix", "--select", "POETRY006", "--yes", code=0)
    assert told["outcome"] == "nothing to repair"
    assert_same_tree(before, snapshot(project.project))


def test_nobody_is_asked_where_a_window_would_open(
    project: Desk, bus: Callable[[str], Path]
) -> None:
    calls = bus("silent")
    project.environ["DISPLAY"] = ":0"
    assert project.json("check", "--deep", "--select", "POETRY006", code=0)["findings"] == []
    assert calls.read_text() == "owner\n"


def test_the_keyring_of_a_private_source_is_kept(project: Desk, bus: Callable[[str], Path]) -> None:
    bus("silent")
    with (project.project / "pyproject.toml").open("a") as file:
        file.write('\n[[tool.poetry.source]]\nname = "ours"\nurl = "https://pkgs.example.org/s"\n')
    before = snapshot(project.project)
    told = project.json("fix", "--select", "POETRY006", "--yes", code=1)
    (left,) = told["repairs"]
    assert (left["finding"], left["safety"]) == (SILENT, "manual")
    assert "ours" in left["details"][0]
    assert_same_tree(before, snapshot(project.project))
