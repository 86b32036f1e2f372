"""CUDA toolkits on disk, the nvcc that PATH finds, and what CUDA_HOME says."""

from __future__ import annotations

import json
import re

from llmdoctor.machine import Cuda, Toolkit
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.paths import is_windows, join, parent
from llmdoctor.system import System

_HEADER_HEAD = 64 * 1024  # characters; CUDA_VERSION stands in the first quarter of that


def read_cuda(system: System, guard: Guard) -> Cuda:
    """Find toolkits. `nvcc` is the path as PATH finds it: torch derives CUDA_HOME from that."""
    home = system.environ.get("CUDA_HOME") or system.environ.get("CUDA_PATH") or None
    nvcc = guard(None, system.which, "nvcc")
    behind = guard(None, _behind, system, nvcc) if nvcc else None
    places = [("CUDA_HOME", home)] if home else []
    places += [("PATH", parent(system, behind, 2))] if behind else []
    places += [("disk", place) for place in guard(list[str](), _places, system)]
    toolkits: dict[str, Toolkit] = {}
    for source, place in places:
        toolkit = guard(None, _toolkit, system, source, place)
        if toolkit:
            toolkits.setdefault(toolkit.path, toolkit)
    version = None
    if behind:
        own = toolkits.get(parent(system, behind, 2))
        version = own.version if own else guard(None, _ask, system, behind)
    return Cuda(home=home, nvcc=nvcc, nvcc_version=version, toolkits=tuple(toolkits.values()))


def parse_version_json(text: str) -> str | None:
    """The toolkit's version in its version.json."""
    try:
        version = json.loads(text)["cuda"]["version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return version if isinstance(version, str) else None


def parse_cuda_header(text: str) -> str | None:
    """CUDA_VERSION in cuda.h, 12040 for 12.4."""
    match = re.search(r"^#define[ \t]+CUDA_VERSION[ \t]+([0-9]{4,6})\b", text, re.MULTILINE)
    return f"{int(match[1]) // 1000}.{int(match[1]) % 1000 // 10}" if match else None


def parse_host_config(text: str) -> int | None:
    """The newest GCC major that crt/host_config.h lets pass: above it the header is an error."""
    match = re.search(r"^#[ \t]*if[ \t]+__GNUC__[ \t]*>[ \t]*([0-9]{1,3})\b", text, re.MULTILINE)
    return int(match[1]) if match else None


def parse_nvcc(text: str) -> str | None:
    """The release in `nvcc --version`."""
    match = re.search(r"release ([0-9]+\.[0-9]+)", text)
    return match[1] if match else None


def parse_wrapper(text: str) -> str | None:
    """The nvcc that a wrapper script runs."""
    match = (
        re.search(r"(?:^|[\s\"'=])(/[^\s\"'$]*/nvcc)\b", text) if text.startswith("#!") else None
    )
    return match[1] if match else None


def _behind(system: System, nvcc: str) -> str:
    """The nvcc behind links and wrapper scripts: its folder is the toolkit's."""
    real = system.real_path(nvcc)
    target = parse_wrapper((system.read_bytes(real, 1024) or b"").decode("utf-8", "replace"))
    return system.real_path(target) if target and system.exists(target) else real


def _places(system: System) -> list[str]:
    if is_windows(system):
        folder = system.environ.get("ProgramFiles", "C:\\Program Files")
        root = join(system, folder, "NVIDIA GPU Computing Toolkit", "CUDA")
        return [join(system, root, name) for name in system.names(root) or ()]
    local = [name for name in system.names("/usr/local") or () if re.match(r"cuda(-|$)", name)]
    return [*(f"/usr/local/{name}" for name in local), "/opt/cuda"]


def _toolkit(system: System, source: str, place: str) -> Toolkit | None:
    path = system.real_path(place)
    nvcc = join(system, path, "bin", "nvcc.exe" if is_windows(system) else "nvcc")
    has_nvcc = system.exists(nvcc)
    version = _static_version(system, path)
    if version is None and has_nvcc:
        version = _ask(system, nvcc)
    if version is None and not has_nvcc:
        return None
    header = system.read_text(join(system, path, "include", "crt", "host_config.h"), _HEADER_HEAD)
    return Toolkit(
        path,
        version,
        has_nvcc,
        source,
        gcc=parse_host_config(header) if header is not None else None,
        stub=system.exists(join(system, path, "lib64", "stubs", "libcuda.so")),
    )


def _static_version(system: System, path: str) -> str | None:
    text = system.read_text(join(system, path, "version.json"))
    if text is not None and (version := parse_version_json(text)):
        return version
    # Distributions and slimmed-down images leave version.json out; the header is always the truth.
    header = system.read_text(join(system, path, "include", "cuda.h"), _HEADER_HEAD)
    return parse_cuda_header(header) if header is not None else None


def _ask(system: System, nvcc: str) -> str | None:
    return parse_nvcc(system.run([nvcc, "--version"], timeout=5.0).out)
