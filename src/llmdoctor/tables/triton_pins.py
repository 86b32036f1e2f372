"""Which Triton belongs to a torch, and whether it can be had there."""

from __future__ import annotations

from dataclasses import dataclass

from llmdoctor.tables.read import numbers, read_table, table_date
from llmdoctor.tables.releases import TorchRelease, torch_release


@dataclass(frozen=True)
class TritonPin:
    """The Triton to require. ``newest`` is the last release known of a triton-windows line."""

    package: str
    specifier: str
    reason: str
    newest: str | None = None


@dataclass(frozen=True)
class NoTriton:
    """No Triton for this torch here, and why."""

    reason: str
    cause: str = "no-wheel-for-platform"


def triton_for(torch_version: str, os: str, arch: str, python: str) -> TritonPin | NoTriton:
    """The Triton that goes with a torch on one platform and Python ("3.12", "3.13t").

    torch pins Triton on Linux x86_64 only (on aarch64 too since 2.11) and never on Windows, so
    the pin has to be written out everywhere. Raises UnknownRelease for an unknown torch.
    """
    release = torch_release(torch_version)
    if os == "windows":
        return _on_windows(release, arch)
    if os == "linux":
        return _on_linux(release, arch, python)
    return NoTriton(f"Triton has no wheels for {os}")


def _on_linux(release: TorchRelease, arch: str, python: str) -> TritonPin | NoTriton:
    wanted = f"torch {release.version} goes with triton{release.triton}"
    below = release.triton_below_python
    if below is not None and numbers(python) >= numbers(below):
        return NoTriton(f"torch {release.version} asks for Triton below Python {below} only")

    table = read_table("triton")
    since = {row["on"]: row["since"] for row in table["wheels"]}.get(f"linux-{arch}")
    if since is None:
        return NoTriton(f"Triton has no wheels for Linux {arch}")
    if numbers(release.triton) < numbers(since):
        return NoTriton(f"{wanted}, but Triton has wheels for Linux {arch} only from {since}")

    line = _line(release.triton)
    pythons = {row["line"]: row["python"] for row in table["python"]}.get(line)
    if pythons is not None and python not in pythons:
        return NoTriton(f"{wanted}, which has no wheel for Python {python} ({', '.join(pythons)})")
    return TritonPin("triton", release.triton, wanted)


def _on_windows(release: TorchRelease, arch: str) -> TritonPin | NoTriton:
    windows = read_table("triton")["windows"]
    row = next((row for row in windows["line"] if release.minor in row["torch"]), None)
    if row is None:
        return NoTriton(
            f"torch {release.version} goes with Triton {_line(release.triton)}, and "
            f"{windows['package']} has no such line in the table of {table_date('triton')}",
            windows["cause"],
        )
    line = row["line"]
    if arch != "x86_64" and numbers(line) < numbers(windows["arm64_since"]):
        return NoTriton(
            f"torch {release.version} goes with {windows['package']} {line}, which has wheels for "
            f"x86_64 only; those for arm64 begin with {windows['arm64_since']}",
            windows["cause"],
        )
    major, minor = numbers(line)
    return TritonPin(
        windows["package"],
        f">={line},<{major}.{minor + 1}",
        f"torch {release.version} goes with Triton {line}; on Windows that is {windows['package']}",
        newest=row["newest"],
    )


def _line(specifier: str) -> str:
    """The minor line a requirement is in: "==3.5.1" -> "3.5"."""
    major, minor = numbers(specifier)[:2]
    return f"{major}.{minor}"
