"""Whatever a machine says, judging it ends with verdicts, and every finding can be shown."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.judging import RTX_4090, case
from llmdoctor.checks import capabilities, run_checks
from llmdoctor.machine import (
    Disk,
    Environment,
    Gpu,
    Host,
    Libc,
    Lock,
    Machine,
    Memory,
    Nvidia,
    Package,
    PciDevice,
    Project,
    Reading,
    Tool,
    Torch,
)

VERSIONS = st.one_of(
    st.sampled_from(
        ["", "0", "3.12.4", "3.8", "3.14.0rc1", "550.54.14", "2.9.1+cu126", "2.6.0a0+git1", "2.0"]
    ),
    st.text(max_size=8),
)
MAYBE = st.none() | VERSIONS
WORDS = st.sampled_from(
    ["Driver/library version mismatch", "Driver Not Loaded", "Found no NVIDIA driver", "", "odd"]
)
SOURCES = st.sampled_from(["nvml", "nvidia-smi", "/proc", "/sys", "report", "assumed"])
READINGS = st.lists(st.builds(Reading, SOURCES, VERSIONS), max_size=3).map(tuple)
ERRORS = st.lists(st.builds(Reading, SOURCES, WORDS), max_size=2).map(tuple)
CAPABILITIES = st.sampled_from([None, "", "6.1", "8.9", "12.1", "99.9", "odd"])
GPUS = st.builds(
    Gpu,
    st.integers(0, 3),
    st.sampled_from([RTX_4090.name, "Orin", ""]),
    CAPABILITIES,
    source=SOURCES,
)
NVIDIA = st.builds(
    Nvidia,
    driver=READINGS,
    cuda=READINGS,
    gpus=st.lists(GPUS, max_size=2).map(tuple),
    pci=st.lists(
        st.builds(
            PciDevice, st.text(max_size=4), st.sampled_from(["10de", "1002"]), MAYBE.map(str)
        ),
        max_size=2,
    ).map(tuple),
    device_nodes=st.sampled_from([(), ("/dev/nvidia0",)]),
    library=st.sampled_from([None, "libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1"]),
    errors=ERRORS,
)
HOSTS = st.builds(
    Host,
    system=st.sampled_from(["linux", "windows", "macos", "unknown", "plan9"]),
    arch=st.sampled_from(["x86_64", "aarch64", "arm64", "unknown", "riscv64"]),
    kernel=st.none() | st.just("5.15.148-tegra"),
    libc=st.none() | st.builds(Libc, st.sampled_from(["glibc", "musl"]), VERSIONS),
    wsl=st.sampled_from([None, 1, 2]),
    container=st.sampled_from([None, "docker"]),
)
REQUIREMENTS = st.sampled_from(
    [
        "torch==2.9.1",
        "numpy>=2; odd",
        "huggingface-hub<2,>=1",
        "numpy (>=2)",
        "",
        ";;",
        "tokenizers",
    ]
)
PACKAGES = st.builds(
    Package,
    st.sampled_from(["transformers", "peft", "torch", "numpy", "huggingface-hub", "poetry"]),
    VERSIONS,
    st.lists(REQUIREMENTS, max_size=3).map(tuple),
    record=st.booleans(),
)
ENVIRONMENTS = st.builds(
    Environment,
    kind=st.sampled_from(["venv", "conda", "system", "missing", "broken"]),
    path=st.sampled_from([None, ".venv", "C:\\odd path\\.venv"]),
    version=MAYBE,
    externally_managed=st.booleans(),
    problem=st.sampled_from([None, "", "its python is now 3.13", "not a Python environment"]),
    packages=st.lists(PACKAGES, max_size=4).map(tuple),
    leftovers=st.sampled_from([(), ("~orch",)]),
    torch=st.none()
    | st.builds(Torch, MAYBE, st.sampled_from([None, "12.6", "13.0", "99", "odd"]), MAYBE),
)
LOCKS = st.builds(
    Lock,
    path=st.just("poetry.lock"),
    generator=MAYBE,
    lock_version=MAYBE,
    content_hash=MAYBE,
    manifest_hashes=st.dictionaries(st.sampled_from(["1.x", "2.0", "2.3", "odd"]), VERSIONS),
    problem=st.sampled_from([None, "", "odd"]),
)
MACHINES = st.builds(
    Machine,
    host=HOSTS,
    memory=st.builds(Memory, *[st.none() | st.integers(0, 2**40)] * 4),
    disks=st.lists(
        st.builds(
            Disk,
            st.sampled_from(["environment", "temp", "odd"]),
            st.just("/"),
            st.integers(0, 2**40),
            st.integers(0, 2**40),
            st.booleans(),
        ),
        max_size=3,
    ).map(tuple),
    nvidia=NVIDIA,
    tools=st.lists(st.builds(Tool, st.just("poetry"), st.just("/p"), MAYBE, MAYBE), max_size=1).map(
        tuple
    ),
    environment=ENVIRONMENTS,
    project=st.none()
    | st.builds(
        Project,
        st.just("/"),
        tool=st.sampled_from([None, "poetry", "uv"]),
        requires_python=MAYBE,
        lock=st.none() | LOCKS,
        problem=st.sampled_from([None, "", "odd"]),
    ),
    variables=st.dictionaries(
        st.sampled_from(["CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"]), VERSIONS
    ),
)


@pytest.mark.parametrize("names", [(), ("cpu",), ("mainline",), ("flashattn",)], ids=str)
@given(machine=MACHINES)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_judging_never_crashes_and_every_finding_can_be_shown(
    names: tuple[str, ...], machine: Machine
) -> None:
    from llmdoctor import profiles
    from llmdoctor.checks import Case

    wanted = tuple(profiles.find(name) for name in names)
    verdicts = run_checks(Case(machine, wanted))
    assert [verdict for verdict in verdicts if verdict.outcome == "crash"] == []
    for verdict in verdicts:
        assert (verdict.outcome == "skip") == (verdict.reason is not None)
        for found in verdict.findings:
            assert found.code == verdict.code
            assert 0 < len(found.title) <= 70, found.title
            assert found.detail
            assert found.severity != "error" or found.remedy, found
            assert found.remedy is None or found.remedy.summary
    capabilities(Case(machine, wanted))


@pytest.mark.parametrize("system", ["linux", "windows"])
def test_no_command_of_a_remedy_needs_an_administrator(system: str) -> None:
    machine = Machine(host=Host(system, "x86_64"), environment=Environment("broken", problem="odd"))
    for verdict in run_checks(case(machine, "flashattn")):
        for found in verdict.findings:
            for argv in found.remedy.commands if found.remedy else ():
                assert argv[0] not in ("sudo", "apt", "apt-get", "dnf", "yum"), argv
