"""Poetry's keyring on a real D-Bus, answering or not. `nox -s poetry` brings every Poetry."""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.runs import Desk
from support.poetry_projects import poetry_project, pyproject_text
from support.poetrys import POETRIES, put_on_path, version_of
from support.tree import assert_same_tree, snapshot
from support.venvs import make_venv, python_of, site_packages

OWNER = Path(__file__).parents[1] / "support" / "secrets_owner.py"
pytestmark = [
    pytest.mark.skipif(not POETRIES, reason="LLMDOCTOR_TEST_POETRY names no Poetry"),
    pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="no dbus-daemon is installed"),
]
SECRETS, KWALLET = "org.freedesktop.secrets", "org.kde.kwalletd5"
SILENT = "POETRY006: Poetry's keyring does not answer"
SELECT = ("--select", "POETRY006")
GRACE = 3.0  # seconds that Poetry stands still after its question, to be said to stand still


@pytest.fixture(params=POETRIES, ids=lambda path: path.parent.parent.name)
def poetry(request: pytest.FixtureRequest, desk: Desk) -> Path:
    program: Path = request.param
    put_on_path(desk.environ, desk.folder, program)
    return program


class Bus:
    """A session bus for a desk; the calls that its keyring had lie in a file."""

    def __init__(self, desk: Desk, python: Path) -> None:
        self._desk, self._python = desk, python
        self._children: list[subprocess.Popen[bytes]] = []
        self._file = desk.folder / "calls"

    def start(self, manner: str, name: str = SECRETS) -> None:
        # A name without a file: a socket's path may have 107 characters at most, a test's more.
        address = f"unix:abstract=llmdoctor-{uuid.uuid4()}"
        # KDE's wallet counts only where the bus knows how to start it, too
        known = dict(self._desk.environ) if name == KWALLET or manner == "broken" else None
        if known is not None:
            known["XDG_DATA_HOME"] = f"{known['HOME']}/.local/share"
        argv = ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address={address}"]
        argv.append("--print-address=1")
        bus = subprocess.Popen(argv, stdout=subprocess.PIPE, env=known)
        self._children.append(bus)
        assert bus.stdout is not None
        assert bus.stdout.readline()
        self._desk.environ["DBUS_SESSION_BUS_ADDRESS"] = address
        if manner in ("nobody", "broken"):
            return
        with self._file.open("w") as file:
            argv = [str(self._python), str(OWNER), manner, name]
            self._children.append(subprocess.Popen(argv, stdout=file, env=self._desk.environ))
        wait_for(lambda: "owner" in self._file.read_text())

    @property
    def calls(self) -> int:
        """How often the keyring was asked anything."""
        return self._file.read_text().count("\n") - 1

    def stop(self) -> None:
        for child in reversed(self._children):
            child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()


@pytest.fixture
def bus(desk: Desk, poetry: Path) -> Iterator[Bus]:
    made = Bus(desk, poetry.with_name("python"))
    yield made
    made.stop()


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def project(desk: Desk, poetry: Path) -> Desk:
    """A project that Poetry may ask the keyring for: it is on, and the bus knows such a service."""
    service(desk, SECRETS)
    del desk.environ["POETRY_KEYRING_ENABLED"]
    poetry_project(desk.project, pyproject_text("tool.poetry"), poetry=version_of(poetry))
    return desk


def service(desk: Desk, name: str) -> None:
    services = Path(desk.environ["HOME"]) / ".local" / "share" / "dbus-1" / "services"
    services.mkdir(parents=True, exist_ok=True)
    text = f"[D-BUS Service]\nName={name}\nExec=/bin/false\n"
    (services / f"{name}.service").write_text(text)


def begun(desk: Desk, poetry: Path) -> subprocess.Popen[bytes]:
    """Poetry, with nothing to install."""
    words = ("install", "--dry-run", "--no-root", "--no-interaction")
    null = subprocess.DEVNULL
    return subprocess.Popen(
        [str(poetry), *words], cwd=desk.project, env=desk.environ, stdout=null, stderr=null
    )


def stands_still(desk: Desk, poetry: Path, bus: Bus) -> bool:
    """Whether Poetry asks the keyring, and then waits for it."""
    before = bus.calls
    with begun(desk, poetry) as child:
        try:
            wait_for(lambda: bus.calls > before or child.poll() is not None)
            child.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            return True
        finally:
            child.kill()
    return False


def goes_on(desk: Desk, poetry: Path) -> bool:
    with begun(desk, poetry) as child:
        return child.wait(timeout=60) == 0


def asks_before_it_starts(poetry: Path) -> bool:
    """1.8 and 2.0 ask only where an index is asked, for which nothing here has a reason."""
    return not version_of(poetry).startswith(("1.", "2.0"))


def found(desk: Desk) -> dict[str, Any]:
    """What a closer look says of the keyring."""
    (finding,) = desk.json("check", "--deep", *SELECT)["findings"]
    return {**finding, "key": f"{finding['code']}: {finding['title']}"}


def is_left_alone(desk: Desk) -> bool:
    """`fix` has asked the keyring, has nothing to repair, and changes nothing."""
    before = snapshot(desk.project)
    told = desk.json("fix", *SELECT, "--yes", code=0)
    assert_same_tree(before, snapshot(desk.project))
    return (told["outcome"], told["repairs"]) == ("nothing to repair", [])


def test_a_keyring_that_never_answers_is_switched_off_for_the_project(
    project: Desk, poetry: Path, bus: Bus
) -> None:
    bus.start("silent")
    before = snapshot(project.project)
    (plain,) = project.json("check", *SELECT)["findings"]
    assert plain["severity"] == "note"
    assert bus.calls == 0, "a plain check asks no keyring"
    if asks_before_it_starts(poetry):
        assert stands_still(project, poetry, bus)

    done = project.json("fix", *SELECT, "--yes", code=0)
    assert done["outcome"] == "kept", done
    assert [item["finding"] for item in done["repairs"]] == [SILENT]
    assert (project.project / "poetry.toml").read_text() == "[keyring]\nenabled = false\n"
    assert goes_on(project, poetry)
    assert is_left_alone(project)
    project.run("undo", "--yes")
    assert_same_tree(before, snapshot(project.project))


def test_a_locked_keyring_whose_prompt_nobody_sees_is_an_error(
    project: Desk, poetry: Path, bus: Bus
) -> None:
    bus.start("prompting")
    if asks_before_it_starts(poetry):
        assert stands_still(project, poetry, bus)
    deep = found(project)
    assert (deep["key"], deep["severity"]) == (SILENT, "error")


@pytest.mark.parametrize("manner", ["refusing", "broken"])
def test_a_keyring_whose_error_ends_poetry_is_switched_off(
    project: Desk, poetry: Path, bus: Bus, manner: str
) -> None:
    """An owner that answers each call with an error; a service that the bus cannot start."""
    bus.start(manner)
    if asks_before_it_starts(poetry):
        assert not goes_on(project, poetry)
    deep = found(project)
    assert "DBusErrorResponse" in deep["detail"]
    assert deep["severity"] == "error"
    assert project.json("fix", *SELECT, "--yes", code=0)["outcome"] == "kept"
    assert goes_on(project, poetry)


def test_a_keyring_is_switched_off_for_the_user_or_told_for_one_run(
    project: Desk, poetry: Path, bus: Bus
) -> None:
    bus.start("silent")
    before = snapshot(project.project)
    words = ("fix", *SELECT, "--yes", "--keyring")
    told = project.json(*words, "run", code=1)
    assert (told["outcome"], told["steps"]) == ("nothing to repair", [])
    ((env, variable, *command),) = told["repairs"][0]["commands"]
    assert (env, command) == ("env", ["poetry", "install"])
    name, _, value = variable.partition("=")
    project.environ[name] = value
    assert goes_on(project, poetry)
    assert project.json("check", "--deep", *SELECT, code=0)["findings"] == []
    del project.environ[name]
    assert_same_tree(before, snapshot(project.project))

    done = project.json(*words, "global", code=0)
    assert done["outcome"] == "kept", done
    config = Path(project.environ["POETRY_CONFIG_DIR"]) / "config.toml"
    assert config.read_text() == "[keyring]\nenabled = false\n"
    # where Poetry keeps the project's environment elsewhere, that is what a plain undo means
    project.run("undo", "--yes")
    assert not config.exists()


@pytest.mark.parametrize("manner", ["dismissing", "open", "nobody"])
def test_a_keyring_that_says_something_is_left_alone(
    project: Desk, poetry: Path, bus: Bus, manner: str
) -> None:
    """Whatever it says, Poetry goes on."""
    bus.start(manner)
    assert goes_on(project, poetry)
    assert is_left_alone(project)


def test_nobody_is_asked_where_a_window_would_open(project: Desk, bus: Bus) -> None:
    bus.start("silent")
    project.environ["DISPLAY"] = ":0"
    assert is_left_alone(project)
    assert bus.calls == 0


def test_the_keyring_of_a_private_source_is_kept(project: Desk, bus: Bus) -> None:
    bus.start("silent")
    with (project.project / "pyproject.toml").open("a") as file:
        file.write('\n[[tool.poetry.source]]\nname = "ours"\nurl = "https://pkgs.example.org/s"\n')
    before = snapshot(project.project)
    told = project.json("fix", *SELECT, "--yes", code=1)
    (left,) = told["repairs"]
    assert (left["finding"], left["safety"]) == (SILENT, "manual")
    assert "ours" in left["details"][0]
    assert_same_tree(before, snapshot(project.project))


# --- KDE's wallet ---------------------------------------------------------------------------


@pytest.fixture
def of_kde(project: Desk, poetry: Path, bus: Bus) -> Desk:
    """The desk with that Poetry in an environment that also has the bindings of D-Bus.

    Only with these does `keyring` know KDE's wallet. Distributions have them for their own Python;
    its extensions fit every build of that minor version.
    """
    bindings = [
        path
        for name in ("dbus", "_dbus_bindings*.so", "_dbus_glib_bindings*.so")
        for path in Path("/usr/lib/python3/dist-packages").glob(name)
    ]
    env = make_venv(project.folder / "kde", poetry.with_name("python"))
    ours = site_packages(env)
    for path in (*poetry.parents[1].glob("lib/*/site-packages/*"), *bindings):
        if not (ours / path.name).exists():
            (ours / path.name).symlink_to(path)
    python = python_of(env)
    there = subprocess.run([str(python), "-c", "import dbus.mainloop.glib"], capture_output=True)
    if there.returncode != 0:
        pytest.skip("no D-Bus bindings for the Python of this Poetry")
    program = env / "bin" / "poetry"
    program.write_text(f"#!{python}\nfrom poetry.console.application import main\nmain()\n")
    program.chmod(0o755)
    (project.folder / "bin" / "poetry").unlink()
    (project.folder / "bin" / "poetry").symlink_to(program)
    for path in Path(project.environ["HOME"]).rglob("*.service"):
        path.unlink()
    service(project, KWALLET)
    return project


def test_a_wallet_of_kde_that_never_answers_is_an_error(
    of_kde: Desk, poetry: Path, bus: Bus
) -> None:
    bus.start("silent", KWALLET)
    if asks_before_it_starts(poetry):
        assert stands_still(of_kde, of_kde.folder / "bin" / "poetry", bus)
    before = bus.calls
    assert found(of_kde)["key"] == SILENT
    assert bus.calls > before


def test_a_wallet_of_kde_that_stays_closed_is_left_alone(
    of_kde: Desk, poetry: Path, bus: Bus
) -> None:
    bus.start("closed", KWALLET)
    assert goes_on(of_kde, of_kde.folder / "bin" / "poetry")
    before = bus.calls
    assert is_left_alone(of_kde)
    assert bus.calls > before
