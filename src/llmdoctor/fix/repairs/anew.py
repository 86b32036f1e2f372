"""What several repairs of packages do: the same versions again, in the environment alone."""

from __future__ import annotations

from collections.abc import Sequence

from llmdoctor import pip_config
from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.install.plans import find_uv
from llmdoctor.installers import uv as uv_installer
from llmdoctor.machine import Environment
from llmdoctor.plan import Run, Step
from llmdoctor.rollback import inside
from llmdoctor.system import System


def own(system: System, environment: Environment, path: str) -> bool:
    """Whether a path is the environment's: it may see its base's packages, which are not."""
    place = environment.path
    return place is not None and inside(system, system.real_path(place), system.real_path(path))


def reinstalled(
    bench: Bench,
    found: Finding,
    specs: Sequence[str],
    before: Sequence[Step],
    details: tuple[str, ...] = (),
    summary: str = "Install them anew in the same versions, and nothing else.",
) -> Repair:
    """Install these versions and nothing else, as wheels, after the steps `before`."""
    system, environment = bench.system, bench.machine.environment
    if not specs or environment.executable is None or environment.path is None:
        return manual(found)
    pip = pip_config.read(system, (environment.path,))
    # not from the cache: its files may share their bytes with what is damaged here
    argv = (
        find_uv(system), "pip", "install", "--python", environment.executable, "--no-cache",
        "--project", environment.path, "--no-deps", "--reinstall", "--only-binary", ":all:",
        *uv_installer.index_options(pip, system.environ), *specs,
    )  # fmt: skip
    env = uv_installer.environment(pip, system.environ)
    return Repair(
        found.key,
        found.code,
        "ask",
        summary,
        (*before, Run(f"install {len(specs)} packages anew", argv, env)),
        inside=True,
        details=details or tuple(specs),
    )
