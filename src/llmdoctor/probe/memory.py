"""Main memory, the control group's limit, and /dev/shm."""

from __future__ import annotations

import re

from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Memory
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.paths import is_windows
from llmdoctor.system import System

# Version 1 writes "no limit" as the largest multiple of the page size.
_NO_LIMIT = 1 << 60

# Windows tells it only through a call; GlobalMemoryStatusEx fills length, load and seven sizes.
_ASK_WINDOWS = (
    "import ctypes as c, struct as s;"
    "b = c.create_string_buffer(s.pack('<II7Q', 64, *[0] * 8), 64);"
    "print(c.windll.kernel32.GlobalMemoryStatusEx(b), *s.unpack('<II7Q', b.raw)[2:6])"
)


def read_memory(system: System, guard: Guard) -> Memory:
    """Sizes in bytes. `limit` is the tightest of the control groups that this process is in."""
    sizes = guard(dict[str, int](), _sizes, system)
    return Memory(
        total=sizes.get("MemTotal"),
        available=sizes.get("MemAvailable"),
        swap=sizes.get("SwapTotal"),
        limit=guard(None, _limit, system),
        shm=guard(None, _shm, system),
    )


def parse_meminfo(text: str) -> dict[str, int]:
    """The lines of /proc/meminfo that are sizes, in bytes."""
    found = re.findall(r"^([A-Za-z]\w*):[ \t]*([0-9]{1,18})[ \t]*kB", text, re.MULTILINE)
    return {key: int(value) * 1024 for key, value in found}


def parse_memory_status(text: str) -> dict[str, int]:
    """Success, total, available, page file total and free, as the Windows child prints them."""
    words = text.split()
    if len(words) != 5 or words[0] == "0" or not all(w.isascii() and w.isdigit() for w in words):
        raise UnreadableError("GlobalMemoryStatusEx", f"answered {text.strip()!r}", status="failed")
    total, available, commit = (int(word) for word in words[1:4])
    # The commit limit holds main memory as well as the page file.
    return {"MemTotal": total, "MemAvailable": available, "SwapTotal": max(0, commit - total)}


def cgroup_files(text: str) -> tuple[str, ...]:
    """The files with the memory limits of /proc/self/cgroup's groups and of those above them."""
    files: list[str] = []
    for line in text.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            root, name = "/sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        parts = [part for part in path.split("/") if part and part != ".."]
        # Inside a container the path may be the host's: then only the groups above are visible.
        depths = range(len(parts), -1, -1)
        files += ["/".join([root, *parts[:depth], name]) for depth in depths]
    return tuple(dict.fromkeys(files))


def parse_limit(text: str | None) -> int | None:
    """One limit file; None for "max", the number that means it, and anything else."""
    word = (text or "").strip()
    if not (word.isascii() and word.isdigit() and len(word) < 20):
        return None
    return int(word) if int(word) < _NO_LIMIT else None


def _sizes(system: System) -> dict[str, int]:
    text = system.read_text("/proc/meminfo")
    if text is not None:
        return parse_meminfo(text)
    if is_windows(system):
        done = system.run([system.interpreter(), "-I", "-S", "-c", _ASK_WINDOWS], timeout=10.0)
        if done.problem:
            raise UnreadableError("GlobalMemoryStatusEx", done.problem, status="failed")
        return parse_memory_status(done.out)
    if system.uname().system == "linux":
        raise UnreadableError("/proc/meminfo", "is not there", status="failed")
    done = system.run(["sysctl", "-n", "hw.memsize"], timeout=5.0)
    if not done.out.strip().isdigit():
        raise UnreadableError(
            "sysctl hw.memsize", done.problem or done.err.strip(), status="failed"
        )
    return {"MemTotal": int(done.out)}


def _limit(system: System) -> int | None:
    groups = system.read_text("/proc/self/cgroup")
    if groups is None:
        return None
    limits = [parse_limit(system.read_text(path, 64)) for path in cgroup_files(groups)]
    return min((limit for limit in limits if limit is not None), default=None)


def _shm(system: System) -> int | None:
    if is_windows(system) or not system.exists("/dev/shm"):  # noqa: S108 - the mount itself is asked about
        return None
    space = system.space("/dev/shm")  # noqa: S108
    return space.total if space else None
