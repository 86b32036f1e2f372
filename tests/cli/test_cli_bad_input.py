"""Whatever is typed wrong: what happened, why, and what to type next. Nothing is written."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.runs import Desk, next_command, starts
from llmdoctor.cli.main import COMMANDS
from support.tree import assert_same_tree, snapshot
from system.unprivileged import unprivileged

# words


@pytest.mark.parametrize(
    ("words", "wrong", "meant"),
    [
        (("chek",), "'chek'", "'check'"),
        (("instal", "--profile", "cpu"), "'instal'", "'install'"),
        (("--versoin",), "'--versoin'", None),
        (("xyzzy",), "'xyzzy'", None),
        (("check", "--formt", "json"), "'--formt'", "'--format'"),
        (("check", "--format", "jsn"), "'jsn'", "'json'"),
        (("check", "--fail-on", "warnings"), "'warnings'", "'warning'"),
        (("check", "--form", "json"), "'--form'", "'--format'"),
        (("check", "here"), "'here'", None),
        (("check", "--profile", "flashatn"), "'flashatn'", "'flashattn'"),
        (("plan", "--profile", "mainlin"), "'mainlin'", "'mainline'"),
        (("profiles", "legcy"), "'legcy'", "'legacy'"),
        (("profiles", "CPU"), "'CPU'", "'cpu'"),
        (("check", "Cpu", "--quiet"), "'Cpu'", "--profile cpu"),
        (("plan", "mainlin"), "'mainlin'", "--profile mainline"),
        (("plan", "Flash_Attn"), "'Flash_Attn'", "--profile flashattn"),
        (("plan", "--profile", "cpu", "--installer", "conda"), "'conda'", None),
        (("check", "--env=x", "--unknown=y"), "'--unknown'", None),
        (("check", "--select", "TORHC"), "'TORHC'", "'TORCH'"),
        (("fix", "--ignore", "LOKC002"), "'LOKC002'", "'LOCK002'"),
        (("completion", "pwoershell"), "'pwoershell'", "'powershell'"),
        (("explain", "build.log", "--hree"), "'--hree'", "'--here'"),
        (("plan", "--profile", "cpu", "--assume", "drivr=560"), "'drivr'", "'driver'"),
    ],
)
def test_a_word_that_is_not_known_is_named_with_the_nearest(
    words: tuple[str, ...], wrong: str, meant: str | None, desk: Desk
) -> None:
    said = desk.refused(*words)
    assert wrong in said
    if meant:
        assert f"did you mean {meant}?" in said
    assert starts(next_command(said), desk.project, desk.environ)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "--format"), "--format"),
        (("plan",), "which profile?"),
        (("install", "--yes"), "which profile?"),
        (("undo", "no-such-run", "--yes"), "no-such-run"),
        (("undo", "--yes"), "nothing to undo"),
        (("check", "--select", "TORHC"), "TORHC"),
        (("plan", "--profile", "cpu", "--assume", "gpuu=none"), "gpuu"),
        (("plan", "--profile", "cpu", "--assume", "os=beos"), "beos"),
    ],
)
def test_a_line_that_cannot_be_meant_says_what_is_missing(
    words: tuple[str, ...], said: str, desk: Desk
) -> None:
    assert said in desk.refused(*words)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, desk: Desk) -> None:
    shown = desk.run(command, "--help").stdout
    assert f"usage: llmdoctor {command}" in shown
    assert "examples:" in shown
    assert desk.run(command, "-h").stdout == shown


def test_help_names_every_command(desk: Desk) -> None:
    shown = desk.run("--help").stdout
    assert desk.run("-h").stdout == desk.run().stdout == shown
    for command in COMMANDS:
        assert f"  {command} " in shown
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_the_version_is_the_package_s(desk: Desk) -> None:
    from llmdoctor import __version__

    assert desk.run("--version").stdout == f"llmdoctor {__version__}\n"


@pytest.mark.parametrize("word", ["gpu", "cuda", "transformers"])
def test_a_word_that_is_no_slip_of_the_pen_is_not_taken_for_a_profile(
    word: str, desk: Desk
) -> None:
    bare, named = desk.refused("install", word), desk.refused("plan", "--profile", word)
    assert "did you mean" not in bare + named
    assert [next_command(bare), next_command(named)] == [
        "llmdoctor install --help",
        "llmdoctor profiles",
    ]


SECRET = ("--index-url", "https://ann:s3cret@host.example/simple")


@pytest.mark.parametrize(
    ("words", "then"),
    [
        (
            ("plan", "--profile", "cpu", "--assume", "os=linux", "--export", "requirements"),
            "llmdoctor plan --help",
        ),
        (
            ("plan", "mainlin"),
            "llmdoctor plan --profile mainline --index-url https://host.example/simple",
        ),
    ],
)
def test_no_next_command_holds_a_password_or_is_what_was_typed(
    words: tuple[str, ...], then: str, desk: Desk
) -> None:
    said = desk.refused(*words, *SECRET)
    assert "s3cret" not in said
    assert next_command(said) == then


# profiles


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "x\n', "line 1"),
        ('schema = 1\nname = "x"\nkind = "stak"\n', "'stak'"),
        ("schema = 1\nnmae = 3\n", "did you mean 'name'?"),
        ("schema = 99\n", "mine.toml"),
        ("", "mine.toml"),
    ],
)
def test_a_damaged_profile_is_named_with_the_place(text: str, said: str, desk: Desk) -> None:
    (desk.project / "mine.toml").write_text(text)
    for command in ("plan", "check"):
        told = desk.run(command, "--profile", "mine.toml", code=2).stderr
        assert "mine.toml" in told
        assert said in told


def test_a_profile_that_is_not_text_or_not_there_is_named(desk: Desk) -> None:
    (desk.project / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    (desk.project / "folder.toml").mkdir()
    assert "bytes.toml" in desk.run("plan", "--profile", "bytes.toml", code=2).stderr
    assert "folder.toml" in desk.run("plan", "--profile", "folder.toml", code=2).stderr
    assert "none.toml" in desk.run("plan", "--profile", "none.toml", code=2).stderr


# saved looks


@pytest.fixture
def saved(desk: Desk) -> Any:
    return desk.json("check")


def write(desk: Desk, document: Any) -> str:
    text = document if isinstance(document, str) else json.dumps(document, indent=1)
    (desk.project / "machine.json").write_text(text)
    return "machine.json"


def test_a_report_is_judged_again_as_it_was(saved: Any, desk: Desk) -> None:
    path = write(desk, saved)
    again = desk.json("check", "--from", path)
    assert again == saved
    piped = desk.run(
        "check", "--from", "-", "--format", "json", code=(0, 1), stdin=json.dumps(saved["machine"])
    )
    assert json.loads(piped.stdout) == saved


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: json.dumps(d, indent=1)[:-20], "machine.json:"),
        (lambda d: "", "machine.json is empty"),
        (lambda d: "llmdoctor 0.1.0 · Linux\n", "machine.json is no report"),
        (lambda d: [], "expected a table"),
        (lambda d: {**d, "machine": {**d["machine"], "hots": {}}}, "did you mean 'host'?"),
        (lambda d: {**d, "machine": {**d["machine"], "disks": 5}}, "$.disks: expected a list"),
        (
            lambda d: {**d, "machine": {**d["machine"], "cpu": {"cores": "many"}}},
            "$.cpu",
        ),
        (lambda d: {**d, "machine": {**d["machine"], "schema": 99, "new": 1}}, "schema is 99"),
        (lambda d: "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_damaged_report_is_named_with_the_place_and_what_was_expected(
    damage: Any, said: str, saved: Any, desk: Desk
) -> None:
    write(desk, damage(saved))
    told = desk.refused("check", "--from", "machine.json")
    assert "machine.json" in told
    assert said in told


def test_a_report_that_cannot_be_read_is_named(desk: Desk) -> None:
    (desk.project / "folder").mkdir()
    assert "no such file" in desk.refused("check", "--from", "none.json")
    assert "directory" in desk.refused("check", "--from", "folder")
    assert "not text" in desk.refused(
        "check", "--from", "-", stdin=b"\x7fELF\x02\x01\x01" + bytes(60)
    )


# environments, projects, interpreters


@pytest.mark.parametrize("command", [("check",), ("smoke",)])
@pytest.mark.parametrize("kind", ["file", "folder", "missing", "unreadable"])
def test_an_environment_that_is_none_is_told_apart(
    kind: str, command: tuple[str, ...], desk: Desk
) -> None:
    place = desk.project / "env"
    if kind == "file":
        place.write_text("x")
    elif kind != "missing":
        (place / "sub").mkdir(parents=True)
    words = desk.command(*command, "--env", "env")
    if kind == "unreadable":
        place.chmod(0)
        done = unprivileged(*words, cwd=desk.project, env=desk.environ)
        place.chmod(0o700)
    else:
        done = subprocess.run(
            words, cwd=desk.project, env=desk.environ, capture_output=True, text=True
        )
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    if command == ("smoke",):
        assert done.returncode == 2, done.stderr
        assert "next: llmdoctor install" in done.stderr
    elif kind == "missing":
        assert done.returncode == 2
        assert "--env env: there is no environment" in done.stderr
    else:
        assert done.returncode in (0, 1), done.stderr
        assert "env" in done.stdout


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_environment_is_not_installed_into(kind: str, desk: Desk) -> None:
    place = desk.project / "env"
    if kind == "file":
        place.write_text("the user's")
    else:
        place.mkdir()
        (place / "thesis.txt").write_text("the user's")
    before = snapshot(desk.project)
    for fresh in ((), ("--fresh",)):
        told = desk.run(
            "install", "--profile", "cpu", "--env", "env", "--yes", *fresh, code=2
        ).stderr
        assert "env" in told
        assert "next: llmdoctor" in told
        assert_same_tree(before, snapshot(desk.project))


def test_a_project_that_is_not_there_is_said(desk: Desk) -> None:
    (desk.project / "file").touch()
    assert "no such folder" in desk.refused("check", "--project", "nowhere")
    assert "no such folder" in desk.refused("check", "--project", "file")


def test_a_project_that_may_not_be_read_is_said(desk: Desk) -> None:
    closed = desk.project / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0)
    words = desk.command("check", "--project", "closed/inner")
    done = unprivileged(*words, cwd=desk.project, env=desk.environ)
    closed.chmod(0o700)
    assert done.returncode == 3, done.stderr
    assert "permission denied" in done.stderr
    assert "next: " in done.stderr
    assert "Traceback" not in done.stderr


def broken_interpreter(folder: Path) -> Path:
    path = folder / "python"
    path.write_text(
        "#!/bin/sh\necho 'libpython3.12.so.1.0: cannot open shared object' >&2\nexit 127\n"
    )
    path.chmod(0o755)
    return path


def test_an_interpreter_that_does_not_start_is_said(desk: Desk) -> None:
    python = broken_interpreter(desk.project)
    told = desk.run("smoke", "--python", str(python), code=(1, 2)).stderr
    assert "libpython3.12" in told or "does not start" in told or "python" in told
    for spec in (str(python), str(desk.project / "nothing"), "3.99"):
        refused = desk.run(
            "install", "--profile", "cpu", "--yes", "--python", spec, code=(2, 3)
        ).stderr
        assert spec in refused
        assert "next: " in refused
        assert not (desk.project / ".venv").exists()
    said = desk.run("check", "--python", str(python), code=2).stderr
    assert str(python) in said
    assert "next: " in said


def test_what_is_no_interpreter_is_told_as_what_it_is(desk: Desk) -> None:
    """A file of this folder is there, and of a version that is meant the interpreter is named."""
    (desk.project / "notes.txt").write_text("notes")
    assert "permission denied" in desk.refused("check", "--python", "notes.txt")
    version = f"3.{sys.version_info.minor}"
    again = shlex.split(next_command(desk.refused("check", "--python", version)))
    assert again[:3] == ["llmdoctor", "check", "--python"]
    assert Path(again[3]).is_file()


# places to write


@pytest.mark.parametrize("output", ["none/report.json", "."])
@pytest.mark.parametrize(
    "words", [("check",), ("profiles",), ("install", "--profile", "cpu", "--yes"), ("history",)]
)
def test_a_report_that_cannot_be_written_is_said_before_anything_is_done(
    words: tuple[str, ...], output: str, desk: Desk
) -> None:
    assert (
        f"cannot write the report to {output}"
        in desk.run(*words, "--output", output, code=2).stderr
    )
    assert list(desk.project.iterdir()) == []
    assert not desk.state.exists()


def test_a_report_is_written_where_it_was_asked_for(desk: Desk) -> None:
    done = desk.run("check", "--format", "json", "--output", "r.json", code=(0, 1))
    assert done.stdout == ""
    assert json.loads((desk.project / "r.json").read_text())["schema"] == "check/1"
    desk.run("check", "--output", "r.txt", code=(0, 1), env={"LANG": "C", "LC_ALL": "C"})
    assert "\x1b" not in (desk.project / "r.txt").read_text()
    assert "llmdoctor" in (desk.project / "r.txt").read_text()


def test_a_folder_that_may_not_be_written_ends_an_install_before_it_begins(desk: Desk) -> None:
    desk.project.chmod(0o500)
    words = desk.command("install", "--profile", "cpu", "--yes", "--no-smoke")
    done = unprivileged(*words, cwd=desk.project, env=desk.environ)
    desk.project.chmod(0o700)
    assert done.returncode in (1, 2, 3, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert "this is a bug" not in done.stderr
    assert list(desk.project.iterdir()) == []


def test_a_state_folder_that_cannot_be_made_is_said(desk: Desk) -> None:
    (desk.folder / "file").touch()
    desk.environ["LLMDOCTOR_STATE_DIR"] = str(desk.folder / "file" / "state")
    told = desk.run("install", "--profile", "cpu", "--yes", code=3).stderr
    assert "not a directory" in told or "file exists" in told
    assert str(desk.folder / "file") in told
    assert list(desk.project.iterdir()) == []


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    if sys.platform != "linux" or os.getuid() != 0:
        pytest.skip("only root can mount a tiny file system")
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder]
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a tiny file system: {done.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def test_a_report_on_a_full_disk_is_an_error_and_no_traceback(tiny: Path, desk: Desk) -> None:
    fill = f"dd if=/dev/zero of={tiny / 'filling'} bs=1k count=300"
    assert subprocess.run(shlex.split(fill), capture_output=True).returncode != 0
    told = desk.run("check", "--output", str(tiny / "report"), code=2).stderr
    assert "no space left on device" in told


# two at once


def test_two_runs_on_one_environment_do_not_meet(desk: Desk) -> None:
    """The second waits a while, then says who is in its way; it has changed nothing."""
    hold = (
        "import sys, time; from llmdoctor.install import hold; from llmdoctor.system.local import Local\n"
        "with hold(Local(), '.venv'):\n print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold],
        cwd=desk.project,
        env=desk.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    began = time.monotonic()
    told = desk.run("install", "--profile", "cpu", "--yes", code=3).stderr
    assert time.monotonic() - began > 5
    assert "another llmdoctor run" in told
    assert "next: llmdoctor history" in told
    assert list(desk.project.iterdir()) == []
    holder.communicate("go")


@pytest.mark.parametrize(
    "words",
    [
        ("check", "--baseline"),
        ("check", "--format", "html", "--smoke"),
        ("fix", "--plan"),
    ],
)
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read"),
        ("[" * 200_000, "nested too deeply"),
        ("{", "is not JSON"),
        ("9" * 5000, "is not JSON"),
        ('{"schema": "another/1"}', "its schema is 'another/1'"),
    ],
)
def test_a_document_that_is_none_is_named_with_its_option(
    desk: Desk, words: tuple[str, ...], text: str | None, why: str
) -> None:
    place = desk.project / "it.json"
    if text is None:
        place.mkdir()
    else:
        place.write_text(text)
    said = desk.refused(*words, "it.json")
    assert f"{words[-1]} it.json" in said
    assert why in said


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("install", "--proflie", "cpu"), "; did you mean '--profile'?"),
        (("install", "--profile", "cpu", "--dry-run"), ""),
        (("history", "--env", "x"), ""),
    ],
)
def test_an_option_is_proposed_for_its_letters_and_not_for_its_dashes(
    words: tuple[str, ...], near: str, desk: Desk
) -> None:
    said = desk.refused(*words).splitlines()[0]
    option = next(word for word in words if word.startswith("--") and word != "--profile")
    assert said == f"llmdoctor: {words[0]}: there is no option {option!r}{near}"
