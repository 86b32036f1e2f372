"""The fakes are only worth something if they behave like the real thing: that is tested here."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
from http.client import IncompleteRead
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename
from uv import find_uv_bin

from support import poetry_projects as poetry
from support import venvs
from support.audit import run_audited
from support.environment import hermetic_env
from support.index import LoopbackIndex, Mode, black_hole, closed_port
from support.nvidia_smi import FIELDS, Failure, fake_nvidia_smi
from support.nvml import A100, GB10, RTX_4090, TESLA_T4, Gpu, nvml_env
from support.tree import assert_same_tree, snapshot, tree_difference
from support.wheels import build_sdist, build_wheel, fake_flash_attn, fake_torch

# uv locks an environment with a file that it leaves behind, whether or not it changed anything.
UV_LEAVES = {".lock"}
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="symlinks and shebangs: POSIX only")


def run(
    *command: str | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], env=env, capture_output=True, text=True, timeout=120
    )


def uv_install(
    env: Path, scratch: Path, *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    command = (find_uv_bin(), "pip", "install", "--python", venvs.python_of(env))
    return run(*command, *arguments, env=hermetic_env(scratch))


def python_in(env: Path, code: str) -> subprocess.CompletedProcess[str]:
    return run(venvs.python_of(env), "-BIc", code)


def get(url: str, timeout: float = 10) -> bytes:
    # No proxy of this machine may stand between a test and the loopback interface.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=timeout) as answer:
        body: bytes = answer.read()
    return body


# --- wheels and sdists


def test_a_wheel_has_the_same_bytes_whenever_and_wherever_it_is_built(tmp_path: Path) -> None:
    one = build_wheel(tmp_path / "a", "toy", "1.0", requires=("idna>=3",))
    two = build_wheel(tmp_path / "b", "toy", "1.0", requires=("idna>=3",))
    assert one.read_bytes() == two.read_bytes()
    assert build_sdist(tmp_path, "toy", "1.0").read_bytes() == (
        build_sdist(tmp_path / "b", "toy", "1.0").read_bytes()
    )


@pytest.mark.parametrize(
    ("name", "version", "stem"),
    [
        ("torch", "2.9.1+cu126", "torch-2.9.1+cu126"),
        ("Flash.Attn--x", "2.8.3.Post2", "flash_attn_x-2.8.3.post2"),
        ("toy", "1.0+CU12-torch2", "toy-1.0+cu12.torch2"),
    ],
)
def test_a_wheel_is_named_in_normalised_form(
    tmp_path: Path, name: str, version: str, stem: str
) -> None:
    wheel = build_wheel(tmp_path, name, version, tag="cp312-cp312-manylinux_2_28_x86_64")
    assert wheel.name == f"{stem}-cp312-cp312-manylinux_2_28_x86_64.whl"
    parse_wheel_filename(wheel.name)


def test_an_installed_wheel_is_complete_by_its_own_record(tmp_path: Path, env: Path) -> None:
    wheel = build_wheel(
        tmp_path, "toy", "1.0", requires=("idna; extra == 'net'",), requires_python=">=3.9"
    )
    done = uv_install(env, tmp_path, "--no-index", wheel)
    assert done.returncode == 0, done.stderr
    (toy,) = importlib.metadata.distributions(name="toy", path=[str(venvs.site_packages(env))])
    assert toy.metadata["Requires-Python"] == ">=3.9"
    assert toy.metadata.get_all("Provides-Extra") == ["net"]
    hashed = [file for file in toy.files or [] if file.hash]
    assert {"toy/__init__.py", "toy-1.0.dist-info/METADATA"} <= {str(file) for file in hashed}
    assert python_in(env, "import toy; print(toy.__version__)").stdout == "1.0\n"


def test_a_corrupt_wheel_is_refused_by_an_installer(tmp_path: Path, env: Path) -> None:
    wheel = build_wheel(tmp_path, "toy", "1.0", corrupt=True)
    assert not zipfile.is_zipfile(wheel)
    before = snapshot(env)
    assert uv_install(env, tmp_path, "--no-index", wheel).returncode != 0
    assert_same_tree(before, snapshot(env, ignore=UV_LEAVES))


@pytest.mark.parametrize(
    ("cuda", "local", "metadata"),
    [("12.6", True, "2.9.1+cu126"), ("12.8", False, "2.9.1"), (None, True, "2.9.1+cpu")],
)
def test_fake_torch_tells_its_cuda_variant_as_real_torch_does(
    tmp_path: Path, env: Path, cuda: str | None, local: bool, metadata: str
) -> None:
    wheel = fake_torch(tmp_path, "2.9.1", cuda, local_in_metadata=local)
    assert uv_install(env, tmp_path, "--no-index", wheel).returncode == 0
    (torch,) = importlib.metadata.distributions(name="torch", path=[str(venvs.site_packages(env))])
    assert torch.version == metadata
    text = (venvs.site_packages(env) / "torch" / "version.py").read_text()
    assert f"cuda: Optional[str] = {cuda!r}\n" in text
    shown = python_in(
        env, "import torch; print(torch.__version__, torch.version.cuda, torch.cuda.is_available())"
    )
    variant = "cpu" if cuda is None else f"cu{cuda.replace('.', '')}"
    assert shown.stdout == f"2.9.1+{variant} {cuda} False\n"


def test_fake_flash_attn_is_named_like_the_release_files_and_can_fail_to_load(
    tmp_path: Path, env: Path
) -> None:
    wheel = fake_flash_attn(tmp_path, import_error="undefined symbol: _ZN3c10")
    assert wheel.name == "flash_attn-2.8.3+cu12torch2.9cxx11abiTRUE-py3-none-any.whl"
    done = uv_install(env, tmp_path, "--no-index", "--no-deps", wheel)
    assert done.returncode == 0, done.stderr
    failed = python_in(env, "import flash_attn")
    assert "ImportError: undefined symbol: _ZN3c10" in failed.stderr


def test_an_sdist_builds_without_network_or_setuptools(tmp_path: Path, env: Path) -> None:
    sdist = build_sdist(tmp_path, "toy", "1.0")
    with tarfile.open(sdist) as archive:
        assert {name.split("/")[0] for name in archive.getnames()} == {"toy-1.0"}
    done = uv_install(env, tmp_path, "--no-index", sdist)
    assert done.returncode == 0, done.stderr
    assert python_in(env, "import toy").returncode == 0


def test_an_sdist_fails_to_build_for_the_reasons_it_was_given(tmp_path: Path, env: Path) -> None:
    undeclared = build_sdist(tmp_path, "flash-attn", "2.8.3", build_imports=("torch",))
    mismatch = build_sdist(tmp_path, "mamba-ssm", "2.3.2", build_error="detected CUDA 13.0")
    first = uv_install(env, tmp_path, "--no-index", undeclared)
    second = uv_install(env, tmp_path, "--no-index", mismatch)
    assert first.returncode != 0
    assert "ModuleNotFoundError: No module named 'torch'" in first.stderr
    assert second.returncode != 0
    assert "RuntimeError: detected CUDA 13.0" in second.stderr


# --- the loopback index


def test_uv_takes_the_variant_from_the_named_index_and_the_test_sees_which_was_asked(
    tmp_path: Path, env: Path, loopback_index: LoopbackIndex
) -> None:
    idna = build_wheel(tmp_path, "idna", "3.20")
    wheel = fake_torch(tmp_path, "2.9.1", "12.6", requires=("idna>=3",))
    loopback_index.add("whl/cu126", wheel, idna)
    loopback_index.add("whl/cpu", fake_torch(tmp_path, "2.9.1", None))
    done = uv_install(env, tmp_path, "--index-url", loopback_index.url("whl/cu126"), "torch==2.9.1")
    assert done.returncode == 0, done.stderr
    assert venvs.dist_info(env, "torch", "2.9.1+cu126").is_dir()
    assert venvs.dist_info(env, "idna", "3.20").is_dir()
    assert loopback_index.asked(f"/whl/cu126/{wheel.name}.metadata")
    assert not loopback_index.asked("/whl/cpu/*")


@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="no pip beside the tests")
def test_pip_installs_from_the_index_too(
    tmp_path: Path, env: Path, loopback_index: LoopbackIndex
) -> None:
    address = loopback_index.add("simple", build_wheel(tmp_path, "toy", "1.0+cu126"))
    pip = (sys.executable, "-m", "pip", "--python", venvs.python_of(env), "install")
    done = run(*pip, "--index-url", address, "toy", env=hermetic_env(tmp_path))
    assert done.returncode == 0, done.stderr
    assert venvs.dist_info(env, "toy", "1.0+cu126").is_dir()


def test_the_index_honours_requires_python_and_yanking(
    tmp_path: Path, env: Path, loopback_index: LoopbackIndex
) -> None:
    loopback_index.add("simple", build_wheel(tmp_path, "toy", "1.0"))
    loopback_index.add("simple", build_wheel(tmp_path, "toy", "2.0"), yanked="broken")
    address = loopback_index.add(
        "simple", build_wheel(tmp_path, "toy", "3.0", requires_python=">=99")
    )
    assert uv_install(env, tmp_path, "--index-url", address, "toy").returncode == 0
    assert venvs.dist_info(env, "toy", "1.0").is_dir()
    assert b'data-requires-python="&gt;=99"' in get(f"{address}toy/")


@pytest.mark.parametrize("mode", ["403", "404", "500"])
def test_a_status_fault_is_answered_with_that_status(
    loopback_index: LoopbackIndex, mode: Mode
) -> None:
    url = loopback_index.put("releases/a+b.whl", b"data")
    loopback_index.fail("/releases/*", mode, times=1)
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(url)
    caught.value.close()
    assert caught.value.code == int(mode)
    assert get(url) == b"data", "only the first request was to fail"
    assert [request.path for request in loopback_index.requests] == ["/releases/a+b.whl"] * 2


def test_a_dropped_connection_comes_halfway_through_the_body(
    loopback_index: LoopbackIndex,
) -> None:
    url = loopback_index.put("file", b"0123456789")
    loopback_index.fail("/file", "disconnect")
    with pytest.raises(IncompleteRead) as caught:
        get(url)
    assert caught.value.partial == b"01234"
    loopback_index.heal()
    assert get(url) == b"0123456789"


def test_a_slow_body_arrives_whole_and_late(loopback_index: LoopbackIndex) -> None:
    url = loopback_index.put("file", b"0123456789")
    loopback_index.fail("/file", "slow")
    begin = time.monotonic()
    assert get(url) == b"0123456789"
    assert time.monotonic() - begin > 0.5


def test_a_wrong_hash_is_refused_and_the_environment_stays_as_it_was(
    tmp_path: Path, env: Path, loopback_index: LoopbackIndex
) -> None:
    address = loopback_index.add("simple", build_wheel(tmp_path, "toy", "1.0"))
    loopback_index.fail("*.whl", "wrong-hash")
    before = snapshot(env)
    done = uv_install(env, tmp_path, "--index-url", address, "toy")
    assert done.returncode != 0
    assert "toy" in done.stderr
    assert_same_tree(before, snapshot(env, ignore=UV_LEAVES))


def test_closing_the_index_releases_a_hanging_request() -> None:
    answers: list[BaseException] = []

    def ask() -> None:
        try:
            get(url)
        except OSError as error:
            answers.append(error)

    with LoopbackIndex() as index:
        url = index.put("file", b"data")
        index.fail("/file", "hang")
        asking = threading.Thread(target=ask)
        asking.start()
        while not index.requests:
            time.sleep(0.01)
        assert not answers
    asking.join(timeout=10)
    assert len(answers) == 1


def test_a_closed_port_refuses_and_a_black_hole_keeps_silent() -> None:
    with closed_port() as url, pytest.raises(urllib.error.URLError) as refused:
        get(url)
    assert isinstance(refused.value.reason, ConnectionRefusedError)
    with black_hole() as url, pytest.raises(TimeoutError):
        get(url, timeout=0.2)


# --- the driver

_PYNVML = """
import json, pynvml as n
n.nvmlInit()
rows = []
for i in range(n.nvmlDeviceGetCount()):
    h = n.nvmlDeviceGetHandleByIndex(i)
    pci = n.nvmlDeviceGetPciInfo(h)
    try:
        one, two = n.nvmlDeviceGetMemoryInfo(h), n.nvmlDeviceGetMemoryInfo(h, n.nvmlMemory_v2)
        memory = [one.total, two.total, one.free + one.used]
    except n.NVMLError_NotSupported:
        memory = None
    try:
        mig = n.nvmlDeviceGetMigMode(h)
    except n.NVMLError_NotSupported:
        mig = None
    rows.append([n.nvmlDeviceGetName(h), memory, n.nvmlDeviceGetCudaComputeCapability(h),
                 n.nvmlDeviceGetUUID(h), pci.busId, pci.bus, mig])
try:
    n.nvmlDeviceGetArchitecture(h)
except n.NVMLError_FunctionNotFound:
    old = True
print(json.dumps([n.nvmlSystemGetDriverVersion(), n.nvmlSystemGetCudaDriverVersion(), rows, old]))
n.nvmlShutdown()
"""


def pynvml_child(code: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-c", code, env={**os.environ, **variables})


def test_the_nvml_binding_reads_the_fake_driver(fake_nvml: Path) -> None:
    named = Gpu("NVIDIA H100, no comma", 1, "9.0")
    assert named.numbered(0).uuid == "GPU-00000000-0000-0000-0000-000000000000"
    special = Gpu("NVIDIA A100", 40960, "8.0", "GPU-abc", "00000000:65:00.0", mig=True)
    variables = nvml_env(
        fake_nvml, driver="580.65.06", cuda=13000, gpus=[RTX_4090, special, A100, GB10]
    )
    done = pynvml_child(_PYNVML, variables)
    assert done.returncode == 0, done.stderr
    driver, cuda, rows, lacks_newer_symbols = json.loads(done.stdout)
    assert (driver, cuda, lacks_newer_symbols) == ("580.65.06", 13000, True)
    total = 24564 << 20
    made_up = "GPU-00000000-0000-0000-0000-00000000000"
    assert rows[0] == [
        RTX_4090.name, [total] * 3, [8, 9], f"{made_up}0", "00000000:01:00.0", 1, None
    ]  # fmt: skip
    assert rows[1][2:] == [[8, 0], "GPU-abc", "00000000:65:00.0", 0x65, [1, 1]]
    assert rows[2][6] == [0, 0]
    assert rows[3][:4] == [GB10.name, None, [12, 1], f"{made_up}3"]


@pytest.mark.parametrize(
    ("init", "error"), [(9, "NVMLError_DriverNotLoaded"), (18, "NVMLError_LibRmVersionMismatch")]
)
def test_nvml_initialisation_fails_with_the_code_it_was_given(
    fake_nvml: Path, init: int, error: str
) -> None:
    done = pynvml_child("import pynvml; pynvml.nvmlInit()", nvml_env(fake_nvml, init=init))
    assert done.returncode == 1
    assert error in done.stderr


def test_nvml_without_a_gpu_counts_none(fake_nvml: Path) -> None:
    code = "import pynvml as n; n.nvmlInit(); print(n.nvmlDeviceGetCount())"
    assert pynvml_child(code, nvml_env(fake_nvml)).stdout == "0\n"


def test_nvml_can_take_its_process_down_or_hang(fake_nvml: Path) -> None:
    code = "import ctypes; ctypes.CDLL('libnvidia-ml.so.1').nvmlInit_v2()"
    assert pynvml_child(code, nvml_env(fake_nvml, crash=True)).returncode == -6
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **nvml_env(fake_nvml, hang=True)},
            timeout=0.7,
        )


@posix_only
def test_nvidia_smi_answers_a_query_with_nothing_else_on_path(tmp_path: Path) -> None:
    fake_nvidia_smi(tmp_path, driver="535.183.01", cuda="12.2", gpus=[TESLA_T4, GB10])
    fields = "index,name,driver_version,memory.total,compute_cap,uuid,pci.bus_id"
    query = ("nvidia-smi", f"--query-gpu={fields}")
    env = {"PATH": str(tmp_path)}
    plain = subprocess.run(
        [*query, "--format=csv,noheader,nounits"], env=env, capture_output=True, text=True
    )
    made_up = "GPU-00000000-0000-0000-0000-00000000000"
    assert plain.stdout == (
        f"0, Tesla T4, 535.183.01, 15360, 7.5, {made_up}0, 00000000:01:00.0\n"
        f"1, NVIDIA GB10, 535.183.01, [N/A], 12.1, {made_up}1, 00000000:02:00.0\n"
    )
    units = run(tmp_path / query[0], "--query-gpu=memory.total,name", "--format=csv")
    assert units.stdout == "memory.total [MiB], name\n15360 MiB, Tesla T4\n[N/A], NVIDIA GB10\n"
    assert run(tmp_path / query[0], "-L").stdout.startswith(f"GPU 0: Tesla T4 (UUID: {made_up}0)\n")


@posix_only
def test_an_old_nvidia_smi_knows_no_compute_capability(tmp_path: Path) -> None:
    known = [field for field in FIELDS if field != "compute_cap"]
    smi = fake_nvidia_smi(tmp_path, driver="470.256", cuda="11.4", gpus=[TESLA_T4], fields=known)
    done = run(smi, "--query-gpu=name,compute_cap", "--format=csv,noheader")
    assert done.returncode == 2
    assert done.stdout == 'Field "compute_cap" is not a valid field to query.\n\n'


@posix_only
def test_the_nvidia_smi_table_is_well_formed(tmp_path: Path) -> None:
    smi = fake_nvidia_smi(
        tmp_path, driver="535.183.01", cuda="12.2", gpus=[TESLA_T4, A100, GB10, RTX_4090]
    )
    table = run(smi).stdout
    assert "Driver Version: 535.183.01     CUDA Version: 12.2" in table
    assert {len(line) for line in table.splitlines()[1:] if line} == {91}
    assert "NVIDIA A100-SXM4-80GB" in table
    assert "81920MiB" in table


@posix_only
@pytest.mark.parametrize(
    ("fail", "code", "text"),
    [
        ("no-driver", 9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA"),
        ("mismatch", 18, "Failed to initialize NVML: Driver/library version mismatch\n"),
        ("no-devices", 6, "No devices were found\n"),
    ],
)
def test_nvidia_smi_fails_with_the_real_texts(
    tmp_path: Path, fail: Failure, code: int, text: str
) -> None:
    smi = fake_nvidia_smi(tmp_path, driver="535.183.01", cuda="12.2", gpus=[TESLA_T4], fail=fail)
    done = run(smi, "--query-gpu=name", "--format=csv,noheader")
    assert done.returncode == code
    assert done.stdout.startswith(text)


@posix_only
def test_nvidia_smi_can_hang(tmp_path: Path) -> None:
    smi = fake_nvidia_smi(tmp_path, driver="535.183.01", cuda="12.2", gpus=[], hang=True)
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([smi], timeout=0.5)


# --- trees


@posix_only
def test_a_tree_difference_names_each_change(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    assert snapshot(tree) == {}
    (tree / "sub").mkdir(parents=True)
    (tree / "same").write_text("1")
    (tree / "sub" / "edited").write_text("1")
    (tree / "sub" / "gone").write_text("1")
    (tree / "link").symlink_to("nowhere")
    before = snapshot(tree)
    assert_same_tree(before, snapshot(tree))
    assert before["sub/edited"].sha256 == hashlib.sha256(b"1").hexdigest()
    (tree / "sub" / "edited").write_text("2")
    (tree / "sub" / "gone").unlink()
    (tree / "same").chmod(0o600)
    (tree / "link").unlink()
    (tree / "link").symlink_to("elsewhere")
    (tree / "new").mkdir()
    (tree / "__pycache__").mkdir()
    after = snapshot(tree, ignore={"__pycache__"})
    lines = tree_difference(before, after)
    assert [line.split(" (")[0].split(":")[0] for line in lines] == [
        "~ link", "+ new", "~ same", "~ sub/edited", "- sub/gone"
    ]  # fmt: skip
    assert lines[0] == "~ link: target nowhere -> elsewhere"
    assert lines[2].endswith("-> 0o600")
    with pytest.raises(AssertionError, match=r"changed in 5 place\(s\):\n~ link"):
        assert_same_tree(before, after)


def test_a_touched_file_differs_only_when_times_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    plain, timed = snapshot(tmp_path), snapshot(tmp_path, mtime=True)
    os.utime(tmp_path / "file", ns=(1, 1))
    assert_same_tree(plain, snapshot(tmp_path))
    with pytest.raises(AssertionError, match="mtime_ns"):
        assert_same_tree(timed, snapshot(tmp_path, mtime=True))


# --- environments


def test_a_made_environment_runs_its_own_python_and_sees_fake_distributions(env: Path) -> None:
    info = venvs.install_fake_dist(
        env,
        "Toy.Kit",
        "1.0",
        requires=("idna",),
        local_tag="cu126",
        direct_url={"url": "file:///x"},
    )
    assert info.name == "toy_kit-1.0+cu126.dist-info"
    code = (
        "import sys, toy_kit; from importlib.metadata import distribution as d;"
        "t = d('toy-kit'); print(sys.prefix); print(toy_kit.__version__, t.requires, len(t.files))"
    )
    prefix, rest = python_in(env, code).stdout.splitlines()
    assert Path(prefix).samefile(env)
    assert rest == "1.0+cu126 ['idna'] 6"
    assert json.loads((info / "direct_url.json").read_text()) == {"url": "file:///x"}


def test_uv_accepts_what_was_written_and_can_uninstall_it(tmp_path: Path, env: Path) -> None:
    before = snapshot(env)
    venvs.install_fake_torch(env, "2.9.1", "12.8", local_in_metadata=False)
    uv = (find_uv_bin(), "pip")
    python = ("--python", venvs.python_of(env))
    listed = run(*uv, "list", "--format", "json", *python, env=hermetic_env(tmp_path))
    assert json.loads(listed.stdout) == [{"name": "torch", "version": "2.9.1"}]
    assert "2.9.1+cu128" in python_in(env, "import torch; print(torch.__version__)").stdout
    done = run(*uv, "uninstall", "torch", *python, env=hermetic_env(tmp_path))
    assert done.returncode == 0, done.stderr
    assert_same_tree(before, snapshot(env, ignore=UV_LEAVES))


@posix_only
def test_an_environment_whose_base_vanished_has_a_dangling_python(env: Path) -> None:
    gone = venvs.vanish_base(env)
    assert venvs.python_of(env).is_symlink()
    assert not venvs.python_of(env).exists()
    assert f"home = {gone}\n" in (env / "pyvenv.cfg").read_text()
    with pytest.raises(FileNotFoundError):
        python_in(env, "pass")


@posix_only
def test_an_environment_without_its_cfg_is_the_base_interpreter(env: Path) -> None:
    venvs.remove_cfg(env)
    code = "import sys; print(sys.prefix == sys.base_prefix)"
    assert python_in(env, code).stdout == "True\n"


def test_a_garbled_cfg_has_no_home_and_is_no_utf8(env: Path) -> None:
    venvs.garble_cfg(env)
    data = (env / "pyvenv.cfg").read_bytes()
    assert b"home" not in data
    with pytest.raises(UnicodeDecodeError):
        data.decode()


@posix_only
def test_a_moved_environment_has_a_dead_script_and_a_living_python(
    tmp_path: Path, env: Path
) -> None:
    moved = venvs.move_venv(env, tmp_path / "elsewhere")
    assert python_in(moved, "pass").returncode == 0
    with pytest.raises(FileNotFoundError):
        run(moved / "bin" / "tool")
    assert run(moved.rename(env) / "bin" / "tool").returncode == 0


def test_broken_distributions_look_as_installers_leave_them(env: Path) -> None:
    assert venvs.leave_dangling(env, "six", "1.0").name == "~ix-1.0.dist-info"
    assert venvs.leave_dangling(env, "pip", "1.0", prefix="-").name == "-ip-1.0.dist-info"
    ghost, live = venvs.duplicate_dist(env, "idna", "3.4", "3.20")
    assert ghost.is_dir()
    assert live.is_dir()
    assert python_in(env, "import idna; print(idna.__version__)").stdout == "3.20\n"
    bare = venvs.without_file(venvs.install_fake_dist(env, "attrs", "26.1.0"), "RECORD")
    assert not (bare / "RECORD").exists()
    assert (bare / "METADATA").exists()


def test_find_python_returns_a_working_interpreter_of_that_minor_or_none() -> None:
    assert venvs.find_python("3.99") is None
    minor = "{}.{}".format(*sys.version_info[:2])
    found = venvs.find_python(minor)
    assert found is not None
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    assert run(found, "-c", code).stdout.strip() == minor


@pytest.mark.parametrize("minor", ["3.10", "3.12"])
def test_another_python_makes_an_environment_of_its_own_minor(tmp_path: Path, minor: str) -> None:
    python = venvs.find_python(minor)
    if python is None:
        pytest.skip(f"no Python {minor} on this machine")
    other = venvs.make_venv(tmp_path / "other", python)
    if sys.platform != "win32":
        assert venvs.site_packages(other).parent.name == f"python{minor}"
    assert python_in(other, "pass").returncode == 0


# --- Poetry projects

_PEP_735 = '[dependency-groups]\ndev = ["idna>=3"]\n'
_IN_TABLES = "d7126fe9f6ae98e1fa1a02e59d5faf08c039a3be9c5fa9386d21d47a9e1a77df"
_IN_PROJECT = "ccd1afbadd66d30874bb2c7dadec1afccd76b759f049f1a936083eb07ce88850"


@pytest.mark.parametrize(
    ("style", "extra", "version", "expected"),
    [
        ("tool.poetry", "", "1.8.5", _IN_TABLES),
        ("tool.poetry", "", "2.2.1", _IN_TABLES),
        ("tool.poetry", "", "2.5.1", _IN_TABLES),
        ("project", "", "1.8.5", "9d04600fc1e53ba13d1f260f8825fce2dd57e9d49992e620fedb361b3153ae41"),
        ("project", "", "2.2.1", _IN_PROJECT),
        ("project", "", "2.5.1", _IN_PROJECT),
        ("pep735", _PEP_735, "2.2.1", "d92d03bca17f121191fef7abe0262c4d8c3b078c5a9946448cd31dfec17010a5"),
        ("pep735", _PEP_735, "2.5.1", "61e99cd534353a5f318534d6e53dd1dd58de1131e8fc80c525bcf0c9fa9cf103"),
    ],
)  # fmt: skip
def test_the_content_hash_is_the_one_that_poetry_computed(
    style: str, extra: str, version: str, expected: str
) -> None:
    """The expected values were computed by these versions of Poetry for these very texts."""
    groups = None if extra else {"extra": {"idna": ">=3"}}
    text = poetry.pyproject_text(
        "tool.poetry" if style == "tool.poetry" else "project",
        dependencies={"six": ">=1.16"},
        groups=groups,
        extra=extra,
    )
    assert poetry.content_hash(text, poetry=version) == expected


@pytest.mark.parametrize(
    ("version", "lock_version", "has_groups"), [("1.8.5", "2.0", False), ("2.5.1", "2.1", True)]
)
def test_a_lock_follows_the_format_of_its_poetry(
    tmp_path: Path, version: str, lock_version: str, has_groups: bool
) -> None:
    text = poetry.pyproject_text("tool.poetry", sources={"cu126": "https://i.invalid/cu126"})
    torch = poetry.Locked(
        "torch",
        "2.9.1+cu126",
        ["torch-2.9.1+cu126-cp312-cp312-win_amd64.whl"],
        markers="sys_platform == 'win32'",
        dependencies={"filelock": "*"},
        source={"type": "legacy", "url": "https://i.invalid/cu126", "reference": "cu126"},
    )
    poetry.poetry_project(tmp_path, text, [torch], poetry=version)
    lock = poetry.read_lock(tmp_path)
    written = (tmp_path / "poetry.lock").read_text()
    assert written.startswith(f"# This file is automatically @generated by Poetry {version} ")
    assert lock["metadata"]["lock-version"] == lock_version
    (package,) = lock["package"]
    assert ("groups" in package, "markers" in package) == (has_groups, has_groups)
    assert package["source"]["reference"] == "cu126"
    assert package["files"][0]["file"].endswith("win_amd64.whl")


def test_a_project_is_fresh_until_it_is_made_stale(tmp_path: Path) -> None:
    def is_fresh() -> bool:
        wanted = poetry.content_hash((tmp_path / "pyproject.toml").read_text())
        return bool(poetry.read_lock(tmp_path)["metadata"]["content-hash"] == wanted)

    poetry.poetry_project(tmp_path)
    assert is_fresh()
    poetry.make_stale(tmp_path)
    assert not is_fresh()


def test_damaged_locks_are_damaged_in_the_named_way(tmp_path: Path) -> None:
    poetry.poetry_project(tmp_path)
    poetry.set_lock_version(tmp_path, "3.0")
    assert poetry.read_lock(tmp_path)["metadata"]["lock-version"] == "3.0"
    poetry.add_conflict_markers(tmp_path)
    with pytest.raises(ValueError, match="Invalid statement"):
        poetry.read_lock(tmp_path)
    poetry.poetry_project(tmp_path)
    poetry.drop_metadata(tmp_path)
    assert poetry.read_lock(tmp_path) == {"package": []}


# --- the audit

_BUSY = """\
import importlib, os, socket, subprocess, sys
from pathlib import Path
print(sys.argv[1:], __name__, sys.path[0] == os.getcwd())
Path("made").mkdir()
Path("made/file").write_text("x")
open("made/file", "r+").close()
os.rename("made/file", "made/other")
os.remove("made/other")
subprocess.run([sys.executable, "-c", "pass"], stdin=subprocess.DEVNULL)
with socket.socket() as s:
    s.connect_ex(("127.0.0.1", int(sys.argv[1])))
try:
    import torch.nn
except ImportError:
    pass
importlib.import_module("colorsys")
sys.exit(3)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder which holds a package `busy` that does a bit of everything."""
    package = tmp_path / "busy"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(_BUSY)
    return tmp_path


def test_the_audit_sees_what_a_module_does(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        seen = run_audited(["-m", "busy", port], cwd=project)
    assert seen.stdout == f"['{port}'] __main__ True\n", seen.stderr
    assert (seen.returncode, seen.finished) == (3, True)
    assert [e.name for e in seen.connections] == ["socket.connect"]
    assert port in seen.connections[0].args[1]
    assert [(e.name, Path(e.args[0]).name) for e in seen.writes] == [
        ("os.mkdir", "made"),
        ("open", "file"),
        ("open", "file"),
        ("os.rename", "file"),
        ("os.remove", "other"),
    ]
    assert sys.executable in seen.processes[0].args[0]
    assert len(seen.processes) == 1
    assert seen.imported("torch"), "an attempt counts, even where there is no torch"
    assert seen.imported("colorsys"), "importlib.import_module raises no event but loads the module"
    assert not seen.imported("color")


def test_the_audit_of_an_idle_script_is_empty(tmp_path: Path) -> None:
    script = tmp_path / "idle.py"
    script.write_text("import json\nprint(open(__file__).read()[:6])\n")
    seen = run_audited([script])
    assert (seen.stdout, seen.returncode) == ("import\n", 0)
    assert (seen.connections, seen.writes, seen.processes) == ([], [], [])
    assert not seen.imported("torch")


def test_the_audit_says_when_a_child_left_early(tmp_path: Path) -> None:
    script = tmp_path / "early.py"
    script.write_text("import os\nos.mkdir('x')\nos._exit(0)\n")
    seen = run_audited([script], cwd=tmp_path)
    assert not seen.finished
    assert [event.name for event in seen.writes] == ["os.mkdir"]
