"""Installers: pure functions from a job to steps. Nothing here runs or writes anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from llmdoctor.pip_config import PipConfig
from llmdoctor.plan import Change, Removal, Requirement, Source, Step, pinned

# Variables that would turn a child towards another environment than the one it is told.
# PIP_USER is set and not removed: a variable wins over `user = true` in a configuration file.
CLEARED: dict[str, str | None] = {
    "VIRTUAL_ENV": None,
    "CONDA_PREFIX": None,
    "PYTHONPATH": None,
    "PYTHONHOME": None,
    "PIP_USER": "0",
    "PIP_TARGET": None,
    "UV_PYTHON": None,
}


@dataclass(frozen=True)
class Compilation:
    """One package that is compiled in the environment, after everything else is in it.

    `env` are the variables that its setup.py reads.
    """

    change: Change
    env: dict[str, str]
    text: str


@dataclass(frozen=True)
class Job:
    """One install into one environment.

    `folder` is the run's own folder, for the files that installers read. `python` makes a new
    environment, `target_python` is the interpreter in it. `from_torch_index` are the packages
    that come from the source's own index. `fetched` are paths of wheels by their address.
    """

    environment: str
    python: str
    target_python: str
    folder: str
    source: Source
    changes: tuple[Change, ...]  # but those of `compilations`
    lock: str = ""  # pylock.toml text holding exactly `changes`
    pip: PipConfig = field(default_factory=PipConfig)
    find_links: tuple[str, ...] = ()
    has_pip: bool = True
    removals: tuple[Removal, ...] = ()
    builds: tuple[str, ...] = ()  # packages that may be built from source
    from_torch_index: tuple[str, ...] = ("torch",)
    fetched: Mapping[str, str] = field(default_factory=dict)
    wheels: str | None = None  # the folder that alone is asked for packages, as an address
    compilations: tuple[Compilation, ...] = ()


class Installer(Protocol):
    """How one tool makes an environment and puts packages into it."""

    @property
    def name(self) -> str:
        """What the tool is called."""

    @property
    def overwrites(self) -> bool:
        """Whether it writes into files that are there: a snapshot must not share their bytes."""

    def create(self, job: Job) -> tuple[Step, ...]:
        """Make a new environment at its final path."""

    def install(self, job: Job) -> tuple[Step, ...]:
        """Make exactly the job's changes."""


def manifest(requirements: Sequence[Requirement], source: Source, python: str) -> str:
    """A pyproject.toml that asks for the requirements, with torch from its own index.

    The index is explicit: nothing is taken from it but torch and what is built for torch alone, so
    it cannot move other packages. Of what is compiled afterwards its own requirements stand there:
    to ask itself for them would need the torch that is not installed yet.
    """
    import tomlkit

    document = tomlkit.document()
    project = tomlkit.table()
    texts: list[str] = []
    for item in requirements:
        texts += item.compiled.requires if item.compiled else (pinned(item, source),)
    project.update(
        {
            "name": "llmdoctor-install",
            "version": "0",
            "requires-python": f">={python}",
            "dependencies": texts,
        }
    )
    document["project"] = project
    if source.url is not None:
        document["tool"] = {
            "uv": {
                "sources": {
                    item.name: {"index": "torch"} for item in requirements if item.source == "torch"
                },
                "index": [{"name": "torch", "url": source.url, "explicit": True}],
            }
        }
    return tomlkit.dumps(document)
