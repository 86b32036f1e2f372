"""NVIDIA hardware and driver, from every source that costs little, each guarded on its own.

Files under /proc, /sys and /dev are free and always read. NVML is asked in a child, and only where
the loader finds the library; nvidia-smi only where NVML did not answer: it takes far longer and
says the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Literal, NamedTuple, ParamSpec, TypeVar

from llmdoctor.errors import UnreadableError
from llmdoctor.machine import Gpu, Nvidia, PciDevice, Reading
from llmdoctor.probe import nvidia_text
from llmdoctor.probe.nvidia_text import Answer
from llmdoctor.probe.paths import is_windows, join, name_of
from llmdoctor.system import System

P = ParamSpec("P")
T = TypeVar("T")

_INSIDE = PurePath(__file__).parent.parent / "inside"
_OPENED = re.compile(r"/dev/(?:nvidia(?:\d+|ctl|-uvm)|dxg)")
_LIMIT = 10.0  # seconds; a sick driver may take minutes or never answer
_WSL = "/usr/lib/wsl/lib"
_DISPLAY_CLASS = "0x03"
_BRIDGE_CLASS = "0x0680"  # "other bridge": on NVIDIA's servers the NVSwitches
_NVIDIA = "10de"
_FABRIC_MANAGER = "/run/nvidia-fabricmanager/nv-fabricmanager.pid"


class _Found:
    def __init__(self) -> None:
        self.errors: list[Reading] = []

    def ask(
        self, source: str, otherwise: T, look: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """One source that cannot be read takes none of the others with it."""
        try:
            return look(*args, **kwargs)
        except UnreadableError as error:
            self.errors.append(Reading(source, str(error)))
        except Exception as error:  # noqa: BLE001 - as above, whatever a driver answers
            self.errors.append(Reading(source, f"{type(error).__name__}: {error}"))
        return otherwise


def read_nvidia(system: System) -> Nvidia:
    """Gather the rival readings. What a source refuses to tell is in `errors`, in its own words."""
    found = _Found()
    posix = not is_windows(system)
    proc = found.ask("/proc", None, _proc_driver, system) if posix else None
    sysfs = found.ask("/sys", None, _sys_driver, system) if posix else None
    listed = found.ask("/proc", (), _proc_gpus, system) if posix else ()
    bus = found.ask("/sys", _Bus(), _bus, system) if posix else _Bus()
    nodes = found.ask("/dev", (), _device_nodes, system) if posix else ()
    library = found.ask("nvml", None, _library, system)
    nvml = found.ask("nvml", Answer(), _nvml, system, library) if library else Answer()
    found.errors.extend(Reading("nvml", error) for error in nvml.errors)
    smi = Answer()
    if nvml.driver is None:
        smi = found.ask("nvidia-smi", Answer(), _nvidia_smi, system)
        found.errors.extend(Reading("nvidia-smi", error) for error in smi.errors)
    gpus = nvml.gpus or smi.gpus or listed
    if posix and not gpus:
        gpus = found.ask("/proc", (), _jetson_gpu, system)
    return Nvidia(
        driver=_readings(
            ("nvml", nvml.driver), ("nvidia-smi", smi.driver), ("/proc", proc), ("/sys", sysfs)
        ),
        cuda=_readings(("nvml", nvml.cuda), ("nvidia-smi", smi.cuda)),
        gpus=gpus,
        pci=bus.displays,
        device_nodes=nodes,
        library=library,
        errors=tuple(found.errors),
        modules=found.ask("/sys", (), _modules, system) if posix else (),
        denied=found.ask("/dev", (), _denied, system, nodes),
        modprobe=found.ask("/dev", None, _modprobe, system) if posix else None,
        nvswitches=bus.nvswitches,
        fabric=nvml.fabric,
        fabric_manager=found.ask("/proc", None, _fabric_manager, system)
        if bus.nvswitches or nvml.fabric
        else None,
    )


def _readings(*pairs: tuple[str, str | None]) -> tuple[Reading, ...]:
    return tuple(Reading(source, value) for source, value in pairs if value)


def _proc_driver(system: System) -> str | None:
    text = system.read_text("/proc/driver/nvidia/version")
    return None if text is None else nvidia_text.parse_kernel_module(text)


def _sys_driver(system: System) -> str | None:
    text = system.read_text("/sys/module/nvidia/version")
    return None if text is None else text.strip() or None


def _proc_gpus(system: System) -> tuple[Gpu, ...]:
    root = "/proc/driver/nvidia/gpus"
    gpus = []
    for index, name in enumerate(system.names(root) or ()):
        text = system.read_text(f"{root}/{name}/information")
        gpu = None if text is None else nvidia_text.parse_gpu_information(text, index)
        if gpu:
            gpus.append(gpu)
    return tuple(gpus)


class _Bus(NamedTuple):
    """What of the PCI bus matters here."""

    displays: tuple[PciDevice, ...] = ()
    nvswitches: int = 0


def _bus(system: System) -> _Bus:
    """Display and 3D controllers, and NVSwitches; other devices cost one small read each."""
    devices, nvswitches = [], 0
    root = "/sys/bus/pci/devices"
    for address in system.names(root) or ():
        place = f"{root}/{address}"
        kind = system.read_text(f"{place}/class", 16) or ""
        if kind.startswith(_BRIDGE_CLASS):
            nvswitches += _hex(system.read_text(f"{place}/vendor", 16)) == _NVIDIA
        if not kind.startswith(_DISPLAY_CLASS):
            continue
        driver = system.real_path(f"{place}/driver")
        devices.append(
            PciDevice(
                address=address,
                vendor=_hex(system.read_text(f"{place}/vendor", 16)),
                device=_hex(system.read_text(f"{place}/device", 16)),
                driver=name_of(system, driver) if system.exists(f"{place}/driver") else None,
            )
        )
    return _Bus(tuple(devices), nvswitches)


def _hex(text: str | None) -> str:
    return (text or "").strip().lower().removeprefix("0x")


def _device_nodes(system: System) -> tuple[str, ...]:
    nodes = [
        name for name in system.names("/dev") or () if name.startswith("nvidia") or name == "dxg"
    ]
    return tuple(f"/dev/{name}" for name in nodes if name != "nvidia-caps")  # a folder


def _denied(system: System, nodes: tuple[str, ...]) -> tuple[str, ...]:
    """The nodes that every CUDA program opens for reading and writing, and this user may not."""
    needed = [node for node in nodes if _OPENED.fullmatch(node)]
    spaces = ((node, system.space(node)) for node in needed)  # which also says what may be written
    return tuple(node for node, space in spaces if space and not space.writable)


def _modules(system: System) -> tuple[str, ...]:
    names = ("nvidia", "nvidia_uvm")
    return tuple(name for name in names if system.exists(f"/sys/module/{name}"))


def _modprobe(system: System) -> bool:
    """The driver's library runs it from this place to make device nodes; it is setuid."""
    return system.exists("/usr/bin/nvidia-modprobe")


def _fabric_manager(system: System) -> Literal["running", "stopped", "absent"]:
    pid = (system.read_text(_FABRIC_MANAGER, 16) or "").strip()
    if pid.isdigit() and system.exists(f"/proc/{pid}"):
        return "running"
    return "stopped" if system.exists("/usr/bin/nv-fabricmanager") else "absent"


def _jetson_gpu(system: System) -> tuple[Gpu, ...]:
    """The GPU of a Jetson is on no bus, and its older releases have no NVML: the board tells it."""
    if not system.exists("/dev/nvmap"):  # in a container that got no GPU, or on another board
        return ()
    model = (system.read_text("/proc/device-tree/model", 256) or "").strip("\0\n ")
    jetson = model.startswith("NVIDIA Jetson")
    return (Gpu(0, model, source="device-tree"),) if jetson else ()


def _library(system: System) -> str | None:
    if is_windows(system):
        folder = system.environ.get("ProgramFiles", "C:\\Program Files")
        old = join(system, folder, "NVIDIA Corporation", "NVSMI", "nvml.dll")
        return next((name for name in ("nvml.dll", old) if system.has_library(name)), None)
    if system.uname().system != "linux":
        return None
    if system.has_library("libnvidia-ml.so.1"):
        return "libnvidia-ml.so.1"
    # Under WSL the library may lie outside the loader's path, which is a diagnosis of its own.
    outside = f"{_WSL}/libnvidia-ml.so.1"
    return outside if system.exists(outside) else None


def _nvml(system: System, library: str) -> Answer:
    env: dict[str, str | None] = {}
    if library.startswith(_WSL):
        already = system.environ.get("LD_LIBRARY_PATH")
        env["LD_LIBRARY_PATH"] = f"{_WSL}:{already}" if already else _WSL
    # The same interpreter without -I, -s or -E: what the doctor imports, also from a user's own
    # site-packages, its child must find. A bare script name keeps transcripts free of our path.
    argv = [system.interpreter(), "gpu.py"]
    done = system.run(argv, cwd=str(_INSIDE), env=env, timeout=_LIMIT)
    if done.ok:
        return nvidia_text.parse_nvml(done.out)
    last = (done.err.strip().splitlines() or [""])[-1]
    return Answer(errors=(done.problem or f"ended with exit code {done.code}: {last}",))


def _nvidia_smi(system: System) -> Answer:
    program = _find_nvidia_smi(system)
    if program is None:
        return Answer()
    for fields in (nvidia_text.QUERY, nvidia_text.QUERY_OF_OLD_DRIVERS):
        query = f"--query-gpu={','.join(fields)}"
        done = system.run([program, query, "--format=csv,noheader,nounits"], timeout=_LIMIT)
        if done.ok:
            answer = nvidia_text.parse_nvidia_smi_csv(done.out, fields)
            table = system.run([program], timeout=_LIMIT)
            cuda = nvidia_text.parse_nvidia_smi_cuda(table.out)
            return Answer(answer.driver, cuda, answer.gpus)
        said = " ".join((done.out + done.err).split())[:300]
        if "not a valid field" not in said:
            return Answer(errors=(done.problem or f"exit code {done.code}: {said}",))
    return Answer(errors=(f"exit code {done.code}: {said}",))


def _find_nvidia_smi(system: System) -> str | None:
    if program := system.which("nvidia-smi"):
        return program
    if is_windows(system):
        root = system.environ.get("SystemRoot", "C:\\Windows")
        folder = system.environ.get("ProgramFiles", "C:\\Program Files")
        places = [
            join(system, root, "System32", "nvidia-smi.exe"),
            join(system, folder, "NVIDIA Corporation", "NVSMI", "nvidia-smi.exe"),
        ]
    else:
        places = ["/usr/bin/nvidia-smi", f"{_WSL}/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi"]
    return next((place for place in places if system.exists(place)), None)
