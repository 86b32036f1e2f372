"""Versions as reports write them: of Python, of torch and its build, of a platform."""

from __future__ import annotations

import re

from llmdoctor.ingest.facts import Facts

_PYTHON = re.compile(r"[23]\.\d{1,2}(?:\.\d{1,3})?(?:(?:a|b|rc)\d+)?")
_TORCH = re.compile(r"\d{1,4}(?:\.\d{1,8})+[A-Za-z0-9.+_-]*")
_CONDA = ("packaged by conda-forge", "packaged by anaconda", "anaconda, inc", "continuum")
_LINUX = re.compile(
    r"Linux-(?P<kernel>.{1,200}?)"
    r"-(?P<arch>x86_64|aarch64|arm64|armv\w{1,4}|ppc64le|s390x|riscv64|i[3-6]86)"
    r"(?:-with-?(?P<libc>[\w.+-]{0,60}))?"
)
_LIBC = re.compile(r"(glibc|musl)-?(\d{1,3}(?:\.\d{1,3})+)")
_MACOS = re.compile(r"(?:macOS|Darwin)-(\d{1,3}(?:\.\d{1,3}){0,2})-(arm64|x86_64)")


def python_facts(text: str) -> Facts:
    """A Python's version with what stands around it in `sys.version`."""
    match = _PYTHON.search(text[:64])
    if match is None:
        return Facts()
    lower = text.lower()
    free_threaded = "free-threading" in lower or "free-threaded" in lower
    windows = "[msc v." in lower
    arch = "x86_64" if "(amd64)" in lower else "arm64" if windows and "(arm64)" in lower else None
    return Facts(
        python=match[0] + ("t" if free_threaded else ""),
        conda=True if any(word in lower for word in _CONDA) else None,
        system="windows" if windows else None,
        arch=arch,
    )


def torch_facts(version: str) -> Facts:
    """Torch's version with what its local part says of the build."""
    match = _TORCH.match(version)
    if match is None:
        return Facts()
    found = match[0].rstrip(".-_")
    return Facts(torch=found, build=build_of(found))


def build_of(version: str) -> str | None:
    """The build in a local version: "2.4.0+cu121" -> "12.1", "+cpu" -> "cpu", "+rocm6.2"."""
    local = version.partition("+")[2].lower()
    if match := re.match(r"cu(?:da)?(\d{2})(\d)(?!\d)", local):
        return f"{match[1]}.{match[2]}"
    if match := re.match(r"cu(\d)(\d)(?!\d)", local):  # cu92, the last of its kind
        return f"{match[1]}.{match[2]}"
    if match := re.match(r"(?:rocm|hip)(\d+(?:\.\d+)*)", local):
        return f"rocm{match[1]}"
    return "cpu" if local.startswith(("cpu", "xpu")) else None


def platform_facts(text: str) -> Facts:
    """What `platform.platform()` gave."""
    if match := _LINUX.search(text):
        kernel, arch = match["kernel"], match["arch"]
        if kernel.endswith(f"-{arch}"):  # "3.10.0-1160.el7.x86_64-x86_64"
            kernel = kernel[: -len(arch) - 1]
        libc = _LIBC.match(match["libc"] or "")
        return Facts(
            system="linux",
            arch="aarch64" if arch == "arm64" else arch,
            kernel=kernel,
            libc_of_python=f"{libc[1]} {libc[2]}" if libc else None,
        )
    if match := _MACOS.search(text):
        version = match[1] if text.lstrip().startswith("macOS") else None
        return Facts(
            system="macos", arch=match[2], distribution="macos", distribution_version=version
        )
    if re.search(r"\bWindows-\d", text):
        return Facts(system="windows", arch="arm64" if "ARM64" in text else None)
    return Facts()


def libc_facts(text: str) -> Facts:
    """`glibc-2.35`, as collect_env writes it."""
    match = _LIBC.match(text)
    return Facts(libc=f"{match[1]} {match[2]}") if match else Facts()
