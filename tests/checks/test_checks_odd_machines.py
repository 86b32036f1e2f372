"""Whatever a machine says, judging it ends with verdicts, and every finding can be shown."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.judging import RTX_4090, case
from llmdoctor.checks import capabilities, run_checks
from llmdoctor.machine import (
    Cpu,
    Cuda,
    Disk,
    Environment,
    Gpu,
    Host,
    Libc,
    Library,
    Lock,
    Machine,
    Memory,
    Nvidia,
    Package,
    PciDevice,
    Project,
    Quoted,
    Reading,
    Tool,
    Toolkit,
    Torch,
    TorchPlace,
)

VERSIONS = st.one_of(
    st.sampled_from(
        ["", "0", "3.12.4", "3.8", "3.14.0rc1", "550.54.14", "2.9.1+cu126", "2.6.0a0+git1", "2.0"]
    ),
    st.text(max_size=8),
)
MAYBE = st.none() | VERSIONS
WORDS = st.sampled_from(
    [
        "Driver/library version mismatch",
        "Driver Not Loaded",
        "Found no NVIDIA driver",
        "GPU 1: NVMLError_GpuIsLost(15): GPU is lost",
        "Error 802: system not yet initialized",
        "Error 804: forward compatibility was attempted on non supported HW",
        "CUDA unknown error",
        "The NVIDIA driver on your system is too old (found version 9010)",
        "torch.cuda.is_available() is False",
        "",
        "odd",
    ]
)
SOURCES = st.sampled_from(["nvml", "nvidia-smi", "/proc", "/sys", "report", "assumed", "torch"])
READINGS = st.lists(st.builds(Reading, SOURCES, VERSIONS), max_size=3).map(tuple)
ERRORS = st.lists(st.builds(Reading, SOURCES, WORDS), max_size=2).map(tuple)
CAPABILITIES = st.sampled_from([None, "", "6.1", "8.9", "12.1", "99.9", "odd"])
GPUS = st.builds(
    Gpu,
    st.integers(0, 3),
    st.sampled_from([RTX_4090.name, "Orin", ""]),
    CAPABILITIES,
    uuid=st.sampled_from([None, "GPU-1"]),
    mig=st.sampled_from([None, False, True]),
    source=SOURCES,
    mig_devices=st.sampled_from([None, 0, 2]),
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
    denied=st.sampled_from([(), ("/dev/nvidia0",)]),
    modprobe=st.sampled_from([None, False, True]),
    nvswitches=st.sampled_from([0, 4]),
    fabric=st.sampled_from([None, "not started", "in progress", "completed"]),
    fabric_manager=st.sampled_from([None, "running", "stopped", "absent"]),
)
HOSTS = st.builds(
    Host,
    system=st.sampled_from(["linux", "windows", "macos", "unknown", "plan9"]),
    arch=st.sampled_from(["x86_64", "aarch64", "arm64", "unknown", "riscv64"]),
    kernel=st.none() | st.just("5.15.148-tegra"),
    libc=st.none() | st.builds(Libc, st.sampled_from(["glibc", "musl"]), VERSIONS),
    wsl=st.sampled_from([None, 1, 2]),
    container=st.sampled_from([None, "docker"]),
    lost_certificates=st.sampled_from([(), ("SSL_CERT_FILE",)]),
    long_paths=st.sampled_from([None, False, True]),
    runtime_missing=st.sampled_from([(), ("msvcp140.dll",)]),
)
LIBRARIES = st.builds(
    Library,
    st.sampled_from(["libcuda", "libstdc++", "libcudnn", "libcublasLt", "libnvJitLink", "libodd"]),
    st.sampled_from(["LD_LIBRARY_PATH", "compat", "conda", "system"]),
    st.sampled_from(["/a/libcuda.so.1", "/b/libcuda.so", "odd"]),
    MAYBE,
)
CUDA = st.builds(
    Cuda,
    home=st.sampled_from([None, "/usr/local/cuda"]),
    nvcc_version=MAYBE,
    toolkits=st.lists(
        st.builds(
            Toolkit,
            st.just("/usr/local/cuda"),
            MAYBE,
            st.booleans(),
            st.sampled_from(["CUDA_HOME", "PATH", "disk"]),
            st.sampled_from([None, 0, 13]),
        ),
        max_size=2,
    ).map(tuple),
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
    st.sampled_from(
        [
            "bitsandbytes",
            "bitsandbytes-windows",
            "flash-attn",
            "flash-attn-3",
            "huggingface-hub",
            "mamba-ssm",
            "numpy",
            "nvidia-cuda-runtime",
            "nvidia-cuda-runtime-cu12",
            "nvidia-cudnn-cu12",
            "nvidia-cudnn-cu13",
            "peft",
            "poetry",
            "retention",
            "torch",
            "torchao",
            "torchvision",
            "transformers",
            "triton",
            "triton-windows",
            "xformers",
        ]
    ),
    VERSIONS | st.sampled_from(["2.8.3+cu12torch2.8cxx11abitrue", "1.0+cu118", "2.1+pt26cu124"]),
    st.lists(REQUIREMENTS, max_size=3).map(tuple),
    st.lists(
        st.sampled_from(["", "odd", "cp312-cp312-win_amd64", "a-b-c", "cp3x-abi3-manylinux_x_y_z"]),
        max_size=2,
    ).map(tuple),
    record=st.booleans(),
    metadata=st.booleans(),
    present=st.booleans(),
    origin=st.none() | st.sampled_from(["", "odd", "x-1+cu12torch2.8-cp312-cp312-any.whl"]),
    libraries=st.sampled_from([(), ("libbitsandbytes_cuda126.so",), ("odd",)]),
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
    user_site=st.sampled_from([None, "/home/a/site"]),
    user_packages=st.lists(PACKAGES, max_size=2).map(tuple),
    shadows=st.sampled_from([(), ("/x/torch",)]),
    stale_scripts=st.sampled_from([(), ("/x/bin/pip",)]),
    headers=st.sampled_from([None, False, True]),
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
    cpu=st.builds(Cpu, threads=st.sampled_from([None, 0, 64])),
    cuda=CUDA,
    libraries=st.lists(LIBRARIES, max_size=3).map(tuple),
    compilers=st.lists(
        st.builds(Tool, st.sampled_from(["gcc", "g++", "cl"]), st.just("/c"), MAYBE), max_size=2
    ).map(tuple),
    memory=st.builds(Memory, *[st.none() | st.integers(0, 2**40)] * 5),
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
        groups=st.sampled_from([(), ("main", "dev")]),
        extras=st.sampled_from([(), ("gpu",)]),
        torch_places=st.sampled_from(
            [(), (TorchPlace("torch", "https://download.pytorch.org/whl/cu128"),)]
        ),
        commands=st.sampled_from(
            [
                (),
                (Quoted("README.md", 1, "poetry lock --no-update"), Quoted("x", 2, "poetry shell")),
                (Quoted("Makefile", 3, "poetry install --with gpu,odd"), Quoted("y", 4, "poetry")),
            ]
        ),
        keyring=st.sampled_from([None, False, True]),
    ),
    variables=st.dictionaries(
        st.sampled_from(
            [
                "BNB_CUDA_VERSION",
                "CUDA_VISIBLE_DEVICES",
                "DBUS_SESSION_BUS_ADDRESS",
                "HF_HUB_OFFLINE",
                "MAX_JOBS",
                "LD_LIBRARY_PATH",
                "PYTHONHOME",
                "PYTORCH_ALLOC_CONF",
                "PYTORCH_CUDA_ALLOC_CONF",
            ]
        ),
        VERSIONS,
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
