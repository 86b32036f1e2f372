"""A small world to install in: tiny wheels of the CPU stack on a loopback index."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support import ready
from support.environment import hermetic_env
from support.index import LoopbackIndex
from support.venvs import make_venv
from support.wheels import build_wheel, fake_torch


class World:
    """One user with a home, a project folder and an index that serves the CPU stack."""

    def __init__(self, folder: Path, index: LoopbackIndex) -> None:
        self.folder = folder
        self.index = index
        self.project = folder / "project"
        self.project.mkdir()
        self.venv = self.project / ".venv"
        self.wheels = folder / "wheels"
        self.wheels.mkdir()
        self.environ = {
            **hermetic_env(folder),
            "LLMDOCTOR_STATE_DIR": str(folder / "state"),
            "COLUMNS": "80",
            "LANG": "C.UTF-8",
        }
        self.torch = index.add("whl/cpu", fake_torch(self.wheels, "2.13.0", None))
        simple = index.add(
            "simple",
            self.wheel("transformers", "5.23.0", requires=["tokenizers>=0.22"]),
            self.wheel("transformers", "5.20.2", requires=["tokenizers>=0.22"]),
            self.wheel("tokenizers", "0.22.0"),
            self.wheel("peft", "0.21.2", requires=["torch", "transformers"]),
            self.wheel("accelerate", "1.15.0", requires=["torch"]),
            self.wheel("numpy", "2.0.0"),
            self.wheel("pip", "24.0"),
        )
        self.environ["PIP_INDEX_URL"] = simple
        self.environ["LLMDOCTOR_TORCH_INDEX"] = self.torch.rsplit("/cpu", 1)[0]

    def wheel(self, name: str, version: str, **options: Any) -> Path:
        module = name.replace("-", "_")
        options.setdefault("modules", {f"{module}/__init__.py": f"__version__ = {version!r}\n"})
        return build_wheel(self.wheels, name, version, **options)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "llmdoctor", *arguments],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = ready.run(arguments, self.project, self.environ)
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, f"exit {done.returncode}, wanted {code}\n{out}\n{err}"
        assert "Traceback" not in err
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--format", "json", code=code).stdout)

    def ready_for(self, installer: str) -> None:
        """Make the environment beforehand where pip would: to unpack pip anew takes seconds."""
        if installer == "pip":
            make_venv(self.venv, with_pip=True)

    def versions(self) -> dict[str, str]:
        found = {}
        for folder in self.venv.glob("lib/python3*/site-packages/*.dist-info"):
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            found[name] = version
        return found

    def wait_for(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)

    def leftovers(self) -> list[str]:
        """What lies beside the environment that a run has made."""
        return [path.name for path in self.project.iterdir() if "llmdoctor" in path.name]


@pytest.fixture
def world(tmp_path: Path, loopback_index: LoopbackIndex) -> World:
    return World(tmp_path, loopback_index)


@pytest.fixture
def lived_in(world: World) -> World:
    """The same world with an environment that the user already works in."""
    from support.venvs import install_fake_dist

    make_venv(world.venv, with_pip=True)
    install_fake_dist(world.venv, "mine", "1.0", files={"mine/__init__.py": "x = 1\n"})
    install_fake_dist(world.venv, "tokenizers", "0.20.0", files={"tokenizers/__init__.py": ""})
    (world.venv / "notes.txt").write_text("the user's own file\n")
    (world.venv / "link.txt").symlink_to("notes.txt")
    return world
