"""What installing through llmdoctor costs over the same `uv pip install` alone.

    python benchmarks/install.py [PAIRS] [PROFILE] [--prove]

Installs PROFILE (default cpu) into a new environment, in turn by `llmdoctor install` and by
`uv venv` with `uv pip install` of the profile's own requirements, from the same places. Once with a
uv cache of its own for each install, so that everything is fetched and unpacked, and once with a
cache that has it all. Prints wall and CPU seconds (user and system, children included) of each of
PAIRS (default 3) pairs, and the ratio of the middle ones. Budget: 1.05. Without --prove the smoke
test is left out; that files, versions and imports are looked at is not, and uv alone does none of
it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from uv import find_uv_bin

from llmdoctor import pip_config
from llmdoctor.installers import uv as uv_installer
from llmdoctor.system.local import Local

DOCTOR = (sys.executable, "-m", "llmdoctor")
UV = find_uv_bin()


def timed(act: Callable[[str], None], cache: str) -> tuple[float, float]:
    """Wall and CPU seconds of the children that it waits for, with that uv cache."""
    before, began = os.times(), time.monotonic()
    act(cache)
    after, wall = os.times(), time.monotonic() - began
    used = after.children_user + after.children_system
    return wall, used - before.children_user - before.children_system


def call(argv: tuple[str, ...], env: Mapping[str, str]) -> str:
    """Run it to its end; what it prints.

    Raises:
        SystemExit: it fails; with its own words.
    """
    done = subprocess.run(argv, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(argv[:5])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


class Bench:
    """Both ways to install one profile, each time into a new folder."""

    def __init__(self, folder: Path, profile: str, *, prove: bool) -> None:
        self._folder, self._profile = folder, profile
        self._options = () if prove else ("--no-smoke",)
        self._made = 0
        self.env = {**os.environ, "LLMDOCTOR_STATE_DIR": str(folder / "state")}
        none = str(folder / "none")
        words = ("--profile", profile, "--env", none, "--format", "json")
        plan = json.loads(call((*DOCTOR, "plan", *words), self.env))
        self.asked = tuple(
            f"{item['name']}=={item['version']}" for item in plan["packages"] if item["reason"]
        )
        own = uv_installer.environment(pip_config.read(Local()), os.environ, ())
        self._places = {key: value for key, value in own.items() if value is not None}
        if plan["torch"]["index"]:
            self._places["UV_INDEX"] = plan["torch"]["index"]

    def ours(self, cache: str) -> None:
        """By `llmdoctor install`."""
        words = ("--profile", self._profile, "--env", self._new(), "--yes", *self._options)
        call((*DOCTOR, "install", *words), {**self.env, "UV_CACHE_DIR": cache})

    def alone(self, cache: str) -> None:
        """By uv alone."""
        env = {**self.env, **self._places, "UV_CACHE_DIR": cache}
        place = self._new()
        call((UV, "venv", "--no-project", "--python", sys.executable, place), env)
        call((UV, "pip", "install", "--python", f"{place}/bin/python", *self.asked), env)

    def _new(self) -> str:
        self._made += 1
        return str(self._folder / f"made-{self._made}")


def main(pairs: int, profile: str, *, prove: bool) -> None:
    """Measure in turn and print two tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(folder, profile, prove=prove)
        print(f"{profile}: {', '.join(bench.asked)}")
        full = str(folder / "cache")
        bench.alone(full)
        for title in ("each with an empty cache", "from a full cache"):
            print(f"{title}\n{'uv s':>8} {'CPU':>7} {'ours s':>8} {'CPU':>7} {'ratio':>6}")
            seen = []
            for pair in range(pairs):
                caches = (
                    [full] * 2
                    if title == "from a full cache"
                    else [str(folder / f"cache-{pair}-{who}") for who in ("alone", "ours")]
                )
                both = (*timed(bench.alone, caches[0]), *timed(bench.ours, caches[1]))
                seen.append(both)
                print("{:8.2f} {:7.2f} {:8.2f} {:7.2f}".format(*both), end="")
                print(f" {both[2] / both[0]:6.2f}", flush=True)
                for path in (*folder.glob("made-*"), *folder.glob("cache-*")):
                    shutil.rmtree(path)
            middle = [statistics.median(column) for column in zip(*seen, strict=True)]
            print("{:8.2f} {:7.2f} {:8.2f} {:7.2f}".format(*middle), end="")
            print(f" {middle[2] / middle[0]:6.2f}  middle")


if __name__ == "__main__":
    rest = [word for word in sys.argv[1:] if word != "--prove"]
    main(
        int(rest[0]) if rest else 3,
        rest[1] if len(rest) > 1 else "cpu",
        prove="--prove" in sys.argv,
    )
