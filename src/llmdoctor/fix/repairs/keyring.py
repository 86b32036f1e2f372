"""POETRY006: a keyring that nobody can unlock is switched off, for the project or for the user."""

from __future__ import annotations

from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.plan import Write
from llmdoctor.probe.paths import absolute, join
from llmdoctor.probe.poetry_sources import private_sources
from llmdoctor.probe.toml import parse_toml
from llmdoctor.system import System
from llmdoctor.tables import poetry_rules


def switch_off(bench: Bench, found: Finding) -> Repair:
    """Write `keyring.enabled = false` where Poetry reads it; what else stands there stays.

    A project with private sources is left to its owner: their passwords may lie in the keyring.
    """
    system, project = bench.system, bench.machine.project
    if project is None:
        return manual(found)
    poetry = bench.machine.tool("poetry")
    version = poetry.version if poetry else None
    known = version is not None and poetry_rules(version) is not None
    if bench.keep == "run" or (version is not None and not known):
        return _for_one_run(found, by_poetry=known)
    if names := private_sources(system, project.root):
        return manual(
            found,
            f"passwords of {', '.join(names)} may lie in the keyring; POETRY_KEYRING_ENABLED=false "
            "switches it off for one run",
        )
    local = bench.keep == "local"
    path = join(system, project.root, "poetry.toml") if local else config_file(system)
    path = system.real_path(path)
    import tomlkit

    text = system.read_text(path) or ""
    tables, problem = parse_toml(text, path)
    if problem or not isinstance(tables.get("keyring", {}), dict):
        return manual(found, problem or f"{path}: keyring is no table")
    document = tomlkit.parse(text)
    table = document.setdefault("keyring", tomlkit.table())
    table["enabled"] = False
    whom = "this project" if local else "all projects of this user"
    return Repair(
        found.key,
        found.code,
        "ask",
        f"Switch Poetry's keyring off for {whom}.",
        (Write(f"write {path}", path, tomlkit.dumps(document)),),
        details=(f"{path}: keyring.enabled = false",),
    )


def _for_one_run(found: Finding, *, by_poetry: bool) -> Repair:
    """The line that somebody types; what we start of Poetry has its keyring off in any case.

    Every `keyring` understands the second variable, also that of a Poetry before 1.8, which has no
    setting of its own.
    """
    null = "PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring"
    variable = "POETRY_KEYRING_ENABLED=false" if by_poetry else null
    return Repair(
        found.key,
        found.code,
        "manual",
        "Switch the keyring off for each run; nothing is written.",
        commands=(("env", variable, "poetry", "install"),),
    )


def config_file(system: System) -> str:
    """The user's config.toml of Poetry on Linux, where alone a keyring can stand in the way."""
    home = system.environ.get("XDG_CONFIG_HOME") or join(system, system.home(), ".config")
    folder = system.environ.get("POETRY_CONFIG_DIR") or join(system, home, "pypoetry")
    return join(system, absolute(system, folder), "config.toml")
