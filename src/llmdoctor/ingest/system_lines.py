"""The system itself: uname, lsb_release, os-release, ldd, lscpu, lspci, free, python, pip."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llmdoctor.ingest.facts import Facts, merge
from llmdoctor.ingest.fields import Fields, first, said
from llmdoctor.ingest.versions import platform_facts, python_facts
from llmdoctor.machine import Cpu, PciDevice, Tool
from llmdoctor.probe.cpu import FLAGS
from llmdoctor.probe.host import arch, parse_os_release

# The start of a distribution's own name, as PRETTY_NAME and lsb_release give it: os-release's ID.
_DISTRIBUTIONS = (
    ("ubuntu", "ubuntu"), ("debian", "debian"), ("centos", "centos"), ("red hat", "rhel"),
    ("rocky", "rocky"), ("almalinux", "almalinux"), ("fedora", "fedora"), ("arch linux", "arch"),
    ("manjaro", "manjaro"), ("linux mint", "linuxmint"), ("pop!_os", "pop"), ("amazon", "amzn"),
    ("opensuse", "opensuse"), ("suse", "sles"), ("alpine", "alpine"), ("nixos", "nixos"),
    ("gentoo", "gentoo"), ("kali linux", "kali"), ("oracle linux", "ol"),
    ("scientific", "scientific"), ("cbl-mariner", "mariner"), ("endeavouros", "endeavouros"),
    ("zorin", "zorin"),
    ("elementary", "elementary"), ("void linux", "void"),
)  # fmt: skip
_NUMBER = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,2}")
_IN_BRACKETS = re.compile(r"\(([A-Za-z0-9_.]+)\)\s*$")
_MACHINES = frozenset({
    "x86_64", "aarch64", "arm64", "amd64", "i686", "i386", "ppc64le", "armv7l", "s390x", "riscv64",
})  # fmt: skip
# A container that is started, and the prompt in one: Docker names it by twelve digits.
_CONTAINER = re.compile(
    r"(?:[$#] )?(?:sudo )?(docker|podman) (?:container )?run |root@[0-9a-f]{12}:"
)
_PYTHON_LINE = re.compile(r"Python [23]\.\d{1,2}\.\d{1,3}\S{0,12}(?: |$)")
_PIP_LINE = re.compile(r"pip (\d[\w.]{0,20}) from (.{1,300}) \(python (\d\.\d{1,2})t?\)")
_TOOL_LINES = (
    ("poetry", re.compile(r"Poetry \(?version (\d[\w.]{0,20})\)?$")),
    ("conda", re.compile(r"conda (\d[\w.]{0,20})$")),
    ("uv", re.compile(r"uv (\d[\w.]{0,20})(?: \(.{0,80}\))?$")),
)
_LDD = re.compile(r"ldd \(.{0,80}\) (\d+\.\d+)$")
_MUSL = re.compile(r"musl libc \(\w{1,20}\)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(TB|GB|MB|GiB|MiB|Gi|Mi)", re.IGNORECASE)
_PCI = re.compile(
    r"((?:[0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) "
    r"(?:VGA compatible controller|3D controller|Display controller)[^:]{0,20}: (.{1,200})",
    re.IGNORECASE,
)
_PCI_ID = re.compile(r"\[([0-9a-f]{4}):([0-9a-f]{4})\]", re.IGNORECASE)
_VENDORS = (("nvidia", "10de"), ("advanced micro devices", "1002"), ("amd", "1002"),
            ("intel", "8086"))  # fmt: skip


def read(lines: Sequence[str], fields: Fields) -> Facts:
    """Everything about the system that some program's own line says."""
    by_field = _by_field(fields)
    return merge(
        [*_by_line(lines), _os_release(lines), _lscpu(fields), by_field, _container(lines)]
    )


def _container(lines: Sequence[str]) -> Facts:
    """Whether the report was made in a container that its own lines start or show."""
    match = next((match for line in lines if (match := _CONTAINER.match(line))), None)
    return Facts(container=match[1] or "docker") if match else Facts()


def os_facts(text: str) -> Facts:
    """A system's name, as a person or a tool writes it: "Ubuntu 22.04.4 LTS (x86_64)"."""
    lower = text.lower()
    bracket = _IN_BRACKETS.search(text)
    machine = bracket[1].lower() if bracket and bracket[1].lower() in _MACHINES else None
    if "e.g." in lower:
        return Facts()  # a template that nobody filled in
    if "wsl" in lower:
        rest = re.sub(r"(?i)wsl ?[12]?|windows ?\d{0,2}|[()]", " ", text).strip()
        generation = 1 if re.search(r"wsl ?1", lower) else 2
        return merge([Facts(system="linux", wsl=generation), os_facts(rest)])
    if "windows" in lower:
        return Facts(system="windows", arch=_windows_arch(lower, machine))
    number = _NUMBER.search(text)
    version = number[0] if number else None
    if lower.startswith(("mac os", "macos", "darwin", "os x")):
        name = "macos"
        return Facts(
            system="macos",
            arch=machine and arch(machine, "macos"),
            distribution=name,
            distribution_version=version,
        )
    known = next((name for start, name in _DISTRIBUTIONS if lower.startswith(start)), None)
    if known is None and ("linux" not in lower or len(text) > 60):
        return Facts()
    if known == "ubuntu" and version:
        version = ".".join(version.split(".")[:2])  # VERSION_ID leaves the point release out
    return Facts(
        system="linux",
        arch=machine and arch(machine, "linux"),
        distribution=known,
        distribution_version=version if known else None,
    )


def _windows_arch(lower: str, machine: str | None) -> str | None:
    if machine:
        return arch(machine, "windows")
    if "arm" in lower:
        return "arm64"
    return "x86_64" if "64-bit" in lower or "64 bit" in lower else None


def bytes_of(text: str) -> int | None:
    """A size such as "31.2 GB", which all these tools count in powers of 1024."""
    match = _SIZE.search(text[:200])
    if match is None:
        return None
    power = {"t": 4, "g": 3, "m": 2}[match[2][0].lower()]
    return int(float(match[1]) * 1024**power)


def _by_line(lines: Sequence[str]) -> Iterator[Facts]:
    for line in lines:
        if not line:
            continue
        head = line[:8]
        if head.startswith(("Linux ", "Darwin ", "MINGW", "MSYS")):
            yield _uname(line.split())
        elif head.startswith("Python ") and _PYTHON_LINE.match(line):
            alone = len(line.split()) == 2  # else a banner, which stands in logs as well
            yield merge([Facts(("python",) if alone else (), 1), python_facts(line[7:])])
        elif head.startswith("pip ") and (pip := _PIP_LINE.match(line)):
            conda = True if "conda" in pip[2] else None
            tool = Tool("pip", "pip", pip[1])
            yield Facts(("pip",), python=pip[3], conda=conda, tools=(tool,))
        elif head.startswith("ldd (") and (libc := _LDD.match(line)):
            yield Facts(("ldd",), libc=f"glibc {libc[1]}")
        elif head.startswith("musl ") and _MUSL.match(line):
            yield Facts(("ldd",), libc="musl unknown")
        elif line[:1] in "0123456789abcdef" and (pci := _PCI.match(line)):
            yield Facts(("lspci",), pci=(_pci(pci[1], pci[2]),))
        elif head.startswith(("Poetry ", "conda ", "uv ")):
            for tool_name, pattern in _TOOL_LINES:
                if found := pattern.match(line):
                    yield Facts(hints=1, tools=(Tool(tool_name, tool_name, found[1]),))


def _uname(words: list[str]) -> Facts:
    """`uname -a`, /proc/version ("Linux version 5.15…"), or what Git Bash calls itself."""
    if words[0].startswith(("MINGW", "MSYS")):
        return Facts(("uname",), system="windows")
    if words[:2] == ["Linux", "version"] and len(words) > 2:
        return Facts(("uname",), system="linux", kernel=words[2])
    machine = next((word for word in reversed(words) if word.lower() in _MACHINES), None)
    if machine is None or len(words) < 5 or not words[2][:1].isdigit():
        return Facts()
    system = "linux" if words[0] == "Linux" else "macos"
    return Facts(
        ("uname",),
        system=system,
        arch=arch(machine, system),
        kernel=words[2] if system == "linux" else None,
    )


def _pci(address: str, text: str) -> PciDevice:
    identity = _PCI_ID.search(text)
    lower = text.lower()
    vendor = next((number for word, number in _VENDORS if word in lower), "")
    full = address if address.count(":") == 2 else f"0000:{address}"
    if identity:
        return PciDevice(full, identity[1].lower(), identity[2].lower())
    return PciDevice(full, vendor, "unknown")


def _os_release(lines: Sequence[str]) -> Facts:
    wanted = ("ID=", "VERSION_ID=", "PRETTY_NAME=")
    facts = parse_os_release("\n".join(line for line in lines if line.startswith(wanted)))
    if not facts:
        return Facts()
    pretty = os_facts(facts.get("PRETTY_NAME", ""))
    return Facts(
        ("os-release",),
        system="linux",
        distribution=facts.get("ID") or pretty.distribution,
        distribution_version=facts.get("VERSION_ID") or pretty.distribution_version,
    )


def _lscpu(fields: Fields) -> Facts:
    machine = first(fields, "architecture")
    known = machine if machine and machine.lower() in _MACHINES else None
    count, model = first(fields, "cpu(s)"), first(fields, "model name")
    present = set((first(fields, "flags") or "").lower().split())
    threads = int(count) if count and count.isdigit() and len(count) < 7 else None
    if known is None and model is None:
        return Facts()
    cpu = Cpu(
        model=model,
        vendor=first(fields, "vendor id"),
        threads=threads,
        flags=tuple(flag for flag in FLAGS if flag in present),
    )
    return Facts(("lscpu",) if known and said(fields, "cpu(s)") else (), arch=_arch(known), cpu=cpu)


def _arch(machine: str | None) -> str | None:
    return "aarch64" if machine == "arm64" else machine and arch(machine, "linux")


def _by_field(fields: Fields) -> Facts:
    """Names that people and small tools give: `OS:`, `Platform:`, `Description:`."""
    parts = []
    for key in ("os", "description", "operating system", "os name", "os version", "distribution"):
        for name in fields.get(key, ()):
            parts.append(os_facts(name))
            platform = platform_facts(name)
            parts += [platform] if platform.system else []
    if value := first(fields, "system ram", "ram"):
        parts.append(Facts(memory=bytes_of(value)))
    if value := first(fields, "shared memory (/dev/shm) size"):
        parts.append(Facts(shm=bytes_of(value)))
    if value := first(fields, "container", "virtualization container"):
        word = value.split()[0].lower()
        if word in ("docker", "podman", "kubernetes", "lxc", "containerd", "apptainer"):
            parts.append(Facts(container=word))
    if (value := first(fields, "docker label")) and value.startswith("sha-"):
        parts.append(Facts(container="docker"))  # Text Generation Inference names its image
    hints = sum(1 for part in parts if part.system)
    return merge([*parts, Facts(hints=1 if hints else 0)])
