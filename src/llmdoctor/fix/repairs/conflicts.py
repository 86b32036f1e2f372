"""PKG002, EXT003: packages that do not fit each other, where no profile says what is meant.

uv resolves in the environment as it is, with every package held that need not move: first only what
is asked for in a wrong version moves, then also who asks for it. torch and CUDA's libraries never
move for another package's sake: xformers goes to its torch, not torch to xformers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from llmdoctor import pip_config
from llmdoctor.checks import Unmet, unmet
from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, in_a_venv, manual
from llmdoctor.install.plans import find_uv
from llmdoctor.installers import uv as uv_installer
from llmdoctor.machine import Environment
from llmdoctor.plan import Run
from llmdoctor.probe.packages import normalise
from llmdoctor.probe.paths import join
from llmdoctor.redact import redact_text
from llmdoctor.system import Completed, System

_CHANGE = re.compile(r"^ ([-+~]) ([\w.-]+)==(\S+)", re.MULTILINE)
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_HELD = re.compile(r"torch|triton|nvidia-.*")
_SECONDS = 120.0


@in_a_venv
def mend(bench: Bench, found: Finding) -> Repair:
    """The smallest set of other versions with which every judged requirement is met."""
    environment = bench.machine.environment
    wrong = tuple(unmet(bench.machine))
    if environment.executable is None or environment.path is None:
        return manual(found, "the environment's interpreter was not found")
    if not wrong:
        return manual(found, "no metadata says what would fit: name the profile with --profile")
    pip = pip_config.read(bench.system, (environment.path,))
    env = uv_installer.environment(pip, bench.system.environ)
    install = (
        find_uv(bench.system), "pip", "install", "--python", environment.executable,
        "--project", environment.path, "--only-binary", ":all:",
        *uv_installer.index_options(pip, bench.system.environ),
    )  # fmt: skip
    why = None
    for moved in _tries(wrong):
        bench.say(f"resolving {', '.join(sorted(moved))}")
        constraints = f"{bench.scratch}/constraints.txt"
        bench.system.write_bytes(constraints, _held(environment, moved).encode())
        argv = (*install, "--dry-run", "--constraints", constraints, *_asked(environment, moved))
        done = _dry_run(bench.system, argv, env, environment.path)
        changes = _CHANGE.findall(done.err)
        if done.ok and changes:
            return _repair(found, changes, install, env)
        why = why or (done.err.strip() or done.problem)
    why = why and redact_text(why, bench.system.home())  # addresses can carry credentials
    return manual(found, why or "nothing that may move would change it: name the profile")


def _dry_run(
    system: System, argv: Sequence[str], env: dict[str, str | None], environment: str
) -> Completed:
    """Ask uv what it would do. The lock file that it leaves in the environment goes again."""
    lock = join(system, environment, ".lock")
    there = system.kind(lock) is not None
    try:
        return system.run(argv, env=env, timeout=_SECONDS)
    finally:
        if not there and system.kind(lock) is not None:
            system.remove(lock)


def _tries(wrong: Collection[Unmet]) -> Iterator[frozenset[str]]:
    """What may move, from the least on."""
    asked = frozenset(
        item.package.name
        if _HELD.fullmatch(item.name) and item.package.name != "torch"
        else item.name
        for item in wrong
    )
    yield asked
    asking = frozenset(i.package.name for i in wrong if not _HELD.fullmatch(i.package.name))
    if asking - asked:
        yield asked | asking


def _held(environment: Environment, moved: Collection[str]) -> str:
    """Constraints that keep everything else as it is."""
    pins = {p.name: p.version for p in environment.packages if p.name not in moved}
    return "".join(f"{name}=={version}\n" for name, version in pins.items())


def _asked(environment: Environment, moved: Collection[str]) -> list[str]:
    """What is resolved: what moves, and everything that has a say in it."""
    asking = {
        package.name
        for package in environment.packages
        for text in package.requires
        if (match := _NAME.match(text)) and normalise(match[1]) in moved and "extra ==" not in text
    }
    return sorted({*moved, *asking})


def _repair(
    found: Finding,
    changes: list[tuple[str, str, str]],
    install: tuple[str, ...],
    env: dict[str, str | None],
) -> Repair:
    before = {name: version for sign, name, version in changes if sign == "-"}
    after = {name: version for sign, name, version in changes if sign != "-"}
    specs = [f"{name}=={version}" for name, version in after.items()]
    again = [word for name in after for word in ("--reinstall-package", name)]
    argv = (*install, "--no-deps", *again, *specs)
    return Repair(
        found.key,
        found.code,
        "ask",
        "Install versions that fit each other; everything else stays as it is.",
        (Run(f"install {len(specs)} packages that fit", argv, env),),
        inside=True,
        details=tuple(
            f"{name}: {before.get(name, 'absent')} → {version}" for name, version in after.items()
        ),
    )
