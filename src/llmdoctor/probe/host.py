"""Operating system, C library, WSL and container."""

from __future__ import annotations

import re

from llmdoctor.machine import Host, Libc
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.nvidia_text import parse_tegra_release
from llmdoctor.probe.paths import absolute, join
from llmdoctor.system import System

_ARCH = {"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "arm64": "arm64"}
_CERTIFICATES = (
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
)
_FILE_SYSTEM = r"HKLM\SYSTEM\CurrentControlSet\Control\FileSystem"
# What torch's libraries load from the system: the Visual C++ runtime, and its OpenMP.
_RUNTIME = ("msvcp140.dll", "vcruntime140.dll", "vcruntime140_1.dll", "libomp140.x86_64.dll")
_UNTOLD: tuple[str | None, str | None] = (None, None)
_CGROUP_NAMES = (
    ("kubepods", "kubernetes"),
    ("libpod", "podman"),
    ("docker", "docker"),
    ("containerd", "containerd"),
    ("lxc", "lxc"),
)


def read_host(system: System, guard: Guard) -> Host:
    """Describe the system: from files and the kernel's own name, without running anything."""
    name = system.uname()
    distribution, version = guard(_UNTOLD, _distribution, system, name.system)
    return Host(
        system=name.system,
        arch=arch(name.machine, name.system),
        distribution=distribution,
        distribution_version=version,
        kernel=name.release,
        libc=guard(None, _libc, system) if name.system == "linux" else None,
        wsl=wsl(name.release) if name.system == "linux" else None,
        container=guard(None, _container, system) if name.system == "linux" else None,
        jetson=guard(None, _jetson, system) if name.system == "linux" else None,
        lost_certificates=guard((), _lost_certificates, system),
        long_paths=guard(None, _long_paths, system) if name.system == "windows" else None,
        runtime_missing=guard((), _runtime_missing, system) if name.system == "windows" else (),
    )


def arch(machine: str, system: str) -> str:
    """The kernel's machine name as wheels of that system spell it."""
    machine = machine.lower()
    if system == "linux" and machine == "arm64":
        return "aarch64"
    if system != "linux" and machine == "aarch64":
        return "arm64"
    return _ARCH.get(machine, machine)


def wsl(release: str) -> int | None:
    """1 or 2 from the kernel release of a Windows Subsystem for Linux, else None.

    Only WSL 2 has a Linux kernel of its own ("microsoft-standard"); WSL 1 imitates one.
    """
    lower = release.lower()
    if "microsoft" not in lower and "wsl2" not in lower:
        return None
    return 2 if "microsoft-standard" in lower or "wsl2" in lower else 1


def parse_os_release(text: str) -> dict[str, str]:
    """The KEY=value lines of /etc/os-release, unquoted."""
    found = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and key and not key.startswith("#"):
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            found[key] = value
    return found


def parse_system_version(plist: str) -> str | None:
    """The macOS version in SystemVersion.plist."""
    match = re.search(r"<key>ProductVersion</key>\s*<string>([\d.]+)</string>", plist)
    return match[1] if match else None


def _distribution(system: System, kind: str) -> tuple[str | None, str | None]:
    if kind == "macos":
        plist = "/System/Library/CoreServices/SystemVersion.plist"
        return "macos", parse_system_version(system.read_text(plist) or "")
    if kind != "linux":
        return None, None
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        text = system.read_text(path)
        if text is not None:
            facts = parse_os_release(text)
            return facts.get("ID") or "linux", facts.get("VERSION_ID") or None
    return None, None


def _libc(system: System) -> Libc | None:
    said = system.confstr("CS_GNU_LIBC_VERSION")  # "glibc 2.36"
    if said and said.startswith("glibc "):
        return Libc("glibc", said.removeprefix("glibc ").strip())
    loaders = [n for n in system.names("/lib") or () if n.startswith("ld-musl-")]
    if not loaders:
        return None
    # The version stands in the loader alone: run without arguments it prints it on stderr.
    said = system.run([f"/lib/{loaders[0]}"], timeout=2.0).err
    match = re.search(r"Version (\d+\.\d+(?:\.\d+)?)", said)
    return Libc("musl", match[1] if match else "unknown")


def _jetson(system: System) -> str | None:
    text = system.read_text("/etc/nv_tegra_release", 200)
    return None if text is None else parse_tegra_release(text)


def _lost_certificates(system: System) -> tuple[str, ...]:
    """Variables that make requests, pip, OpenSSL or curl trust a file, which is not there."""
    separator = ";" if system.uname().system == "windows" else ":"

    def lost(name: str, value: str) -> bool:
        # OpenSSL searches every folder of a list: one that is there may hold what it looks for.
        places = value.split(separator) if name == "SSL_CERT_DIR" else [value]
        return not any(place and system.exists(absolute(system, place)) for place in places)

    environ = system.environ
    return tuple(name for name in _CERTIFICATES if environ.get(name) and lost(name, environ[name]))


def _long_paths(system: System) -> bool | None:
    """Windows keeps the setting in its registry, and ships the program that reads it."""
    done = system.run(["reg", "query", _FILE_SYSTEM, "/v", "LongPathsEnabled"], timeout=5.0)
    match = re.search(r"LongPathsEnabled\s+REG_DWORD\s+0x([0-9a-fA-F]+)", done.out)
    return int(match[1], 16) == 1 if match else None


def _runtime_missing(system: System) -> tuple[str, ...]:
    folder = join(system, system.environ.get("SystemRoot", "C:\\Windows"), "System32")
    return tuple(name for name in _RUNTIME if not system.exists(join(system, folder, name)))


def _container(system: System) -> str | None:
    environ = system.environ
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if system.exists("/run/.containerenv"):
        return "podman"
    if system.exists("/.dockerenv"):
        return "docker"
    if environ.get("APPTAINER_CONTAINER") or environ.get("SINGULARITY_CONTAINER"):
        return "apptainer"
    if environ.get("container"):  # systemd-nspawn, lxc and others set it for their first process
        return environ["container"]
    return container_of_cgroup(system.read_text("/proc/1/cgroup") or "")


def container_of_cgroup(text: str) -> str | None:
    """The kind of container that the first process's control groups are named after."""
    return next((kind for word, kind in _CGROUP_NAMES if word in text), None)
