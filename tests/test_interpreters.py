"""A new environment is made from a Python that starts and that the profile allows."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from llmdoctor import interpreters
from llmdoctor.errors import CannotFinishError, UsageError
from llmdoctor.interpreters import Interpreter, ask, choose
from llmdoctor.system import System
from llmdoctor.system.local import Local
from probe.described import Described
from probe.described import door as described_door
from support.venvs import find_python

OWN = "{}.{}".format(*sys.version_info[:2])
FULL = "{}.{}.{}".format(*sys.version_info[:3])
OTHERS = [minor for minor in ("3.10", "3.11", "3.12", "3.13") if minor != OWN]
NEWEST = interpreters._pythons()[-1]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="scripts and links: POSIX only")
pytestmark = posix_only

# What a pyenv shim says of a version that is installed and not selected.
SHIM = """\
#!/bin/sh
cat >&2 <<END
pyenv: python3.12: command not found

The \\`python3.12' command exists in these Python versions:
  3.12.1

Note: See 'pyenv help global' for tips on allowing multiple
      Python versions to be found at the same time.
END
exit 127
"""


def script(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def door(*folders: Path) -> Local:
    """This machine, with nothing else on PATH (and what scripts need to run)."""
    return Local({**os.environ, "PATH": os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])})


def linked(folder: Path, minor: str) -> Path:
    """A folder whose `pythonX.Y` is a real interpreter of that minor."""
    real = find_python(minor)
    if real is None:
        pytest.skip(f"there is no Python {minor} on this machine")
    folder.mkdir(exist_ok=True)
    link = folder / f"python{minor}"
    link.symlink_to(real)
    return link


# --- asking one


def test_an_interpreter_tells_its_version() -> None:
    assert ask(door(), sys.executable) == Interpreter(sys.executable, FULL)
    assert Interpreter(sys.executable, "3.12.1").minor == "3.12"


@pytest.mark.parametrize("minor", OTHERS)
def test_another_interpreter_tells_its_own(tmp_path: Path, minor: str) -> None:
    found = ask(door(), str(linked(tmp_path / "bin", minor)))
    assert isinstance(found, Interpreter)
    assert found.minor == minor


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SHIM, "pyenv: python3.12: command not found"),
        ("#!/bin/sh\nexit 3\n", "exit code 3"),
        ("#!/bin/sh\necho hello\n", "exit code 0"),
        ("#!/bin/sh\nkill -9 $$\n", "killed by signal 9"),
        ("#!/gone/python\n", "not found"),
        (
            "#!/bin/sh\nprintf 'Traceback (most recent call last):\\n  x\\nImportError: no' >&2\nexit 1",
            "ImportError: no",
        ),
    ],
)
def test_one_that_does_not_start_gives_the_line_that_tells_why(
    tmp_path: Path, text: str, reason: str
) -> None:
    assert ask(door(), str(script(tmp_path, "python3", text))) == reason


def test_one_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert interpreters._SECONDS <= 30
    monkeypatch.setattr(interpreters, "_SECONDS", 0.3)
    hanging = script(tmp_path, "python3", "#!/bin/sh\nexec sleep 60\n")
    assert ask(door(), str(hanging)) == "timeout"


# --- choosing one without a wish


def test_the_doctors_own_is_taken_where_it_is_in_range() -> None:
    found = choose(door(), None, f"=={OWN}.*")
    assert found == Interpreter(sys.executable, FULL)
    assert choose(door(), None, "") == found


@pytest.mark.parametrize("minor", OTHERS)
def test_else_one_on_path_that_is_in_range(tmp_path: Path, minor: str) -> None:
    link = linked(tmp_path / "bin", minor)
    found = choose(door(tmp_path / "bin"), None, f"=={minor}.*")
    assert (found.executable, found.minor) == (str(link), minor)


def test_a_shim_that_fails_is_passed_over_for_an_older_one_that_works(tmp_path: Path) -> None:
    older = next((minor for minor in OTHERS if find_python(minor)), None)
    if older is None:
        pytest.skip("there is no second Python on this machine")
    linked(tmp_path / "bin", older)
    script(tmp_path / "bin", f"python{NEWEST}", SHIM)
    found = choose(door(tmp_path / "bin"), None, f">={older},!={OWN}.*")
    assert found.minor not in (OWN, NEWEST)


def test_nothing_in_range_says_what_there_is_and_what_to_type() -> None:
    with pytest.raises(CannotFinishError, match=r"no Python in >=3\.98") as caught:
        choose(door(), None, ">=3.98")
    assert FULL in caught.value.message
    assert caught.value.next_command == "llmdoctor profiles"
    with pytest.raises(CannotFinishError) as caught:
        choose(Local({"PATH": ""}), None, f">={NEWEST},!={OWN}.*")
    assert caught.value.next_command == f"uv python install {NEWEST}"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (f"=={FULL}", FULL),  # neither its first release nor its last
        ("==3.11.*,!=3.11.0", "3.11"),
        (">=3.11.4,<3.11.9", "3.11.8"),
        ("<=3.11,>3.10.99", "3.11.0"),
        (">=3.98", None),
    ],
)
def test_the_nearest_in_a_range_is_here_or_worth_to_be_installed(
    wanted: str, found: str | None
) -> None:
    own = wanted == f"=={FULL}"
    system = Local({"PATH": ""}) if own else described_door(Described())
    answer = interpreters.in_range(system, FULL, SpecifierSet(wanted).contains)
    assert (answer.version if isinstance(answer, Interpreter) else answer) == found


# --- choosing the one that is named


def test_the_doctors_own_version_needs_none_on_path(tmp_path: Path) -> None:
    empty = Local({"PATH": str(tmp_path)})
    assert choose(empty, OWN, ">=3.98") == Interpreter(sys.executable, FULL)


@pytest.mark.parametrize("minor", OTHERS)
def test_a_version_is_looked_for_on_path(tmp_path: Path, minor: str) -> None:
    link = linked(tmp_path / "bin", minor)
    assert choose(door(tmp_path / "bin"), minor, "").executable == str(link)


def test_an_interpreter_may_be_named_by_its_path_or_its_name(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mypython").symlink_to(sys.executable)
    by_path = choose(door(), str(tmp_path / "bin" / "mypython"), "")
    by_name = choose(door(tmp_path / "bin"), "mypython", "")
    assert by_path == by_name
    assert by_path.version == FULL


def test_a_version_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--python 3\.7: there is no such") as caught:
        choose(Local({"PATH": str(tmp_path)}), "3.7", "")
    assert caught.value.next_command == "uv python install 3.7"


@pytest.mark.parametrize("wanted", ["/gone/python", "gone-python", "3.12.1", ""])
def test_an_interpreter_that_is_not_there_is_a_usage_error(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(UsageError, match="there is no such interpreter") as caught:
        choose(Local({"PATH": str(tmp_path)}), wanted, "")
    assert caught.value.next_command


def test_a_named_shim_that_fails_is_a_usage_error_with_its_own_words(tmp_path: Path) -> None:
    shim = script(tmp_path, "python3.19", SHIM)
    with pytest.raises(UsageError, match=r"does not start: pyenv: python3\.12: command not f") as e:
        choose(door(tmp_path), "3.19", "")
    assert str(shim) in e.value.message
    assert e.value.next_command


def test_a_python_that_pyenv_has_not_switched_on_is_found_in_its_folder(tmp_path: Path) -> None:
    other = next((minor for minor in OTHERS if find_python(minor)), None)
    if other is None:
        pytest.skip("there is no second Python on this machine")
    shims = tmp_path / "shims"
    script(shims, f"python{other}", SHIM)
    place = tmp_path / "home" / ".pyenv" / "versions" / f"{other}.99" / "bin"
    place.mkdir(parents=True)
    script(place, "python", f'#!/bin/sh\nexec "{find_python(other)}" "$@"\n')
    system = Local({"PATH": f"{shims}:/usr/bin:/bin", "HOME": str(tmp_path / "home")})
    found = choose(system, other, "")
    assert (found.executable, found.minor) == (str(place / "python"), other)


# --- Windows, and free-threaded ones


def windows(answer: str) -> System:
    """Windows with the `py` launcher, a 3.12 that it knows, and a doctor that runs on `answer`."""
    python = "C:\\Python312\\python.exe"
    tell = f"-I -S -c {interpreters._TELL}"
    machine = Described(
        system="windows",
        programs={"py": "C:\\Windows\\py.exe"},
        answers={
            f"C:\\llmdoctor\\python.exe {tell}": answer,
            f"C:\\Windows\\py.exe -3.12 -I -S -c {interpreters._WHERE}": f"{python}\r\n",
            f"{python} {tell}": "3.12.4\r\n",
        },
    )
    return described_door(machine)


def test_windows_is_asked_through_its_launcher() -> None:
    found = Interpreter("C:\\Python312\\python.exe", "3.12.4")
    assert choose(windows("3.99.0"), None, ">=3.11,<3.13") == found
    assert choose(windows("3.99.0"), "3.12", "") == found
    with pytest.raises(UsageError, match="no such interpreter"):
        choose(windows("3.99.0"), "3.11", "")


def test_a_free_threaded_python_is_told_and_never_taken_unasked() -> None:
    assert Interpreter("python3.13t", "3.13.0t").minor == "3.13t"
    assert choose(windows("3.13.0t"), None, ">=3.11,<3.14").version == "3.12.4"
    assert choose(windows("3.13.0t"), "3.13t", "").minor == "3.13t"


def test_this_python_says_whether_it_is_free_threaded() -> None:
    found = ask(door(), sys.executable)
    assert isinstance(found, Interpreter)
    free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    assert found.minor.endswith("t") == free_threaded
