"""NVIDIA's rival sources: fake driver library, fake nvidia-smi, and files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Reading
from llmdoctor.probe.nvidia import read_nvidia
from llmdoctor.system import System
from llmdoctor.system.local import Local
from probe.described import Described, door
from support.nvidia_smi import FIELDS, fake_nvidia_smi
from support.nvml import A100, GB10, RTX_4090, TESLA_T4, nvml_env

SMI = "index,name,driver_version,memory.total,compute_cap,uuid,pci.bus_id"


class WithDriver:
    """This machine with another NVML library, of which only children have seen the variables."""

    def __init__(self, environ: dict[str, str], *, library: bool = True) -> None:
        self._local = Local({**os.environ, **environ})
        self._library = library
        self.programs: list[str] = []

    def has_library(self, name: str) -> bool:
        return self._library

    def run(self, argv: Any, **options: Any) -> Any:
        self.programs.append(Path(argv[0]).name)
        if "timeout" in options:
            options["timeout"] = min(options["timeout"], 3.0)
        return self._local.run(argv, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._local, name)


def with_driver(environ: dict[str, str], *, library: bool = True) -> System:
    return WithDriver(environ, library=library)


def test_nvml_tells_driver_cuda_and_every_gpu(fake_nvml: Path) -> None:
    environ = nvml_env(fake_nvml, driver="570.86.15", cuda=12080, gpus=[RTX_4090, A100, GB10])
    found = read_nvidia(with_driver(environ))
    assert found.driver[0] == Reading("nvml", "570.86.15")
    assert found.cuda == (Reading("nvml", "12.8"),)
    assert [gpu.compute_capability for gpu in found.gpus] == ["8.9", "8.0", "12.1"]
    assert [gpu.memory for gpu in found.gpus] == [24564 * 2**20, 81920 * 2**20, None]
    assert [gpu.mig for gpu in found.gpus] == [None, False, None]
    assert found.gpus[0].pci == "0000:01:00.0"
    assert found.errors == ()


def test_nvidia_smi_is_not_run_when_nvml_answers(fake_nvml: Path, tmp_path: Path) -> None:
    fake_nvidia_smi(tmp_path, driver="1.1", cuda="1.1", gpus=[TESLA_T4])
    system = with_driver({**nvml_env(fake_nvml, gpus=[TESLA_T4]), "PATH": str(tmp_path)})
    assert [reading.source for reading in read_nvidia(system).cuda] == ["nvml"]
    assert "nvidia-smi" not in system.programs  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"init": 9}, "NVMLError_DriverNotLoaded(9)"),
        ({"init": 18}, "NVMLError_LibRmVersionMismatch(18)"),
        ({"crash": True}, "killed by signal"),
        ({"hang": True}, "timeout"),
    ],
)
def test_sick_nvml_is_an_error_and_nvidia_smi_answers_instead(
    fake_nvml: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    fake_nvidia_smi(tmp_path, driver="535.183.01", cuda="12.2", gpus=[TESLA_T4])
    found = read_nvidia(with_driver({**nvml_env(fake_nvml, **options), "PATH": str(tmp_path)}))
    (error,) = found.errors
    assert error.source == "nvml"
    assert words in error.value
    assert found.driver_version == "535.183.01"
    assert [gpu.source for gpu in found.gpus] == ["nvidia-smi"]


def test_old_nvidia_smi_without_compute_cap_still_tells_the_rest(tmp_path: Path) -> None:
    fields = [field for field in FIELDS if field != "compute_cap"]
    fake_nvidia_smi(tmp_path, driver="470.1", cuda="11.4", gpus=[RTX_4090, TESLA_T4], fields=fields)
    found = read_nvidia(with_driver({"PATH": str(tmp_path)}, library=False))
    assert [gpu.name for gpu in found.gpus] == ["NVIDIA GeForce RTX 4090", "Tesla T4"]
    assert [gpu.compute_capability for gpu in found.gpus] == [None, None]
    assert found.cuda == (Reading("nvidia-smi", "11.4"),)
    assert found.errors == ()


@pytest.mark.parametrize(
    ("fail", "words"),
    [
        ("no-driver", "couldn't communicate with the NVIDIA driver"),
        ("mismatch", "version mismatch"),
    ],
)
def test_failing_nvidia_smi_is_quoted(tmp_path: Path, fail: Any, words: str) -> None:
    fake_nvidia_smi(tmp_path, driver="535.183.01", cuda="12.2", gpus=[], fail=fail)
    found = read_nvidia(with_driver({"PATH": str(tmp_path)}, library=False))
    (error,) = found.errors
    assert error.source == "nvidia-smi"
    assert words in error.value


def test_machine_without_nvidia_has_nothing_and_no_errors() -> None:
    found = read_nvidia(door(Described()))
    assert not found.present
    assert (found.driver, found.gpus, found.errors, found.library) == ((), (), (), None)


FILES = {
    "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun\n",
    "/proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: Tesla T4\nBus Location: 0000:01:00.0\n",
    "/sys/module/nvidia/version": "550.54.14\n",
    "/sys/bus/pci/devices/0000:00:02.0/class": "0x030000\n",
    "/sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n",
    "/sys/bus/pci/devices/0000:00:02.0/device": "0x4680\n",
    "/sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n",
    "/sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
    "/sys/bus/pci/devices/0000:01:00.0/device": "0x1eb8\n",
    "/sys/bus/pci/devices/0000:02:00.0/class": "0x020000\n",
    "/sys/bus/pci/drivers/nouveau/uevent": "",
    "/dev/nvidia0": "",
    "/dev/nvidia-uvm": "",
    "/dev/nvidia-caps/x": "",
    "/dev/null": "",
}
LINKS = {"/sys/bus/pci/devices/0000:01:00.0/driver": "../../drivers/nouveau"}


def test_files_alone_tell_hardware_driver_and_their_disagreement() -> None:
    found = read_nvidia(door(Described(files=FILES, links=LINKS)))
    assert found.driver == (Reading("/proc", "535.183.01"), Reading("/sys", "550.54.14"))
    assert [(device.vendor, device.driver) for device in found.pci] == [
        ("8086", None),
        ("10de", "nouveau"),
    ]
    assert [(gpu.name, gpu.source) for gpu in found.gpus] == [("Tesla T4", "/proc")]
    assert found.device_nodes == ("/dev/nvidia-uvm", "/dev/nvidia0")
    assert found.present


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/proc/driver/nvidia/version", "/proc"),
        ("/sys/module/nvidia/version", "/sys"),
        ("/sys/bus/pci/devices", "/sys"),
        ("/dev", "/dev"),
    ],
)
def test_denied_source_is_an_error_and_the_others_survive(path: str, source: str) -> None:
    found = read_nvidia(door(Described(files=FILES, links=LINKS, denied={path})))
    assert [error.source for error in found.errors] == [source]
    assert "permission denied" in found.errors[0].value
    assert found.gpus
    assert found.driver_version is not None


def test_wsl_library_outside_the_loaders_path_is_given_to_the_child() -> None:
    seen: dict[str, Any] = {}

    class Wsl(Described):
        def run(self, argv: Any, **options: Any) -> Any:
            seen.update(options["env"])
            raise UnreadableError("x", "stop")

    machine = Wsl(
        files={"/usr/lib/wsl/lib/libnvidia-ml.so.1": ""}, environ={"LD_LIBRARY_PATH": "/srv/x"}
    )
    found = read_nvidia(door(machine))
    assert seen["LD_LIBRARY_PATH"] == "/usr/lib/wsl/lib:/srv/x"
    assert found.library == "/usr/lib/wsl/lib/libnvidia-ml.so.1"
