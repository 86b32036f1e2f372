"""`check --deep` as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli.runs import Desk
from inside.deep_looks import TORCH, install
from support.tree import assert_same_tree, snapshot
from support.venvs import find_python, make_venv, python_of


def codes(document: dict[str, list[dict[str, str]]], family: str = "DEEP") -> list[str]:
    return [item["code"] for item in document["findings"] if item["code"].startswith(family)]


def test_it_says_what_it_is_doing_and_reports_what_it_saw(desk: Desk) -> None:
    env = desk.environment()
    install(env, "torch", TORCH, "2.9.1+cu126")
    install(env, "peft", "raise ImportError('cannot import name')")
    before = snapshot(desk.project, mtime=True)
    done = desk.run("check", "--deep", "--format", "json", code=1)
    said = done.stderr.splitlines()
    assert said[:2] == ["importing torch", "importing peft"]
    document = json.loads(done.stdout)
    imports = {item["module"]: item["outcome"] for item in document["machine"]["deep"]["imports"]}
    assert imports == {"torch": "ok", "peft": "broken"}
    assert codes(document) == ["DEEP005"]
    assert_same_tree(before, snapshot(desk.project, mtime=True))


def test_a_terminal_shows_the_finding(desk: Desk) -> None:
    env = desk.environment()
    install(env, "torch", "import ctypes; ctypes.string_at(0)")
    done = desk.run("check", "--deep", "--quiet", code=1)
    assert done.stderr == ""
    done = desk.run("check", "--deep", "--select", "DEEP", code=1)
    assert "DEEP006: Importing torch ends Python" in done.stdout
    assert "Segmentation fault" in done.stdout


def test_without_it_nothing_is_imported_and_the_report_says_so(desk: Desk) -> None:
    install(desk.environment(), "torch", f"open({str(desk.project / 'ran')!r}, 'w')")
    document = desk.json("check")
    assert document["machine"]["deep"] is None
    skipped = [v for v in document["verdicts"] if v["code"].startswith("DEEP")]
    assert {v["reason"] for v in skipped} == {"not asked for: --deep"}
    assert not (desk.project / "ran").exists()


def test_a_torch_of_the_project_is_seen_in_a_folder_without_a_manifest(desk: Desk) -> None:
    install(desk.environment(), "torch", TORCH)
    (desk.project / "torch.py").write_text("")
    document = desk.json("check", "--deep")
    (found,) = [item for item in document["findings"] if item["code"] == "DEEP002"]
    assert found["cause"] == "torch-not-importable"


def test_another_interpreter_is_looked_into(desk: Desk, tmp_path: Path) -> None:
    python = find_python("3.9")
    if python is None:
        pytest.skip("no Python 3.9 here")
    env = make_venv(tmp_path / "other", python)
    install(env, "torch", TORCH, "2.9.1+cu126")
    for patient in (("--python", str(python_of(env))), ("--env", str(env))):
        deep = desk.json("check", "--deep", *patient)["machine"]["deep"]
        assert [item["outcome"] for item in deep["imports"]] == ["ok"]


def test_a_saved_deep_look_is_judged_again(desk: Desk) -> None:
    env = desk.environment()
    install(env, "torch", TORCH, "2.9.1+cu126")
    install(env, "peft", "raise ImportError('cannot import name')")
    saved = desk.project / "look.json"
    first = desk.json("check", "--deep")
    saved.write_text(json.dumps(first))
    again = desk.json("check", "--from", str(saved))
    assert codes(again) == codes(first) == ["DEEP005"]


def test_names_of_people_do_not_leave_the_machine(desk: Desk) -> None:
    env = desk.environment()
    home = Path(desk.environ["HOME"])
    install(env, "torch", TORCH, "2.9.1+cu126")
    install(
        env, "peft", f"print({str(home / 'secret')!r}); raise ImportError({str(home / 'x.so')!r})"
    )
    text = desk.run("check", "--deep", "--format", "json", code=1).stdout
    assert "~/x.so" in text
    assert str(home) not in text


def test_with_a_saved_look_there_is_nothing_to_run(desk: Desk) -> None:
    saved = desk.project / "look.json"
    saved.write_text("{}")
    said = desk.refused("check", "--deep", "--from", str(saved))
    assert "--deep" in said
    assert said.splitlines()[-1] == "next: llmdoctor check --deep"


def test_without_an_environment_it_is_skipped_with_the_reason(desk: Desk) -> None:
    (desk.project / ".venv").mkdir()
    document = desk.json("check", "--deep", "--project", ".")
    verdicts = {v["code"]: v for v in document["verdicts"]}
    assert verdicts["DEEP005"]["outcome"] in ("skip", "pass")
    assert codes(document) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_interrupt_ends_the_child_too(desk: Desk) -> None:
    env = desk.environment()
    note = desk.folder / "pid"
    hang = f"""
        import os, time
        with open({str(note)!r}, "w") as file:
            file.write(str(os.getpid()))
        time.sleep(300)
    """
    install(env, "torch", hang)
    child = subprocess.Popen(
        desk.command("check", "--deep"),
        cwd=desk.project,
        env=desk.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in err
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
