"""POETRY: what the project's files tell people to run, and what Poetry asks of the desktop."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Machine, Project, Quoted

_GROUP_OPTION = re.compile(r"--(?:with|without|only)(?:=| +)([\w.,-]+)")
_OFF = ("keyring.backends.null.Keyring", "keyring.backends.fail.Keyring")
_SWITCH_OFF = Remedy(
    "Where Poetry stands still or ends: switch its keyring off for this project.",
    "ask",
    (("poetry", "config", "--local", "keyring.enabled", "false"),),
)
_MOST = 5  # findings for one file's worth of command lines


@check(
    "POETRY004",
    cause="poetry2-no-update-removed",
    also=("poetry2-shell-removed",),
    severity="note",
    readers=("tools", "project"),
)
def removed_commands(case: Case) -> Answer:
    """The project's files use commands that this Poetry has no longer.

    What: Looks for command lines of Poetry in README, Makefile, scripts, Dockerfile and CI jobs,
    and compares them with what the installed Poetry (or else the lock's) knows.

    Why: Poetry 2 took out `lock --no-update`, `shell` and `export`: "The option "--no-update" does
    not exist". Who follows the README gets stuck, and CI breaks with the next image.

    Remedy: Write the command that does the same.

    Known problems: A line that is meant for an older Poetry on purpose is named as well.
    """
    project, version = _poetry_project(case.machine), _version(case.machine)
    if project is None:
        return Skip("this is not a Poetry project")
    if version is None:
        return Skip("the version of Poetry is not known")
    if not project.commands:
        return None
    from llmdoctor.tables.poetry_commands import removed_from_poetry

    findings = []
    for rule in removed_from_poetry(version):
        uses = [quoted for quoted in project.commands if rule.is_used_by(quoted.text.split()[1:])]
        if uses:
            findings.append(
                finding(
                    removed_commands,
                    f"`poetry {' '.join(rule.words)}` is gone from Poetry {rule.since} on, and "
                    f"{version} is used here: {rule.why}.",
                    cause=rule.cause,
                    evidence=_places(uses),
                    where=f"{project.root}/{uses[0].file}",
                    line=uses[0].line,
                    remedy=Remedy(
                        f"Write `{' '.join(rule.instead)}` there instead.",
                        "manual",
                        (rule.instead,),
                    ),
                )
            )
    return findings


@check("POETRY005", cause="poetry-group-not-found", severity="warning", readers=("project",))
def group_not_found(case: Case) -> Answer:
    """The project's files name a dependency group that is not defined.

    What: Compares the groups behind --with, --without and --only in README, Makefile, scripts and
    CI jobs with those of pyproject.toml.

    Why: Poetry stops before it installs anything: "Group(s) not found". Often the name is that of
    an extra, which `--extras` takes, or of a group that another branch has.

    Remedy: Correct the name, or define the group in pyproject.toml.

    Known problems: A group that a script writes into pyproject.toml first is not known.
    """
    project = _poetry_project(case.machine)
    if project is None:
        return Skip("this is not a Poetry project")
    if not project.groups:
        return Skip("the groups of pyproject.toml are not known")
    return tuple(_unknown_groups(project))


def _unknown_groups(project: Project) -> Iterator[Finding]:
    missing: dict[str, list[Quoted]] = {}
    for quoted in project.commands:
        for match in _GROUP_OPTION.finditer(quoted.text):
            for name in filter(None, match[1].split(",")):
                if _normal(name) not in map(_normal, project.groups):
                    missing.setdefault(name, []).append(quoted)
    for name, uses in list(missing.items())[:_MOST]:
        extra = _normal(name) in map(_normal, project.extras)
        yield finding(
            group_not_found,
            f"There is no group {name!r} in pyproject.toml"
            + (
                ": it is an extra."
                if extra
                else f" (it has {', '.join(project.groups)}): Poetry refuses the command."
            ),
            evidence=_places(uses),
            where=f"{project.root}/{uses[0].file}",
            line=uses[0].line,
            remedy=Remedy(f"Write `--extras {name}` there instead of a group.")
            if extra
            else Remedy(
                f"Correct the name, or add the group: `poetry add --group {name} PACKAGE`."
            ),
        )


@check(
    "POETRY006",
    cause="poetry-keyring-locked",
    severity="note",
    readers=("project", "variables", "tools"),
)
def keyring_may_block(case: Case) -> Answer:
    """Poetry may wait for a desktop keyring that nobody can unlock.

    What: Looks whether Poetry's keyring is on, a keyring service is installed, and this session
    has a desktop to ask on. `fix` and `check --deep` ask the keyring as well, once, in Poetry's own
    Python, and wait three seconds for its answer.

    Why: Poetry looks there for passwords, even for public packages. Over ssh, in WSL or in a job
    the window to unlock it has no screen: Poetry stands still without a word, or fails with an
    error of D-Bus.

    Remedy: Switch it off for this project: `poetry config --local keyring.enabled false`, or for
    one run: POETRY_KEYRING_ENABLED=false. `fix --keyring local|global|run` does either.

    Known problems: A keyring that is unlocked already answers at once: then nothing is wrong, which
    a plain check cannot know. One that stays locked when it is asked does not hold Poetry up; one
    that answers with an error which Poetry does not expect ends it. Passwords of private sources
    that are kept in it are no longer found once it is off.
    """
    machine = case.machine
    project = _poetry_project(machine)
    if project is None:
        return Skip("this is not a Poetry project")
    if project.keyring is None or machine.tool("poetry") is None:
        return Skip("Poetry is not here, or its keyring was not looked at")
    variables = machine.variables
    if not project.keyring or variables.get("PYTHON_KEYRING_BACKEND") in _OFF:
        return None
    if "DISPLAY" in variables or "WAYLAND_DISPLAY" in variables:
        return None
    if "DBUS_SESSION_BUS_ADDRESS" not in variables and "PYTHON_KEYRING_BACKEND" not in variables:
        return None  # no session to ask: Poetry goes on without
    if project.keyring_answer == "silent":
        return finding(
            keyring_may_block,
            "Poetry's own Python asked it and had no answer within 3 seconds: `poetry install` and "
            "`poetry lock` stand still without a word.",
            title="Poetry's keyring does not answer",
            severity="error",
            where=project.root,
            remedy=_SWITCH_OFF,
        )
    kind, _, error = (project.keyring_answer or "").partition(" ")
    if kind == "raises":
        return finding(
            keyring_may_block,
            f"Poetry's own Python asked it and had {error}, which Poetry does not expect: `poetry "
            "install` and `poetry lock` end with it.",
            title="Poetry's keyring fails in a way that ends Poetry",
            severity="error",
            where=project.root,
            remedy=_SWITCH_OFF,
        )
    if kind:
        return None  # it answers, or says that it cannot: Poetry goes on
    return finding(
        keyring_may_block,
        "A keyring service and a D-Bus session are here, and no screen to unlock it on: Poetry may "
        "stand still, or fail with a D-Bus error.",
        evidence=("DBUS_SESSION_BUS_ADDRESS is set", "neither DISPLAY nor WAYLAND_DISPLAY is"),
        where=project.root,
        remedy=_SWITCH_OFF,
    )


def _poetry_project(machine: Machine) -> Project | None:
    project = machine.project
    return project if project and project.tool == "poetry" else None


def _version(machine: Machine) -> str | None:
    """The installed Poetry's, or else that of the one which wrote the lock."""
    poetry = machine.tool("poetry")
    lock = machine.project.lock if machine.project else None
    return (poetry.version if poetry else None) or (lock.generator if lock else None)


def _places(uses: list[Quoted]) -> tuple[str, ...]:
    return tuple(f"{use.file}, line {use.line}: {use.text}" for use in uses[:_MOST])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
