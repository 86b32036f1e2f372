"""LOCK: whether what a lock lists can be installed here."""

from __future__ import annotations

from collections.abc import Iterable

from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.checks.poetry import lock_command
from llmdoctor.finding import Remedy
from llmdoctor.locked import Unfit
from llmdoctor.machine import Lock, Machine

_READERS = ("lock", "project", "host", "environment")
_OF_POETRY = "poetry-no-wheel-for-python"  # the words that Poetry has for both


@check(
    "LOCK003",
    cause="wheel-tag-mismatch",
    also=("glibc-too-old",),
    readers=_READERS,
)
def foreign_address(case: Case) -> Answer:
    """The lock takes a wheel by address that is not for this machine.

    What: Compares the tags in the names of wheels that are locked as a URL or as a path with the
    environment's Python and this system. Markers, groups and extras are taken into account.

    Why: Poetry stops in the middle with "cannot be installed in the current environment", and what
    it changed until then stays. A wheel that is a path it installs without looking, and the import
    fails. Its dry run tells neither.

    Remedy: Say in pyproject.toml for which platform the wheel is (`markers = "sys_platform ==
    'win32'"`), and lock again. Locking again alone changes nothing: the address comes from the
    manifest.

    Known problems: Where no Python is chosen yet, only the platform is judged.
    """
    lock = _lock(case.machine)
    if isinstance(lock, Skip):
        return lock
    wrong = [item for item in lock.unfit if item.origin != "index"]
    if not wrong:
        return None
    silently = lock.tool == "poetry" and all(item.origin == "path" for item in wrong)
    return finding(
        foreign_address,
        f"{_here(case.machine)} and "
        + ("Poetry installs it without looking." if silently else "installing from it fails."),
        cause=_glibc(wrong),
        evidence=_evidence(wrong),
        where=lock.path,
        line=wrong[0].line,
        remedy=Remedy(
            "Say in pyproject.toml for which platform the wheel is "
            f'(`markers = "{marker_for(wrong[0])}"`), and lock again.',
            "ask",
            (lock_command(case.machine),),
        ),
    )


@check(
    "LOCK004",
    cause="no-wheel-for-platform",
    also=("glibc-too-old", "poetry-no-wheel-for-python"),
    readers=_READERS,
)
def foreign_wheels_only(case: Case) -> Answer:
    """A locked package has wheels for other platforms only.

    What: Compares the names of all files that the lock lists of a package with this system. Only
    packages that an install here asks for are judged, and one with an sdist can be built.

    Why: Poetry says "Unable to find installation candidates", uv that there is no wheel for the
    current platform. Poetry says so in the middle of the install, and its dry run does not.

    Remedy: Give the package a marker for the platforms that it is for, or pin a release that has a
    wheel for this one, and lock again.

    Known problems: Wheels that the index got after the lock was written are not in it: locking
    again may be enough.
    """
    lock = _lock(case.machine)
    if isinstance(lock, Skip):
        return lock
    wrong = [item for item in lock.unfit if item.origin == "index" and item.kind != "python"]
    if not wrong:
        return None
    return finding(
        foreign_wheels_only,
        f"{_here(case.machine)}, and the lock lists nothing for it.",
        cause=_glibc(wrong) or _cause(lock),
        evidence=_evidence(wrong),
        where=lock.path,
        line=wrong[0].line,
        remedy=Remedy(
            "Give it a marker for its platforms, or pin a release with a wheel for this one; then "
            "lock again.",
            "ask",
            (lock_command(case.machine),),
        ),
    )


@check(
    "LOCK005",
    cause="no-wheel-for-python",
    also=("poetry-no-wheel-for-python",),
    readers=_READERS,
)
def no_file_for_python(case: Case) -> Answer:
    """A locked package has no file for the environment's Python.

    What: Compares the names of all files that the lock lists of a package with the version of the
    environment's Python. Only packages that an install here asks for are judged.

    Why: The pinned release is older than this Python, or has dropped it. Poetry says "Unable to
    find installation candidates", uv that there is no wheel for the Python ABI.

    Remedy: Make the environment with a Python that the package has a wheel for, or update that one
    package in the lock.

    Known problems: The environment that is there counts; Poetry may choose another Python.
    """
    lock = _lock(case.machine)
    if isinstance(lock, Skip):
        return lock
    wrong = [item for item in lock.unfit if item.origin == "index" and item.kind == "python"]
    if not wrong:
        return None
    return finding(
        no_file_for_python,
        f"The environment has Python {case.machine.environment.version}, and the lock lists "
        "nothing for it.",
        cause=_cause(lock),
        evidence=_evidence(wrong),
        where=lock.path,
        line=wrong[0].line,
        remedy=Remedy(
            f"Make the environment with {wrong[0].made_for}, or update the package in the lock.",
            "ask",
            (_update(lock, wrong),) if lock.tool != "pip" else (),
        ),
    )


@check("LOCK006", cause=None, severity="warning", readers=("lock", "project"))
def strays(case: Case) -> Answer:
    """The lock takes ordinary packages from the PyTorch index.

    What: Looks in the lock for packages other than torch's own that come from
    download.pytorch.org.

    Why: That index keeps some old releases of common packages, and wheels for few platforms. It is
    taken where its entry in pyproject.toml is not explicit.

    Remedy: Make the index explicit, name it at torch, torchvision and torchaudio alone, and lock
    again.

    Known problems: A project that is meant to install from that index alone is told as well.
    """
    lock = _lock(case.machine)
    if isinstance(lock, Skip):
        return lock
    if not lock.strays:
        return None
    return finding(
        strays,
        f"{len(lock.strays)} packages that are not torch's come from the PyTorch index.",
        evidence=lock.strays[:20],
        where=lock.path,
        remedy=Remedy(
            "Make the index explicit in pyproject.toml, and lock again.",
            "ask",
            (lock_command(case.machine),),
        ),
    )


@check("LOCK007", cause=None, readers=("project",))
def unknown_format(case: Case) -> Answer:
    """The lock is of a format that no tool is known to read.

    What: Compares the format that the lock names with those in the table. For poetry.lock that is
    POETRY002's question.

    Why: A lock of a later format is refused: "unsupported lockfile version".

    Remedy: Update the tool that installs from it.

    Known problems: A format that came out after the table is told as well, with the table's date.
    """
    project = case.machine.project
    lock = project.lock if project else None
    if lock is None or lock.problem or lock.lock_version is None or lock.tool == "poetry":
        return Skip("there is no lock of uv or of PEP 751 whose format can be read")
    major = lock.lock_version.partition(".")[0]
    if major == "1":  # nearly all: the table need not be read
        return None
    from llmdoctor.tables.read import read_table

    table = read_table("locks")
    known = [row["format"] for row in table["lock"] if row["tool"] == lock.tool]
    if major in {number.partition(".")[0] for number in known}:
        return None
    return finding(
        unknown_format,
        f"The lock has format {lock.lock_version}; the table of {table['table']['date']} knows "
        f"{', '.join(known)}.",
        evidence=(f"version {lock.lock_version}",),
        where=lock.path,
        remedy=Remedy("Update what installs from it.", "ask", _newer(lock)),
    )


def _lock(machine: Machine) -> Lock | Skip:
    lock = machine.project.lock if machine.project else None
    if lock is None or lock.problem:
        return Skip("there is no lock that can be read")
    if lock.packages is None:
        return Skip("the packages in the lock were not looked at")
    return lock


def marker_for(item: Unfit) -> str:
    """The marker of the platform that a wheel was made for."""
    system, _, processor = item.made_for.partition(" ")
    platform = {"Windows": "win32", "macOS": "darwin"}.get(system, "linux")
    if item.kind != "platform":
        return "python_version == '...'" if item.kind == "python" else "sys_platform == '...'"
    machine = {("win32", "x86_64"): "AMD64", ("win32", "aarch64"): "ARM64"}
    processor = machine.get((platform, processor), processor.partition(" ")[0])
    if platform == "darwin":
        processor = {"aarch64": "arm64"}.get(processor, processor)
    tail = f" and platform_machine == '{processor}'" if processor else ""
    return f"sys_platform == '{platform}'{tail}"


def _here(machine: Machine) -> str:
    python = machine.environment.version
    host = f"{machine.host.system} {machine.host.arch}"
    return f"This is {host}" + (f" with Python {python}" if python else "")


def _evidence(items: Iterable[Unfit]) -> tuple[str, ...]:
    found = []
    for item in items:
        file = f": {item.files[0]}" if len(item.files) == 1 else f", {len(item.files)} files"
        found.append(f"{item.name} {item.version or ''} is for {item.made_for}{file}")
    return tuple(found)


def _glibc(items: Iterable[Unfit]) -> str | None:
    return "glibc-too-old" if all(item.kind == "glibc" for item in items) else None


def _cause(lock: Lock) -> str | None:
    return _OF_POETRY if lock.tool == "poetry" else None


def _update(lock: Lock, items: Iterable[Unfit]) -> tuple[str, ...]:
    """The command that moves these packages alone."""
    names = tuple(item.name for item in items)
    if lock.tool == "poetry":
        return ("poetry", "update", "--lock", *names)
    return ("uv", "lock", *(word for name in names for word in ("--upgrade-package", name)))


def _newer(lock: Lock) -> tuple[tuple[str, ...], ...]:
    return (("uv", "self", "update"),) if lock.tool == "uv" else ()
