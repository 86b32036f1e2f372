"""Environments that are really broken are found, repaired, proven, and put back byte for byte."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from uv import find_uv_bin

from cli.runs import Desk, assert_nothing_to_repair, check_sees, next_command
from support import venvs
from support.index import LoopbackIndex
from support.tree import assert_same_tree, snapshot
from support.wheels import build_wheel

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX environments are repaired")


def out_of(python: Path, code: str) -> str:
    done = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def says_tool(env: Path) -> str:
    done = subprocess.run([str(env / "bin" / "tool")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def no_leftovers(env: Path) -> None:
    assert [path.name for path in venvs.site_packages(env).iterdir() if path.name[0] in "~-"] == []


def whole_again(env: Path) -> None:
    folder = venvs.dist_info(env, "attrs", "1.0")
    assert (folder / "RECORD").exists()
    assert (folder / "METADATA").exists()
    assert out_of(venvs.python_of(env), "import attrs; print(attrs.__version__)") == "1.0"


def proven(served: Desk, env: Path) -> None:
    """What pip (from outside: the environment has none) and uv say of the environment."""
    python = str(venvs.python_of(env))
    for argv in (
        [sys.executable, "-m", "pip", "--python", python, "check"],
        [find_uv_bin(), "pip", "check", "--python", python],
    ):
        done = subprocess.run(argv, capture_output=True, text=True, env=served.environ)
        assert done.returncode == 0, done.stdout + done.stderr


def one_attrs(env: Path) -> None:
    whole_again(env)
    folders = [path.name for path in venvs.site_packages(env).glob("attrs-*")]
    assert folders == ["attrs-1.0.dist-info"]
    assert not (venvs.site_packages(env) / "attrs" / "only_in_0_9.py").exists()


def twice(env: Path) -> None:
    """0.9 was installed over without being uninstalled: the files that both list are those of 1.0."""
    venvs.install_fake_dist(env, "attrs", "0.9", files=ATTRS_0_9)
    venvs.install_fake_dist(env, "attrs", "1.0", files=ATTRS)


def twice_and_cut_off(env: Path) -> None:
    twice(env)
    (venvs.site_packages(env) / "attrs" / "late.py").unlink()


def without_a_module(env: Path) -> None:
    venvs.install_fake_dist(env, "attrs", "1.0", files=ATTRS)
    (venvs.site_packages(env) / "attrs" / "late.py").unlink()


def cut_short(env: Path) -> None:
    venvs.install_fake_dist(env, "attrs", "1.0", files=ATTRS)
    (venvs.site_packages(env) / "attrs" / "__init__.py").write_text("")


def zeros_for_a_record(env: Path) -> None:
    """What a power cut leaves of a file whose length alone was written."""
    (venvs.install_fake_dist(env, "attrs", "1.0", files=ATTRS) / "RECORD").write_bytes(b"\0" * 300)


def imports_all(env: Path) -> None:
    whole_again(env)
    assert out_of(venvs.python_of(env), "import attrs.late; print(attrs.late.x)") == "1"


def of_windows(env: Path) -> None:
    """What Poetry makes of a wheel that is given as a path: it never looks at its tags."""
    files: dict[str, str | bytes] = {**ATTRS, "attrs/_speed.cp311-win_amd64.pyd": b"MZ"}
    url = {"url": "file:///w/attrs-1.0-cp311-cp311-win_amd64.whl", "archive_info": {}}
    venvs.install_fake_dist(
        env, "attrs", "1.0", files=files, tag="cp311-cp311-win_amd64", direct_url=url
    )


def of_here(env: Path) -> None:
    imports_all(env)
    assert not list((venvs.site_packages(env) / "attrs").glob("*.pyd"))
    assert "py3-none-any" in (venvs.dist_info(env, "attrs", "1.0") / "WHEEL").read_text()


def own_prefix(env: Path) -> None:
    code = "import sys, kept; print(sys.prefix, sys.prefix != sys.base_prefix, kept.__version__)"
    assert out_of(venvs.python_of(env), code) == f"{env} True 1.0"


def started_here(env: Path) -> None:
    assert says_tool(env) == str(env)
    assert f"{env}" in (env / "bin" / "activate").read_text()


def moved(env: Path) -> None:
    there = env.with_name("elsewhere")
    venvs.make_venv(there)
    venvs.install_fake_dist(there, "kept", "1.0")
    import shutil

    shutil.rmtree(env)
    venvs.move_venv(there, env)


ATTRS = {"attrs/__init__.py": "__version__ = '1.0'\n", "attrs/late.py": "x = 1\n"}
ATTRS_0_9 = {
    "attrs/__init__.py": "__version__ = '0.9'\n",
    "attrs/late.py": "x = 0.9\n",
    "attrs/only_in_0_9.py": "",
}

TROUBLE: dict[str, tuple[str, Callable[[Path], object], Callable[[Path], object]]] = {
    "leftover": ("PKG008", lambda env: venvs.leave_dangling(env, "tqdm", "4.67"), no_leftovers),
    "leftover of an old pip": (
        "PKG008",
        lambda env: venvs.leave_dangling(env, "tqdm", "4.67", prefix="-"),
        no_leftovers,
    ),
    "no RECORD": (
        "PKG001",
        lambda env: venvs.without_file(venvs.install_fake_dist(env, "attrs", "1.0"), "RECORD"),
        whole_again,
    ),
    "no METADATA": (
        "PKG001",
        lambda env: venvs.without_file(venvs.install_fake_dist(env, "attrs", "1.0"), "METADATA"),
        whole_again,
    ),
    "recorded twice": ("PKG009", twice, one_attrs),
    "recorded twice, and cut off": ("PKG009", twice_and_cut_off, one_attrs),
    "a module is gone": ("PKG001", without_a_module, imports_all),
    "a module is cut short": ("PKG001", cut_short, imports_all),
    "zeros for a RECORD": ("PKG001", zeros_for_a_record, imports_all),
    "a wheel of Windows": ("PKG003", of_windows, of_here),
    "base interpreter gone": ("PY001", venvs.vanish_base, own_prefix),
    "no pyvenv.cfg": ("PY002", venvs.remove_cfg, own_prefix),
    "garbled pyvenv.cfg": ("PY002", venvs.garble_cfg, own_prefix),
    "moved": ("PY002", moved, started_here),
    "script of another Python": ("PY011", venvs.spoil_shebang, lambda _: None),
}


SEEN_AT_ONCE = (  # one of each code; the others differ in what has to be repaired
    "leftover",
    "no RECORD",
    "recorded twice",
    "a wheel of Windows",
    "base interpreter gone",
    "no pyvenv.cfg",
    "script of another Python",
)


@pytest.fixture
def served(desk: Desk, loopback_index: LoopbackIndex, tmp_path: Path) -> Desk:
    url = loopback_index.add("simple", build_wheel(tmp_path, "attrs", "1.0", modules=ATTRS))
    desk.environ["PIP_INDEX_URL"] = url
    return desk


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_is_found_repaired_and_taken_back(served: Desk, name: str) -> None:
    code, breaks, proves = TROUBLE[name]
    env = served.environment()
    venvs.install_fake_dist(env, "kept", "1.0")
    breaks(env)
    before = snapshot(served.project)
    assert name not in SEEN_AT_ONCE or check_sees(served, code)
    done = served.json("fix", "--select", code, "--yes", code=0)
    assert done["outcome"] == "kept", done
    assert [item["code"] for item in done["repairs"]] == [code]
    proves(env)
    proven(served, env)
    assert_nothing_to_repair(served, code)
    assert name not in SEEN_AT_ONCE or not check_sees(served, code)

    served.run("undo", "--yes")
    assert_same_tree(before, snapshot(served.project))


def test_without_an_answer_nothing_is_changed(served: Desk) -> None:
    env = served.environment()
    venvs.leave_dangling(env, "tqdm", "4.67")
    before = snapshot(served.project)
    told = served.run("fix", "--select", "PKG008", code=1)
    assert "--yes" in told.stderr
    assert "Half-removed packages" in told.stdout
    assert_same_tree(before, snapshot(served.project))


def test_every_step_is_shown_where_everything_is_asked_for(served: Desk) -> None:
    venvs.leave_dangling(served.environment(), "tqdm", "4.67")
    short = served.run("fix", "--select", "PKG008", code=1).stdout
    long = served.run("fix", "--select", "PKG008", "--verbose", code=1).stdout
    assert "1. take a snapshot of" in long
    assert "take a snapshot of" not in short


def test_a_healthy_environment_has_nothing_to_repair(served: Desk) -> None:
    venvs.install_fake_dist(served.environment(), "attrs", "1.0", files=ATTRS)
    before = snapshot(served.project)
    words = ("fix", "--select", "PY", "--select", "PKG", "--yes")
    assert "nothing to repair" in served.run(*words).stdout
    assert_same_tree(before, snapshot(served.project))


def test_what_the_policy_accepts_is_mended_only_where_it_is_named(served: Desk) -> None:
    venvs.leave_dangling(served.environment(), "tqdm", "4.67")
    out = str(served.folder / "plan.json")

    def planned(*words: str) -> set[str]:
        document = served.json("fix", "--plan-out", out, *words, code=0)
        return {item["code"] for item in document["repairs"]}

    assert "PKG008" in planned()
    (served.project / "pyproject.toml").write_text(
        '[tool.llmdoctor]\nprofile = "no-such"\n[[tool.llmdoctor.ignore]]\n'
        'code = "pkg008"\nreason = "known"\nuntil = 2999-01-31\n'
    )
    assert "PKG008" not in planned()
    assert planned("--select", "PKG008") == {"PKG008"}


def test_a_repair_whose_package_cannot_be_had_leaves_everything_as_it_was(served: Desk) -> None:
    env = served.environment()
    venvs.without_file(venvs.install_fake_dist(env, "absent", "1.0"), "RECORD")
    before = snapshot(served.project)
    told = served.run("fix", "--select", "PKG001", "--yes", code=4)
    assert "absent" in told.stderr
    assert_same_tree(before, snapshot(served.project))


def test_what_no_index_has_is_left_to_its_reader(served: Desk) -> None:
    env = served.environment()
    torch = venvs.install_fake_torch(env, "2.9.1", "12.6")
    venvs.without_file(torch, "RECORD")
    told = served.json("fix", "--select", "PKG001", "--yes", code=1)
    (left,) = told["repairs"]
    assert left["safety"] == "manual"
    assert any("torch 2.9.1+cu126" in detail for detail in left["details"])


def test_two_versions_that_are_both_there_are_left_to_their_reader(served: Desk) -> None:
    env = served.environment()
    venvs.install_fake_dist(env, "attrs", "0.9", files={"attrs.py": "__version__ = '0.9'\n"})
    venvs.install_fake_dist(env, "attrs", "1.0", files=ATTRS)
    before = snapshot(served.project)
    told = served.json("fix", "--select", "PKG009", "--yes", code=1)
    assert "cannot be told" in told["repairs"][0]["details"][0]
    assert_same_tree(before, snapshot(served.project))


def test_a_build_of_one_place_is_no_other_one_for_this_platform(served: Desk) -> None:
    env = served.environment()
    venvs.install_fake_dist(env, "attrs", "1.0", local_tag="cu126", tag="cp311-cp311-win_amd64")
    told = served.json("fix", "--select", "PKG003", "--yes", code=1)
    assert "attrs 1.0+cu126" in told["repairs"][0]["details"][0]


def test_a_reviewed_plan_is_carried_out_exactly(served: Desk) -> None:
    env = served.environment()
    venvs.leave_dangling(env, "tqdm", "4.67")
    before = snapshot(served.project)
    plan = served.folder / "my fix.json"
    told = served.run("fix", "--select", "PKG008", "--plan-out", str(plan))
    assert f"next: llmdoctor fix --plan '{plan}'" in told.stderr
    assert_same_tree(before, snapshot(served.project))
    done = served.json("fix", "--plan", str(plan), "--yes", code=[0, 1])
    assert done["outcome"] == "kept"
    no_leftovers(env)
    assert "was carried out as run" in served.run("fix", "--plan", str(plan), code=2).stderr


def test_a_reviewed_plan_that_no_longer_holds_is_refused(served: Desk) -> None:
    env = served.environment()
    venvs.leave_dangling(env, "tqdm", "4.67")
    plan = served.folder / "fix.json"
    served.run("fix", "--select", "PKG008", "--plan-out", str(plan))
    venvs.install_fake_dist(env, "new", "1.0")
    assert "has changed since" in served.refused("fix", "--plan", str(plan), "--yes")


@pytest.mark.parametrize("text", ["", "{}", "[1]", json.dumps({"schema": "fix-plan/9"}), "\0"])
def test_what_is_no_plan_is_refused(served: Desk, text: str) -> None:
    plan = served.folder / "fix.json"
    plan.write_text(text)
    served.refused("fix", "--plan", str(plan), "--yes")


def test_wrong_words_are_refused(served: Desk) -> None:
    assert "no such folder" in served.refused("fix", "--project", "nowhere")
    assert "there is no environment" in served.refused("fix", "--env", "nowhere")
    assert "no check's code begins with" in served.refused("fix", "--select", "LOKC")
    assert "there is no such file" in served.refused("fix", "--plan", "nowhere.json")
    assert "give one of them" in served.refused("fix", "--plan", "a", "--plan-out", "b")


def test_what_a_reviewed_plan_says_is_not_said_again(desk: Desk) -> None:
    for option, value in (("--keyring", "global"), ("--env", "other"), ("--project", "other")):
        said = desk.refused("fix", "--plan", "a plan.json", option, value)
        assert f"--plan carries out what was reviewed: leave out {option}" in said
        assert next_command(said) == "llmdoctor fix --plan 'a plan.json'"


def test_leftovers_of_the_base_interpreter_are_left_alone(served: Desk) -> None:
    """An environment that sees its base's packages does not own them."""
    base = venvs.make_venv(served.folder / "base")
    leftover = venvs.leave_dangling(base, "tqdm", "4.67")
    env = served.environment()
    venvs.set_cfg(env, "include-system-site-packages", "true")
    venvs.set_cfg(env, "home", str(base / "bin"))
    told = served.json("fix", "--select", "PKG008", "--yes", code=1)
    assert [item["safety"] for item in told["repairs"]] == ["manual"]
    assert leftover.is_dir()


def test_a_script_of_a_python_that_was_meant_stays(served: Desk) -> None:
    env = served.environment()
    venvs.spoil_shebang(env)
    mine = venvs.add_script(env, "mine")
    mine.write_text("#!/usr/bin/python3\nprint()\n" if Path("/usr/bin/python3").exists() else "")
    before = mine.read_bytes()
    served.json("fix", "--select", "PY011", "--yes", code=0)
    assert mine.read_bytes() == before


def test_a_plan_never_holds_a_password(served: Desk) -> None:
    env = served.environment()
    venvs.without_file(venvs.install_fake_dist(env, "attrs", "1.0"), "RECORD")
    served.environ["PIP_INDEX_URL"] = "https://me:s3cret@pkgs.example.org/simple"
    plan = served.folder / "fix.json"
    told = served.run("fix", "--select", "PKG001", "--plan-out", str(plan), code=2)
    assert "credentials" in told.stderr
    assert "s3cret" not in told.stderr + told.stdout
    assert not plan.exists()
