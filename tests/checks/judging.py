"""Machines with only what matters, and the verdict of one check on them."""

from __future__ import annotations

from llmdoctor import profiles
from llmdoctor.checks import CHECKS, Case
from llmdoctor.finding import Finding, Remedy, Verdict
from llmdoctor.machine import (
    Environment,
    Gpu,
    Host,
    Libc,
    Machine,
    Nvidia,
    Package,
    Reading,
    Torch,
)
from llmdoctor.resolve import resolve
from llmdoctor.target import of_machine

LINUX = Host("linux", "x86_64", "ubuntu", "22.04", "6.8.0-45-generic", Libc("glibc", "2.35"))
ARM = Host("linux", "aarch64", "ubuntu", "24.04", "6.11.0-1016-nvidia", Libc("glibc", "2.39"))
WINDOWS = Host("windows", "x86_64", "windows", "11")
MACOS = Host("macos", "arm64", "macos", "15.1")

RTX_4090 = Gpu(0, "NVIDIA GeForce RTX 4090", "8.9")
GTX_1080_TI = Gpu(0, "NVIDIA GeForce GTX 1080 Ti", "6.1")
RTX_5090 = Gpu(0, "NVIDIA GeForce RTX 5090", "12.0")
GB10 = Gpu(0, "NVIDIA GB10", "12.1")
T4 = Gpu(0, "Tesla T4", "7.5")


def driver(version: str, *gpus: Gpu) -> Nvidia:
    """A driver that answers by NVML and lists these GPUs."""
    return Nvidia(driver=(Reading("nvml", version),), gpus=gpus, library="libnvidia-ml.so.1")


def venv(*packages: Package, torch: str | None = None, python: str = "3.12.4") -> Environment:
    """A virtual environment; `torch` is a version with its build, such as "2.9.1+cu126"."""
    build = (torch or "").partition("+")[2]
    cuda = f"{build[2:4]}.{build[4:]}" if build.startswith("cu") else None
    return Environment(
        "venv",
        "/srv/project/.venv",
        "/srv/project/.venv/bin/python",
        python,
        "/usr/bin",
        packages=(*packages, *((Package("torch", torch),) if torch else ())),
        torch=Torch(torch, cuda) if torch else None,
    )


def named(text: str) -> Package:
    """A package by "name version", as lists of packages are."""
    name, version = text.split(" ")
    return Package(name, version)


def case(machine: Machine, *names: str) -> Case:
    """What `check --profile NAME…` judges: the profiles, and what the resolver makes of them."""
    if not names:
        return Case(machine)
    wanted = tuple(profiles.find(name) for name in names)
    known = tuple(profiles.builtin().values())
    target = of_machine(machine, machine.environment.version or "3.12")
    return Case(machine, wanted, resolve(wanted, known, target))


def judge(code: str, machine: Machine, *names: str) -> Verdict:
    """One check's verdict on one machine, with these profiles wanted."""
    (check,) = (check for check in CHECKS if check.code == code)
    verdict = check.run(case(machine, *names))
    undeclared = [item.cause for item in verdict.findings if not check.may_name(item.cause)]
    assert undeclared == [], f"{code} does not declare that it names these"
    return verdict


def only(verdict: Verdict) -> Finding:
    """The one finding of a check that failed."""
    assert verdict.outcome == "fail", verdict
    (finding,) = verdict.findings
    return finding


def remedy(finding: Finding) -> Remedy:
    """The way out that a finding offers; there has to be one."""
    assert finding.remedy is not None
    return finding.remedy
