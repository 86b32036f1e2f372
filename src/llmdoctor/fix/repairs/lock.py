"""LOCK002: a lock that does not belong to its manifest is renewed, and the pins are kept.

Poetry runs on a copy of the project in a scratch folder, with its environments there too: many of
its commands make or remake one as a side effect (research: every version from 1.8.5 to 2.5.1).
What it writes there is compared with the lock that is there, shown, and only then put in its place.
"""

from __future__ import annotations

import re
from typing import Any

from llmdoctor.finding import Finding
from llmdoctor.fix.repair import Bench, Repair, manual
from llmdoctor.installers import CLEARED
from llmdoctor.plan import Write
from llmdoctor.probe.toml import get, parse_toml
from llmdoctor.redact import redact_text
from llmdoctor.tables import poetry_rules

_FILES = ("pyproject.toml", "poetry.lock", "poetry.toml")
_SECONDS = 300.0  # resolving asks the index for every package
_PACKAGE = re.compile(r'^\[\[package\]\]\nname = "([^"]+)"\nversion = "([^"]+)"', re.MULTILINE)


def lock_again(bench: Bench, found: Finding) -> Repair:
    """The lock that the project's own Poetry writes for the manifest as it is now."""
    system, project, poetry = bench.system, bench.machine.project, bench.machine.tool("poetry")
    if project is None or project.lock is None:
        return manual(found, "there is no lock")
    if poetry is None or poetry.version is None:
        return manual(found, "Poetry is not here, or its version is not known")
    rules = poetry_rules(poetry.version)
    if rules is None:
        return manual(found, f"Poetry {poetry.version} is not in the table")
    files = {name: _read(bench, project.root, name) for name in _FILES}
    if outside := _outside(files["pyproject.toml"] or ""):
        return manual(found, f"{outside} lies beside the project, and a copy would not see it")
    copy = str(system.flavour(bench.scratch, "project"))
    for name, text in files.items():
        if text is not None:
            system.write_bytes(str(system.flavour(copy, name)), text.encode())
    bench.say(f"{' '.join(rules.lock)}, in a copy of the project")
    done = system.run(
        (poetry.path, *rules.lock[1:], "--no-interaction"),
        env=environment(bench.scratch),
        cwd=copy,
        timeout=_SECONDS,
    )
    new = system.read_text(str(system.flavour(copy, "poetry.lock")))
    if not done.ok or new is None or new == files["poetry.lock"]:
        said = (done.err.strip() or done.out.strip()).splitlines()[-3:]
        why = done.problem or f"exit code {done.code}"
        words = redact_text(" ".join(said), system.home())  # addresses can carry credentials
        return manual(found, f"{' '.join(rules.lock)} did not renew it ({why}): {words}")
    return Repair(
        found.key,
        found.code,
        "ask",
        "Lock again for the manifest as it is; pinned versions stay where the manifest allows.",
        (Write("put the renewed lock in place", system.real_path(project.lock.path), new),),
        details=differences(files["poetry.lock"] or "", new),
    )


def environment(scratch: str) -> dict[str, str | None]:
    """Variables for a Poetry that touches no environment and waits for no keyring."""
    return {
        **CLEARED,
        "POETRY_KEYRING_ENABLED": "false",
        "POETRY_NO_INTERACTION": "1",
        "POETRY_VIRTUALENVS_IN_PROJECT": "false",
        "POETRY_VIRTUALENVS_PATH": f"{scratch}/virtualenvs",
    }


def differences(before: str, after: str) -> tuple[str, ...]:
    """What two locks say differently: packages that come, go or move."""
    old, new = _versions(before), _versions(after)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    if not changed:
        return (f"all {len(new)} packages keep their versions",)
    return tuple(
        f"{name}: {', '.join(old.get(name, ['absent']))} → {', '.join(new.get(name, ['gone']))}"
        for name in changed
    )


def _versions(lock: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, version in _PACKAGE.findall(lock.replace("\r\n", "\n")):
        found.setdefault(name, []).append(version)
    return {name: sorted(versions) for name, versions in found.items()}


def _read(bench: Bench, folder: str, name: str) -> str | None:
    return bench.system.read_text(str(bench.system.flavour(folder, name)))


def _outside(manifest: str) -> str | None:
    """A path dependency of the manifest: what it names is not in a copy of the manifest."""
    data, _ = parse_toml(manifest, "pyproject.toml")
    tables: list[Any] = [get(data, "tool", "poetry", "dependencies")]
    tables.append(get(data, "tool", "poetry", "dev-dependencies"))
    groups = get(data, "tool", "poetry", "group")
    if isinstance(groups, dict):
        tables += [get(group, "dependencies") for group in groups.values()]
    for table in tables:
        for value in table.values() if isinstance(table, dict) else ():
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict) and isinstance(item.get("path"), str):
                    return str(item["path"])
    listed = get(data, "project", "dependencies")
    local = [item for item in listed if "@ file:" in str(item)] if isinstance(listed, list) else []
    return str(local[0]) if local else None
