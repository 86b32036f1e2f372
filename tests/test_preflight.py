"""The examples for pipelines are run: the action's script, GitLab's job, the container, the hooks.

Each meets a good and a bad project. The hooks need pre-commit, and the whole container needs some
minutes: `nox -s preflight` gives both.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from llmdoctor import __version__
from support.environment import hermetic_env
from support.poetry_projects import make_stale, poetry_project
from support.venvs import make_venv

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "preflight" / "github.sh"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="the examples are run by a POSIX shell")


class Runner:
    """A machine of a pipeline: a project, and a doctor that is there already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.doctor = folder / "llmdoctor"
        self.doctor.write_text(f'#!/bin/sh\nexec {sys.executable} -B -m llmdoctor "$@"\n')
        self.doctor.chmod(0o755)
        self.output, self.summary = folder / "output", folder / "summary"
        self.environ = {
            **hermetic_env(folder / "outside"),
            "LLMDOCTOR": str(self.doctor),
            "LLMDOCTOR_STATE_DIR": str(folder / "state"),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.project,
            env={**self.environ, **more},
            capture_output=True,
            text=True,
            timeout=600,
        )


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    made = Runner(tmp_path)
    poetry_project(made.project)
    return made


def test_the_action_passes_a_good_project_and_stops_a_bad_one(runner: Runner) -> None:
    done = runner.run(str(SCRIPT), INPUT_SELECT="LOCK PROJ001")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "llmdoctor: 0 errors, 0 warnings, 0 notes\n"
    make_stale(runner.project)
    done = runner.run(str(SCRIPT), INPUT_SELECT="LOCK PROJ001")
    assert done.returncode == 1
    assert re.match(r"::error file=poetry\.lock,line=\d+,title=LOCK002", done.stdout)
    assert runner.output.read_text() == "exit-code=0\nexit-code=1\n"
    assert "### error LOCK002: " in runner.summary.read_text("utf-8")


def test_the_inputs_of_the_action_become_options(runner: Runner) -> None:
    make_stale(runner.project)
    known = runner.folder / "known.json"
    runner.run(str(runner.doctor), "check", "--select", "LOCK", "--write-baseline", str(known))
    more = {"INPUT_PROJECT": "project", "INPUT_SELECT": "LOCK"}
    elsewhere = runner.folder
    for inputs, code in (
        ({"INPUT_BASELINE": str(known)}, 0),
        ({"INPUT_FAIL_ON": "never"}, 0),
        ({"INPUT_PROFILE": "cpu  triton"}, 1),
        ({"INPUT_PROFILE": "no-such"}, 2),
        ({"INPUT_ENV": "nowhere"}, 2),
    ):
        environ = {**runner.environ, **more, **inputs}
        done = subprocess.run([SCRIPT], cwd=elsewhere, env=environ, capture_output=True, text=True)
        assert done.returncode == code, (inputs, done.stderr)
        if code == 1:
            assert "::error file=project/poetry.lock,line=" in done.stdout


def test_an_input_of_several_lines_is_read_to_its_end(runner: Runner) -> None:
    doctor = runner.folder / "words"
    doctor.write_text('#!/bin/sh\nprintf "%s\\n" "$*"\n')
    doctor.chmod(0o755)
    inputs = {"INPUT_PROFILE": "cpu\ntriton  own.toml\n", "INPUT_SELECT": "LOCK\n\nPROJ001\n"}
    done = runner.run(str(SCRIPT), LLMDOCTOR=str(doctor), **inputs)
    asked = "--profile cpu --profile triton --profile own.toml --select LOCK --select PROJ001"
    assert done.stdout == f"check --format github --project . {asked}\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_a_runner_without_a_python_of_3_10_is_told_what_to_add(runner: Runner) -> None:
    programs = runner.folder / "programs"
    programs.mkdir()
    for name in ("python3", "python"):  # an older one, and none
        (programs / name).write_text("#!/bin/sh\nexit 1\n")
    (programs / "python3").chmod(0o755)
    bash = shutil.which("bash") or "bash"
    more = {"LLMDOCTOR": "", "RUNNER_TEMP": str(runner.folder), "PATH": str(programs)}
    done = runner.run(bash, str(SCRIPT), **more)
    assert (done.returncode, done.stderr) == (3, "")
    assert "::It needs Python 3.10 or newer on PATH" in done.stdout
    assert runner.output.read_text() == "exit-code=3\n"


def test_the_action_brings_its_own_doctor(runner: Runner) -> None:
    """Without LLMDOCTOR, as on a runner: an environment, and an install of this project into it."""
    if not os.environ.get("LLMDOCTOR_TEST_CONTAINER"):
        pytest.skip("LLMDOCTOR_TEST_CONTAINER is not set")
    environ = {name: value for name, value in os.environ.items() if name != "LLMDOCTOR"}
    temp = runner.folder / "temp"
    temp.mkdir()
    environ |= {"RUNNER_TEMP": str(temp), "GITHUB_ACTION_PATH": str(ROOT)}
    environ |= {"GITHUB_OUTPUT": str(runner.output), "INPUT_SELECT": "LOCK PROJ001"}
    for code in (0, 1):
        done = subprocess.run(
            [SCRIPT], cwd=runner.project, env=environ, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        make_stale(runner.project)
    assert (temp / "llmdoctor" / "pyvenv.cfg").exists()
    assert runner.output.read_text() == "exit-code=0\nexit-code=1\n"


def test_an_input_is_never_run(runner: Runner) -> None:
    done = runner.run(str(SCRIPT), INPUT_PROFILE="$(touch pwned) `touch pwned`;touch pwned *")
    assert done.returncode == 2
    assert not (runner.project / "pwned").exists()


def test_the_action_gives_its_script_every_input_and_no_other() -> None:
    action, script = (ROOT / "action.yml").read_text(), SCRIPT.read_text()
    inputs = re.findall(
        r"^  ([\w-]+):\n    description", action.partition("\noutputs:")[0], re.MULTILINE
    )
    given = dict(re.findall(r"^ +INPUT_(\w+): \$\{\{ inputs\.([\w-]+) \}\}$", action, re.MULTILINE))
    assert {name.lower().replace("_", "-") for name in given} == set(given.values()) == set(inputs)
    assert set(re.findall(r"INPUT_(\w+)", script)) == given.keys()
    assert "${{" not in script
    assert os.access(SCRIPT, os.X_OK)


@pytest.mark.parametrize("good", [True, False])
def test_the_job_of_gitlab_writes_both_reports(good: bool, runner: Runner) -> None:
    if not good:
        make_stale(runner.project)
    job = (ROOT / "preflight" / "gitlab-ci.yml").read_text()
    lines = re.findall(r"^    - (\.llmdoctor/bin/llmdoctor .*)$", job, re.MULTILINE)
    assert len(lines) == 2
    lines = [line.replace(".llmdoctor/bin/llmdoctor", '"$LLMDOCTOR"') for line in lines]
    script = "set -e\n" + "\n".join(f"{line} --select LOCK" for line in lines)
    done = runner.run("sh", "-c", script)
    assert done.returncode == (0 if good else 1), done.stderr
    entries = json.loads((runner.project / "gl-code-quality.json").read_text())
    assert [entry["check_name"] for entry in entries] == ([] if good else ["LOCK002"])
    assert "<testsuites" in (runner.project / "llmdoctor.xml").read_text()
    for name in ("gl-code-quality.json", "llmdoctor.xml"):
        assert f": {name}\n" in job


def container(**places: str) -> tuple[list[str], str]:
    """What the container's file runs while it is built, and its health check, in other places."""
    text = (ROOT / "preflight" / "Dockerfile").read_text()
    for name, place in places.items():
        text = text.replace(f"/opt/{name}/bin/llmdoctor", place).replace(
            f"/opt/{name} ", f"{place} "
        )
    health = re.search(r"^HEALTHCHECK .* CMD ([^[].*)$", text, re.MULTILINE)
    assert health
    return re.findall(r"^RUN (.*)$", text, re.MULTILINE), health[1]


def test_the_container_is_unhealthy_without_its_stack(runner: Runner) -> None:
    empty = make_venv(runner.folder / "llm")
    _, health = container(llmdoctor=str(runner.doctor), llm=str(empty))
    done = runner.run("sh", "-c", health, PROFILE="cpu")
    assert (done.returncode, done.stdout.split(":")[0]) == (1, "error TORCH001")
    done = runner.run("sh", "-c", health, PROFILE="no-such")
    assert done.returncode == 1, "Docker reserves 2"
    assert "no-such" in done.stderr


def test_the_profile_of_the_container_is_that_of_its_build() -> None:
    last = (ROOT / "preflight" / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert "ARG PROFILE=" in last
    assert "ENV PROFILE=$PROFILE" in last


def test_the_container_is_healthy_with_its_stack(runner: Runner) -> None:
    python = os.environ.get("LLMDOCTOR_TEST_SMOKE_PYTHON")
    if not python:
        pytest.skip("LLMDOCTOR_TEST_SMOKE_PYTHON names no environment with a stack")
    stack = str(Path(python).parents[1])
    _, health = container(llmdoctor=str(runner.doctor), llm=stack)
    done = runner.run("sh", "-c", health, PROFILE="cpu")
    assert (done.returncode, done.stdout.split(" (")[0].strip()) == (0, "healthy")


def test_the_container_is_built_as_its_file_says(runner: Runner) -> None:
    """Every RUN line, in the folders of a test: some minutes and a gigabyte."""
    if not os.environ.get("LLMDOCTOR_TEST_CONTAINER"):
        pytest.skip("LLMDOCTOR_TEST_CONTAINER is not set")
    opt, app = runner.folder / "opt", runner.folder / "app"
    opt.mkdir()
    app.mkdir()
    lines, health = container()
    environ = {**os.environ, "PROFILE": "cpu", "LLMDOCTOR_STATE_DIR": str(runner.folder / "state")}

    def run(words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=environ, cwd=app, capture_output=True, text=True)

    for line in lines:
        placed = re.sub(r"/src\b", str(ROOT), line.replace("/opt/", f"{opt}/"))
        done = run(["sh", "-c", placed.replace("python -m venv", f"{sys.executable} -m venv")])
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    done = run(["sh", "-c", health.replace("/opt/", f"{opt}/")])
    assert (done.returncode, done.stdout.split(" (")[0].strip()) == (0, "healthy")


def blocks() -> list[str]:
    """What ci.md shows of the files of pipelines."""
    text = (ROOT / "docs" / "how-to" / "ci.md").read_text("utf-8")
    return re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_step_that_is_shown_gives_the_action_its_inputs() -> None:
    step = blocks()[0].partition("- uses: ./tools/llmdoctor\n")[2]
    given = re.findall(r"^    ([\w-]+): ", step, re.MULTILINE)
    assert given
    inputs = (ROOT / "action.yml").read_text().partition("\noutputs:")[0]
    assert all(f"\n  {name}:\n" in inputs for name in given)


@pytest.fixture
def hooks(runner: Runner) -> Path:
    """This project as a repository of hooks, in the project where ci.md puts it."""
    folder = runner.project / "tools" / "llmdoctor"
    for name in ("src", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, folder)
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    who = ("-c", "user.name=n", "-c", "user.email=e@x.example")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "c")):
        subprocess.run(["git", *words], cwd=folder, check=True)


def test_the_hooks_pass_a_good_project_and_stop_a_bad_one(hooks: Path, runner: Runner) -> None:
    program = os.environ.get("LLMDOCTOR_TEST_PRE_COMMIT")
    if not program:
        pytest.skip("LLMDOCTOR_TEST_PRE_COMMIT names no pre-commit")
    environ = {**os.environ, "PRE_COMMIT_HOME": str(runner.folder / "pre-commit")}
    words = ["git", "rev-parse", "HEAD"]
    head = subprocess.run(words, cwd=hooks, check=True, capture_output=True, text=True).stdout
    config = runner.project / ".pre-commit-config.yaml"
    config.write_text(blocks()[1].replace("COMMIT", head.strip()))

    def hook(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "run", name, "--all-files", "--verbose"],
            cwd=runner.project,
            env=environ,
            capture_output=True,
            text=True,
        )

    commit(runner.project)
    for name in ("llmdoctor-lock", "llmdoctor-profile"):
        done = hook(name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Passed" in done.stdout
    make_stale(runner.project)
    done = hook("llmdoctor-lock")
    assert done.returncode == 1
    assert "error LOCK002" in done.stdout
    with (runner.project / "pyproject.toml").open("a") as file:
        file.write('\n[tool.llmdoctor]\nprofile = "own"\n[tool.llmdoctor.profiles.own]\nkind = 1\n')
    done = hook("llmdoctor-profile")
    assert done.returncode == 1
    assert "exit code: 2" in done.stdout
    assert "[tool.llmdoctor.profiles.own]" in done.stdout


@pytest.mark.parametrize(("tag", "code"), [(f"v{__version__}", 0), ("v9.9.9", 1)])
def test_a_tag_that_is_not_the_version_releases_nothing(tag: str, code: int) -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    step = re.search(r"- name: The tag is the version\n +run: \|\n((?: {10}.*\n)+)", text)
    assert step
    script = textwrap.dedent(step[1])
    environ = {**os.environ, "GITHUB_REF_NAME": tag}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=ROOT, env=environ, capture_output=True)
    assert done.returncode == code
    assert (b"the tag is v9.9.9" in done.stdout) == bool(code)


def test_every_option_of_a_hook_is_one_of_check() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    entries = re.findall(r"^  entry: (.*)$", text, re.MULTILINE)
    assert len(entries) == 2
    for pattern in re.findall(r"^  files: (.*)$", text, re.MULTILINE):
        assert re.search(pattern, "pyproject.toml")
        assert re.search(pattern, "sub/pyproject.toml"), (
            "a project below, with args: [--project, sub]"
        )
        assert not re.search(pattern, "sub/pyproject.py")
    for entry in entries:
        words = shlex.split(entry)[1:]
        done = subprocess.run(
            [sys.executable, "-m", "llmdoctor", *words, "--list"], capture_output=True
        )
        assert done.returncode == 0, done.stderr
