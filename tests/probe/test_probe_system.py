"""Host, processor, memory, disks and variables."""

from __future__ import annotations

import json

import pytest

from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Libc, Note
from llmdoctor.probe.cpu import read_cpu
from llmdoctor.probe.disks import read_disks
from llmdoctor.probe.guard import Guard
from llmdoctor.probe.host import read_host
from llmdoctor.probe.memory import read_memory
from llmdoctor.probe.variables import read_variables
from llmdoctor.system import Completed, Space
from probe.described import ROOM, Described, door


def guarded(notes: list[Note] | None = None) -> Guard:
    return Guard("reader", [] if notes is None else notes)


def test_musl_is_recognised_by_its_loader() -> None:
    loader = "/lib/ld-musl-x86_64.so.1"
    said = Completed(
        (loader,), 1, err="musl libc (x86_64)\nVersion 1.2.5\nDynamic Program Loader\n"
    )
    machine = Described(glibc=None, files={loader: ""}, answers={loader: said})
    assert read_host(door(machine), guarded()).libc == Libc("musl", "1.2.5")


@pytest.mark.parametrize(
    ("files", "environ", "expected"),
    [
        (["/.dockerenv"], {}, "docker"),
        (["/run/.containerenv"], {}, "podman"),
        (["/.dockerenv"], {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ([], {"container": "lxc"}, "lxc"),
        ([], {"APPTAINER_CONTAINER": "/x.sif"}, "apptainer"),
        ([], {}, None),
    ],
)
def test_container_kinds(files: list[str], environ: dict[str, str], expected: str | None) -> None:
    machine = Described(files=dict.fromkeys(files, ""), environ=environ)
    assert read_host(door(machine), guarded()).container == expected


def test_container_is_found_in_the_control_groups_of_the_first_process() -> None:
    machine = Described(files={"/proc/1/cgroup": "12:memory:/kubepods/burstable/pod1\n"})
    assert read_host(door(machine), guarded()).container == "kubernetes"


def test_denied_os_release_leaves_the_kernel_and_the_c_library() -> None:
    notes: list[Note] = []
    machine = Described(denied={"/etc/os-release"})
    host = read_host(door(machine), guarded(notes))
    assert host.distribution is None
    assert host.libc == Libc("glibc", "2.39")
    assert [note.status for note in notes] == ["denied"]


def test_py_cpuinfo_is_asked_only_without_proc_cpuinfo() -> None:
    ask = "/usr/bin/python3 -m cpuinfo --json"
    answer = json.dumps({"brand_raw": "Apple M3", "flags": ["neon", "aes"]})
    mac = Described(system="macos", machine="arm64", answers={ask: answer})
    found = read_cpu(door(mac))
    assert (found.model, found.flags) == ("Apple M3", ("neon",))
    linux = Described(files={"/proc/cpuinfo": "model name : X\n"}, answers={ask: answer})
    assert read_cpu(door(linux)).model == "X"


def test_py_cpuinfo_that_fails_is_a_reason() -> None:
    with pytest.raises(UnreadableError, match="not found"):
        read_cpu(door(Described(system="macos")))


def test_tightest_memory_limit_of_the_groups_above_counts() -> None:
    machine = Described(
        files={
            "/proc/meminfo": "MemTotal: 100 kB\n",
            "/proc/self/cgroup": "0::/a/b\n",
            "/sys/fs/cgroup/a/b/memory.max": "max\n",
            "/sys/fs/cgroup/a/memory.max": "4096\n",
            "/sys/fs/cgroup/memory.max": "8192\n",
            "/dev/shm/x": "",
        },
        spaces={"/dev/shm": Space(64 * 2**20, 1, writable=True)},
    )
    found = read_memory(door(machine), guarded())
    assert (found.total, found.limit, found.shm) == (102400, 4096, 64 * 2**20)


def test_denied_control_group_leaves_the_sizes() -> None:
    notes: list[Note] = []
    files = {"/proc/meminfo": "MemTotal: 100 kB\n", "/proc/self/cgroup": "0::/\n"}
    machine = Described(files=files, denied={"/sys/fs/cgroup/memory.max"})
    assert read_memory(door(machine), guarded(notes)).total == 102400
    assert "/sys/fs/cgroup/memory.max" in notes[0].detail


def test_windows_memory_that_cannot_be_asked_is_a_note() -> None:
    notes: list[Note] = []
    machine = Described(system="windows", house="C:\\Users\\ann", here="C:\\")
    assert read_memory(door(machine), guarded(notes)).total is None
    assert notes


def test_caches_on_different_disks_are_both_listed() -> None:
    machine = Described(
        environ={"HF_HOME": "/models", "UV_CACHE_DIR": "/fast/uv"},
        spaces={"/models": Space(10, 5, writable=True), "/fast/uv": Space(20, 5, writable=False)},
    )
    found = read_disks(door(machine), guarded(), "/home/ann/project/.venv")
    assert [(d.role, d.path, d.total) for d in found if d.role in ("cache", "models")] == [
        ("cache", "/fast/uv", 20),
        ("models", "/models", 10),
    ]
    assert [disk.role for disk in found] == ["environment", "home", "temp", "cache", "models"]


def test_caches_on_one_disk_are_listed_once() -> None:
    found = read_disks(door(Described()), guarded(), "/home/ann/project/.venv")
    assert [disk.path for disk in found[3:]] == ["/home/ann/.cache/uv"]
    assert found[0].free == ROOM.free


def test_disk_that_cannot_be_asked_leaves_the_others() -> None:
    notes: list[Note] = []
    machine = Described(denied={"/tmp"})
    roles = [disk.role for disk in read_disks(door(machine), guarded(notes), "/e")]
    assert roles == ["environment", "home", "cache"]
    assert len(notes) == 1


SECRETS = {
    "PIP_INDEX_URL": "https://ann:s3cret@p@pypi.corp/simple?key=s3cret",
    "PIP_EXTRA_INDEX_URL": "https://a/simple https://x:s3cret@b/simple",
    "UV_INDEX": "corp=https://tok-s3cret@corp/simple",
    "UV_INDEX_CORP_PASSWORD": "s3cret",
    "UV_INDEX_CORP_USERNAME": "s3cret",
    "PIP_FIND_LINKS": "user:s3cret@host/wheels",
    "POETRY_HTTP_BASIC_CORP_PASSWORD": "s3cret",
    "POETRY_PYPI_TOKEN_PYPI": "s3cret",
    "https_proxy": "http://ann:s3cret@proxy:3128",
    "HTTP_PROXY": "http://s3cret",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/s3cret",
    "HF_TOKEN": "s3cret",
    "AWS_SECRET_ACCESS_KEY": "s3cret",
    "PATH": "/home/s3cret/bin",
}


def test_no_credential_and_no_unlisted_variable_is_kept() -> None:
    found = read_variables(door(Described(environ=SECRETS)))
    assert "s3cret" not in json.dumps(found)
    assert found["PIP_INDEX_URL"] == "https://pypi.corp/simple"
    assert found["PIP_EXTRA_INDEX_URL"] == "https://a/simple https://b/simple"
    assert found["UV_INDEX"] == "corp=https://corp/simple"
    assert found["https_proxy"] == "set"
    assert not {"HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "PATH"} & found.keys()


def test_variables_that_decide_are_kept_as_they_are() -> None:
    environ = {
        "CUDA_VISIBLE_DEVICES": "0,1",
        "LD_LIBRARY_PATH": "/usr/local/cuda/lib64:/home/me@work/lib",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "POETRY_VIRTUALENVS_IN_PROJECT": "true",
        "CUDA_HOME": "",
    }
    assert read_variables(door(Described(environ=environ))) == {
        k: v for k, v in environ.items() if v
    }
