"""`--build`: what has no wheel is compiled against the torch of the environment, or not at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from install.conftest import World
from llmdoctor.checks import Case
from llmdoctor.install.compiling import architectures, in_the_way, jobs, toolkit
from llmdoctor.machine import Cuda, Gpu, Machine, Nvidia, Toolkit
from llmdoctor.plan import Choice, Requirement, SourceBuild, Target
from support.nvml import RTX_4090, nvml_env
from support.wheels import build_sdist, fake_torch

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mamba-ssm is for Linux")
ASKED = ("--profile", "edge", "--profile", "mamba", "--no-smoke")
# What the build saw, and a line as ninja writes it.
SETUP = """\
import json, os, sys
seen = {name: os.environ.get(name) for name in (
    "MAMBA_FORCE_BUILD", "CAUSAL_CONV1D_FORCE_BUILD", "MAX_JOBS", "NVCC_THREADS", "CUDA_HOME")}
seen["torch"], seen["python"] = torch.__version__, sys.prefix
with open(os.environ["SEEN_BY_BUILD"], "a") as file:
    file.write(json.dumps(seen) + "\\n")
print("[1/2] nvcc -c selective_scan.cu", flush=True)
"""


@pytest.fixture
def compiling(world: World, fake_nvml: Path) -> World:
    """A GPU, a toolkit of CUDA 13, and an index with the sources of what Mamba needs."""
    kit = add_toolkit(world, "13.0")
    world.environ |= nvml_env(fake_nvml, driver="580.95.05", cuda=13000, gpus=[RTX_4090])
    world.environ |= {"CUDA_HOME": str(kit), "SEEN_BY_BUILD": str(world.folder / "seen")}
    world.environ["PATH"] = f"{compilers(world)}:{world.environ['PATH']}"
    world.index.add("whl/cu130", fake_torch(world.wheels, "2.13.0", "13.0"))
    tools = ("setuptools", "wheel", "packaging", "ninja")
    others = (("einops", "0.8.1"), ("triton", "3.7.1"), ("tilelang", "0.1.8"))
    more = (("apache-tvm-ffi", "0.1.9"), ("quack-kernels", "0.3.4"))
    world.index.add(
        "simple",
        *(world.wheel(name, "70.0") for name in tools),
        *(world.wheel(name, version) for name, version in (*others, *more)),
    )
    return world


def add_toolkit(world: World, version: str) -> Path:
    kit = world.folder / f"cuda-{version}"
    (kit / "bin").mkdir(parents=True)
    (kit / "bin" / "nvcc").write_text("#!/bin/sh\nexit 1\n")
    (kit / "bin" / "nvcc").chmod(0o755)
    (kit / "version.json").write_text(json.dumps({"cuda": {"version": f"{version}.0"}}))
    return kit


def compilers(world: World, version: str = "12.2.0") -> Path:
    """A GCC: this one every toolkit of CUDA 13 takes."""
    folder = world.folder / "compilers"
    folder.mkdir(exist_ok=True)
    for name in ("gcc", "g++"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (Debian) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def sources(world: World, error: str | None = None) -> None:
    for name, version in (("mamba-ssm", "2.3.2.post1"), ("causal-conv1d", "1.7.0")):
        folder = world.folder / f"sources-{error is None}"
        module = name.replace("-", "_")
        source = build_sdist(
            folder, name, version,
            build_imports=("torch",),
            build_code=SETUP + (f"sys.exit({error!r})\n" if error else ""),
            modules={f"{module}/__init__.py": ""},
        )  # fmt: skip
        world.index.add("simple", source)


def seen(world: World) -> list[dict[str, str]]:
    return [json.loads(line) for line in (world.folder / "seen").read_text().splitlines()]


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_what_has_no_wheel_is_compiled_against_the_installed_torch(
    compiling: World, installer: str
) -> None:
    sources(compiling)
    compiling.environ["MAX_JOBS"] = "3"
    done = compiling.run("install", *ASKED, "--build", "--installer", installer, "--yes")
    assert {"mamba_ssm": "2.3.2.post1", "causal_conv1d": "1.7.0"}.items() <= (
        compiling.versions().items()
    )
    assert "compile mamba-ssm 2.3.2.post1 (3 at once" in done.stderr
    assert "[1/2] nvcc -c selective_scan.cu" in done.stderr, "what the compiler says is shown"
    builds = seen(compiling)
    assert len(builds) == 2
    for build in builds:
        assert build["torch"] == "2.13.0+cu130"
        assert build["python"] == str(compiling.venv)
        assert build["MAX_JOBS"] == "3", "the user's own number stays"
        assert build["CUDA_HOME"] == compiling.environ["CUDA_HOME"]
    assert {build["MAMBA_FORCE_BUILD"] for build in builds} == {"TRUE", None}
    again = compiling.run("install", *ASKED, "--build", "--installer", installer, "--yes")
    assert "already right" in again.stdout + again.stderr
    assert len(seen(compiling)) == 2


def test_without_the_option_nothing_is_compiled(compiling: World) -> None:
    sources(compiling)
    told = compiling.run("install", *ASKED, "--yes", code=1)
    assert "--build compiles 2.3.2.post1 here" in " ".join(told.stdout.split())
    assert not compiling.venv.exists()


def test_a_build_that_fails_leaves_nothing_and_keeps_what_it_said(compiling: World) -> None:
    sources(compiling, error="nvcc fatal   : Unsupported gpu architecture 'compute_120'")
    told = compiling.run("install", *ASKED, "--build", "--yes", code=4)
    assert "could not compile mamba-ssm" in told.stderr
    assert "nvcc-too-old-for-gpu" in told.stderr
    assert not compiling.venv.exists()


def test_a_build_that_cannot_succeed_is_not_begun(compiling: World) -> None:
    sources(compiling)
    compilers(compiling, "99.1.0")
    plan = compiling.json("plan", *ASKED, "--build", code=1)
    assert "CUDA004" in {reason["code"] for reason in plan["reasons"]}
    told = compiling.run("install", *ASKED, "--build", "--yes", code=1)
    assert "newer than the CUDA toolkit takes" in told.stdout
    assert not (compiling.folder / "seen").exists()
    assert not compiling.venv.exists()


GIB = 1024**3
RECIPE = SourceBuild("flash-attn", "2.8.3", (), (), "FORCE", "ARCHS", ("80", "90", "100", "120"))


@pytest.mark.parametrize(
    ("threads", "memory", "count", "each"),
    [(64, 512 * GIB, 16, 4), (64, 32 * GIB, 3, 4), (16, 4 * GIB, 1, 1), (2, 64 * GIB, 1, 2)],
)
def test_jobs_are_as_many_as_processors_and_memory_carry(
    threads: int, memory: int, count: int, each: int
) -> None:
    assert jobs(threads, memory) == (count, each)


def machine(*capabilities: str, kits: Sequence[Toolkit] = ()) -> Machine:
    gpus = tuple(Gpu(n, "a GPU", compute_capability=cc) for n, cc in enumerate(capabilities))
    return Machine(nvidia=Nvidia(gpus=gpus), cuda=Cuda(toolkits=tuple(kits)))


@pytest.mark.parametrize(
    ("capabilities", "names"),
    [
        (["8.9"], ("80",)),
        (["8.6", "8.0", "9.0"], ("80", "90")),
        (["12.1", "10.3"], ("100", "120")),
        (["7.5"], ()),
        ([], ()),
    ],
)
def test_it_is_compiled_for_the_generation_of_each_gpu(
    capabilities: list[str], names: tuple[str, ...]
) -> None:
    assert architectures(RECIPE, machine(*capabilities)) == names


CU128 = Choice(
    ("mainline",), Target(), feasible=True, torch="2.9.1", variant="cu128",
    requirements=(Requirement("flash-attn", "flash-attn==2.8.3", compiled=RECIPE),),
)  # fmt: skip
KITS = [
    Toolkit("/opt/13", "13.0.0", nvcc=True, source="PATH"),
    Toolkit("/opt/12.4", "12.4.1", nvcc=True),
    Toolkit("/opt/12.8", "12.8.0", nvcc=True),
]


def test_the_toolkit_of_torchs_own_cuda_is_taken_wherever_it_lies() -> None:
    found = toolkit(machine(kits=KITS), CU128)
    assert found is not None
    assert found.path == "/opt/12.8"
    mine = Toolkit("/mine", "12.6.0", nvcc=True, source="CUDA_HOME")
    named = toolkit(machine(kits=[mine, *KITS]), CU128)
    assert named is mine, "the user's own word, where it is of the right major"


@pytest.mark.parametrize(
    ("kits", "codes"), [([], ["CUDA001"]), (KITS[:1], ["CUDA002"]), (KITS, [])]
)
def test_a_toolkit_of_torchs_cuda_has_to_be_there(kits: list[Toolkit], codes: list[str]) -> None:
    case = Case(machine(kits=kits), (), CU128)
    assert [finding.code for finding in in_the_way(case)] == codes
