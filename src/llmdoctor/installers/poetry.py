"""Poetry: the user's own, made to install a project's lock into one environment.

It is pointed at the environment that the snapshot covers: `VIRTUAL_ENV` wins over `./.venv` and
every setting, but for what `poetry env use` wrote down beside Poetry's environments; so those are
looked for in an empty folder. Run with Poetry 1.8.5, 2.0.1, 2.1.4 and 2.5.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmdoctor.installers import CLEARED, Installer, Job
from llmdoctor.plan import Change, Removal, Resolved, Run, Step

QUIET = ("--no-interaction", "--no-ansi")
_HOUR = 3600.0
_OPERATION = re.compile(
    r"\s*[-•*] (?P<verb>Installing|Updating|Downgrading|Removing) (?P<name>[\w.-]+) "
    r"\((?P<first>[^\s()]+)(?: (?!->)(?P<source>[^()]*?))?"
    r"(?: -> (?P<second>[^\s()]+)(?: (?P<new>[^()]*?))?)?\)(?P<skipped>: Skipped .*)?"
)
_ROOT = re.compile(r"Installing the current project: (?P<name>[\w.-]+) \((?P<version>[^\s()]+)\)")
_COUNTS = re.compile(r"Package operations: (\d+) installs?, (\d+) updates?, (\d+) removals?")
_NOTHING = "No dependencies to install or update"


@dataclass(frozen=True)
class Poetry:
    """Drives a Poetry. `words` are its command with groups and extras; `project` where it runs."""

    program: str
    words: tuple[str, ...]
    project: str
    make: Installer  # makes an environment, so that Poetry never does
    keyring: bool = False  # leave the keyring as the user has it: a private source may need it
    name: str = "poetry"
    # It opens a file that is there and writes into it (two distributions that share one): bytes
    # that a snapshot shared would change with it. Read in the source of 1.8.5 and 2.5.1.
    overwrites: bool = True

    def create(self, job: Job) -> tuple[Step, ...]:
        """Make a new environment at its final path."""
        return self.make.create(job)

    def install(self, job: Job) -> tuple[Step, ...]:
        """Install what the lock lists for the groups."""
        return (
            Run(
                f"install with `poetry {' '.join(self.words)}`",
                (self.program, *self.words, *QUIET),
                pinned_to(job.environment, job.folder, keyring=self.keyring),
                _HOUR,
                cwd=self.project,
            ),
        )


def pinned_to(environment: str, folder: str, *, keyring: bool = False) -> dict[str, str | None]:
    """Variables under which Poetry works on that environment and no other.

    `folder` is one of the run's own: nothing lies in the folder of environments named below it.
    """
    env = {
        **CLEARED,
        "CONDA_DEFAULT_ENV": None,
        "VIRTUAL_ENV": environment,
        "POETRY_VIRTUALENVS_PATH": f"{folder}/virtualenvs",
    }
    return env if keyring else {**env, "POETRY_KEYRING_ENABLED": "false"}


@dataclass(frozen=True)
class Operations:
    """What Poetry says that it would do."""

    changes: tuple[Change, ...]
    removals: tuple[Removal, ...]


def parse_operations(text: str, installed: dict[str, str]) -> Operations | None:
    """Read what `--dry-run` prints; None when that is not understood.

    The counts in its head have to be those of its lines. The project itself is told each time and
    counts only where it is not `installed` (normalised name -> version) in that version.
    """
    changes: list[Change] = []
    itself: list[Change] = []
    removals: list[Removal] = []
    for line in text.splitlines():
        if root := _ROOT.search(line):
            name = _normal(root["name"])
            if installed.get(name) != root["version"]:
                package = Resolved(name, root["version"], "sdist")
                itself.append(Change(package, installed.get(name)))
            continue
        match = _OPERATION.match(line)
        if match is None or match["skipped"]:
            continue
        if match["verb"] == "Removing":
            removals.append(Removal(_normal(match["name"]), match["first"]))
        else:
            changes.append(_change(match, installed))
    head = _COUNTS.search(text)
    if head is None and _NOTHING not in text:
        return None
    said = (int(head[1]) + int(head[2]), int(head[3])) if head else (0, 0)
    if said != (len(changes), len(removals)):
        return None
    return Operations((*changes, *itself), tuple(removals))


def _change(match: re.Match[str], installed: dict[str, str]) -> Change:
    name = _normal(match["name"])
    updated = match["second"] is not None
    place = match["new"] if updated else match["source"]
    url = place if place and "://" in place else None
    version = match["second"] if updated else match["first"]
    before = match["first"] if updated else installed.get(name)
    return Change(Resolved(name, version, "wheel" if url else "index", url=url), before)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
