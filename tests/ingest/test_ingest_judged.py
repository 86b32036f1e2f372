"""What is said of a pasted report: no more than the report holds, and nothing that would harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.runs import Desk
from llmdoctor import ingest
from llmdoctor.diagnose import Question, diagnose
from llmdoctor.finding import Finding, Report
from llmdoctor.system.local import Local

TRANSFORMERS = """\
- `transformers` version: 4.46.0
- Platform: {platform}
- Python version: 3.11.9
- Huggingface_hub version: 0.26.0
- Safetensors version: 0.4.5
- PyTorch version (GPU?): {torch}
{gpu}
"""
LINUX = "Linux-6.8.0-45-generic-x86_64-with-glibc2.35"
COLLECT_ENV = """\
Collecting environment information...
PyTorch version: {torch}
Is debug build: False
CUDA used to build PyTorch: {cuda}
ROCM used to build PyTorch: {rocm}

OS: {os}
GCC version: Could not collect
Clang version: Could not collect
CMake version: Could not collect
Libc version: {libc}

Python version: 3.12.3 (main, Jan  5 2026, 10:00:00) [{compiler}] (64-bit runtime)
Python platform: {platform}
Is CUDA available: {available}
CUDA runtime version: {nvcc}
GPU models and configuration: {gpu}
Nvidia driver version: {driver}
cuDNN version: Could not collect
HIP runtime version: {hip}

Versions of relevant libraries:
[pip3] numpy==2.1.0
[pip3] torch=={torch}
{more}[conda] Could not collect
"""
UBUNTU = {
    "cuda": "N/A", "rocm": "N/A", "os": "Ubuntu 24.04.2 LTS (x86_64)", "libc": "glibc-2.39",
    "compiler": "GCC 13.3.0", "platform": "Linux-6.8.0-45-generic-x86_64-with-glibc2.39",
    "nvcc": "Could not collect", "hip": "N/A", "available": "True", "more": "",
}  # fmt: skip
RTX_5090 = {**UBUNTU, "gpu": "GPU 0: NVIDIA GeForce RTX 5090", "driver": "576.02"}
A100 = {**UBUNTU, "gpu": "GPU 0: NVIDIA A100-SXM4-80GB", "driver": "576.02"}
ROCM = {
    **UBUNTU, "torch": "2.9.1+rocm6.4", "rocm": "6.4.43484-123eb5128", "hip": "6.4.43484",
    "gpu": "AMD Radeon RX 7900 XTX (gfx1100)", "driver": "Could not collect",
}  # fmt: skip
PIP_LIST = """\
Package            Version
------------------ ------------
filelock           3.16.1
pip                25.0
setuptools         70.0
torch              {torch}
torchvision        0.20.0+cu124
"""


def judged(text: str, tmp_path: Path) -> Report:
    path = tmp_path / "report.txt"
    path.write_text(text)
    return diagnose(Local(), Question(snapshot=str(path)))


def found(report: Report, code: str) -> Finding:
    (finding,) = [item for item in report.findings if item.code == code]
    return finding


def commands(report: Report) -> list[str]:
    remedies = [item.remedy for item in report.findings if item.remedy]
    return [" ".join(argv) for remedy in remedies for argv in remedy.commands]


def test_a_driver_that_the_report_does_not_name_is_not_said_to_fit(tmp_path: Path) -> None:
    gpu = "- GPU type: NVIDIA GeForce RTX 4090"
    text = TRANSFORMERS.format(platform=LINUX, torch="2.5.1+cu124 (False)", gpu=gpu)
    finding = found(judged(text, tmp_path), "DRV016")
    assert "driver's version is not in the report" in finding.detail
    assert "fit each other" not in finding.detail
    assert "are there" not in finding.title
    assert finding.remedy is not None
    assert finding.remedy.commands == (("nvidia-smi",),)


@pytest.mark.parametrize(
    ("gpu", "said", "unsaid"),
    [
        ("- GPU type: NVIDIA GeForce RTX 4090", "driver unknown", "driver missing"),
        ("- Using GPU in script?: yes", "GPU unknown", "no NVIDIA GPU seen"),
    ],
)
def test_the_head_tells_what_is_unknown_from_what_is_missing(
    gpu: str, said: str, unsaid: str, desk: Desk
) -> None:
    text = TRANSFORMERS.format(platform=LINUX, torch="2.5.1+cu124 (True)", gpu=gpu)
    if "GPU type" not in gpu:
        text = text.replace(" (True)", "")
    (desk.project / "it.txt").write_text(text)
    head = " ".join(desk.run("check", "--from", "it.txt").stdout.partition("\n\n")[0].split())
    assert said in head
    assert unsaid not in head


def test_nvidia_smi_s_failure_alone_is_an_error_about_the_driver(tmp_path: Path) -> None:
    text = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"
    (finding,) = judged(text, tmp_path).findings
    assert (finding.cause, finding.severity) == ("driver-missing", "error")


def test_a_healthy_rocm_machine_is_not_covered_and_nothing_would_replace_its_torch(
    tmp_path: Path,
) -> None:
    report = judged(COLLECT_ENV.format(**ROCM), tmp_path)
    (finding,) = report.findings
    assert (finding.severity, finding.remedy) == ("note", None)
    assert "ROCm" in finding.title
    assert not any("CUDA" in line or "CPU" in line for line in (*report.can, *report.cannot))


def test_a_finding_beside_a_rocm_torch_offers_no_install(tmp_path: Path) -> None:
    more = "[pip3] torchvision==0.20.0+cu124\n[pip3] flash_attn==2.7.4+cu12torch2.5cxx11abiFALSE\n"
    report = judged(COLLECT_ENV.format(**{**ROCM, "more": more}), tmp_path)
    assert {"EXT001", "EXT002"} <= {item.code for item in report.findings}
    assert not [command for command in commands(report) if "install" in command]


@pytest.mark.parametrize(("torch", "profile"), [("2.9.1+cu128", "mainline"), ("2.9.1+cpu", "cpu")])
def test_where_no_gpu_is_told_of_the_build_of_torch_chooses_the_remedy(
    torch: str, profile: str, tmp_path: Path
) -> None:
    report = judged(PIP_LIST.format(torch=torch), tmp_path)
    remedy = found(report, "EXT002").remedy
    assert remedy is not None
    assert remedy.commands == (("llmdoctor", "install", "--profile", profile),)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (COLLECT_ENV.format(**{**RTX_5090, "torch": "2.5.1+cu124", "cuda": "12.4"}), "GPU003"),
        (COLLECT_ENV.format(**{**A100, "torch": "2.9.1+cpu", "available": "False"}), "TORCH003"),
        (COLLECT_ENV.format(**{**A100, "torch": "2.9.1+cu130", "cuda": "13.0", "driver": "535.54.03",
                               "available": "False"}), "DRV008"),
        (COLLECT_ENV.format(**{**A100, "torch": "2.9.1+cu128", "cuda": "12.8",
                               "available": "False"}), "DRV016"),
    ],
)  # fmt: skip
def test_what_an_error_makes_impossible_is_no_can(text: str, code: str, tmp_path: Path) -> None:
    report = judged(text, tmp_path)
    assert found(report, code).severity == "error"
    assert report.can == ()
    assert code in report.cannot[0]
    assert "could then: LoRA in bf16 with SDPA, Triton" in report.cannot[0]


def test_a_healthy_gpu_keeps_its_can_rows(tmp_path: Path) -> None:
    text = COLLECT_ENV.format(**{**A100, "torch": "2.9.1+cu128", "cuda": "12.8"})
    assert judged(text, tmp_path).can[0].startswith("LoRA in bf16 with SDPA")


def test_a_report_does_not_show_that_cl_exe_is_missing(tmp_path: Path) -> None:
    windows = {
        **A100, "torch": "2.9.1+cu128", "cuda": "12.8", "os": "Microsoft Windows 11 Pro",
        "libc": "N/A", "compiler": "MSC v.1942 64 bit (AMD64)", "nvcc": "12.8.93",
        "platform": "Windows-11-10.0.26100-SP0",
    }  # fmt: skip
    report = judged(COLLECT_ENV.format(**windows), tmp_path)
    assert report.machine.host.system == "windows"
    assert report.machine.cuda.nvcc_version == "12.8.93"
    assert {v.code: v.outcome for v in report.verdicts}["CUDA008"] == "skip"


def test_torch_on_apple_silicon_has_metal(tmp_path: Path) -> None:
    apple = TRANSFORMERS.format(platform="macOS-15.1-arm64-arm-64bit", torch="2.8.0", gpu="")
    report = judged(apple, tmp_path)
    assert report.can[0] == "LoRA and inference on Metal (mps)"
    assert "Metal" in found(report, "GPU001").detail
    intel = apple.replace("15.1-arm64-arm", "13.1-x86_64-i386")
    assert not any("Metal" in line for line in judged(intel, tmp_path).can)


@pytest.mark.parametrize("plus", ["+", "%2B"])
def test_the_wheel_in_a_frozen_address_tells_for_which_torch_it_was_built(
    plus: str, tmp_path: Path
) -> None:
    wheel = "flash_attn-2.7.4+cu12torch2.5cxx11abiFALSE-cp311-cp311-linux_x86_64.whl"
    address = "https://github.com/Dao-AILab/flash-attention/releases/download/v2.7.4/"
    text = (
        f"accelerate==1.0.1\nflash_attn @ {address}{wheel.replace('+', plus)}#sha256=0a\n"
        "numpy==2.1.0\ntorch==2.8.0\ntransformers==4.46.0\n"
    )
    package = ingest.read(text).environment.package("flash-attn")
    assert package is not None
    assert package.origin == wheel
    finding = found(judged(text, tmp_path), "EXT001")
    assert "built for torch 2.5" in finding.detail


SMI = """\
| NVIDIA-SMI {driver}    Driver Version: {driver}    CUDA Version: {cuda}     |
| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
|   0  {gpu:20}Off  | 00000000:01:00.0 Off |                  N/A |
"""


def test_a_list_without_torch_that_is_not_whole_does_not_say_that_torch_is_missing(
    tmp_path: Path,
) -> None:
    smi = SMI.format(driver="565.57.01", cuda="12.7", gpu="NVIDIA A100-SXM4")
    report = judged(f"{smi}\nPython 3.11.9 on Linux\n", tmp_path)
    assert report.findings == ()
    assert "TORCH001" in {item.code for item in report.verdicts if item.outcome == "skip"}


def test_a_gpu_that_the_report_does_not_name_is_not_said_to_be_unfit(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text("PyTorch version: 2.9.1+cu126\nIs CUDA available: True\n")
    report = diagnose(Local(), Question(snapshot=str(path), profiles=("mainline",)))
    (verdict,) = [item for item in report.verdicts if item.code == "PROFILE001"]
    assert verdict.outcome == "skip"
    assert "which GPU" in (verdict.reason or "")


@pytest.mark.parametrize(
    ("packages", "driver", "gpu", "cause"),
    [
        # the CUDA of a torch from PyPI stands in the runtime beside it, Linux in nvidia-smi's head
        (
            "nvidia-cuda-runtime-cu12 12.4.127\ntorch 2.5.1\n",
            "470.256.02",
            "NVIDIA GeForce ...",
            "driver-too-old",
        ),
        ("torch 2.5.1+cu121\n", "570.86.15", "GeForce RTX 5070 Ti", "gpu-too-new-for-torch"),
    ],
)
def test_what_the_system_must_be_is_enough_to_judge_a_report_that_leaves_the_rest_open(
    packages: str, driver: str, gpu: str, cause: str, tmp_path: Path
) -> None:
    text = SMI.format(driver=driver, cuda="11.4", gpu=gpu)
    report = judged(f"{text}\nPackage Version\n------- -------\n{packages}", tmp_path)
    assert [item.cause for item in report.findings if item.severity == "error"] == [cause]


@pytest.mark.parametrize(
    "started",
    ["$ docker run -it pytorch/pytorch bash\n", "root@0a1b2c3d4e5f:/workspace# python\n"],
)
def test_a_report_from_inside_a_container_without_a_gpu_says_so(
    started: str, tmp_path: Path
) -> None:
    machine = {**UBUNTU, "torch": "2.5.1+cu124", "cuda": "12.4", "available": "False"}
    text = COLLECT_ENV.format(
        **{**machine, "gpu": "Could not collect", "driver": "Could not collect"}
    )
    assert [item.cause for item in judged(text, tmp_path).findings] == ["no-nvidia-gpu"]
    assert [item.cause for item in judged(started + text, tmp_path).findings] == [
        "container-without-gpu"
    ]


def test_a_cpu_build_that_conda_lists_beside_a_gpu_is_named_whatever_the_system(
    tmp_path: Path,
) -> None:
    text = SMI.format(driver="550.54.15", cuda="12.4", gpu="NVIDIA RTX A6000")
    text = text.replace("Persistence-M", "")  # the line was not copied
    conda = "# Name Version Build Channel\npython 3.11.9 h1_0\npytorch 2.3.0 py3.11_cpu_0 pytorch\n"
    report = judged(f"{conda}\n{text}", tmp_path)
    assert [item.cause for item in report.findings if item.severity == "error"] == [
        "torch-cpu-wheel"
    ]


def test_the_linux_driver_s_number_tells_the_system_where_no_table_does(tmp_path: Path) -> None:
    text = "Driver Version : 450.80.02\nGPU 00000000:01:00.0\n    Product Name : Tesla T4\n"
    packages = "Package Version\n------- -------\ntorch 2.9.1+cu130\n"
    report = judged(f"{text}\n{packages}", tmp_path)
    assert [item.cause for item in report.findings] == ["driver-too-old"]


def test_mig_without_an_instance_is_seen_in_nvidia_smi_s_table(tmp_path: Path) -> None:
    text = SMI.format(driver="550.54.15", cuda="12.4", gpu="NVIDIA A100-SXM4")
    text += "|                               |                      |              Enabled |\n"
    assert judged(text, tmp_path).findings == ()
    report = judged(text + "| MIG devices:  |\n|  No MIG devices found  |\n", tmp_path)
    assert [item.cause for item in report.findings] == ["mig-without-instances"]


def test_a_gb10_with_the_torch_of_its_own_profile_passes_a_preflight(desk: Desk) -> None:
    gb10 = {**UBUNTU, "torch": "2.10.0+cu130", "cuda": "13.0", "gpu": "GPU 0: NVIDIA GB10"}
    text = COLLECT_ENV.format(**{**gb10, "driver": "580.95.05"}).replace("x86_64", "aarch64")
    (desk.project / "it.txt").write_text(text)
    check = ("check", "--from", "it.txt", "--select", "GPU003", "--fail-on", "warning")
    assert desk.json(*check, "--profile", "gb10", code=0)["summary"]["note"] == 1
    desk.json(*check, code=1)


def test_the_cuda_of_a_torch_that_runs_is_not_called_the_driver_s(desk: Desk) -> None:
    text = COLLECT_ENV.format(**{**RTX_5090, "torch": "2.9.1+cu126", "cuda": "12.6"})
    (desk.project / "it.txt").write_text(text)
    shown = desk.run("check", "--from", "it.txt", "--format", "markdown", code=[0, 1]).stdout
    assert "by the driver" not in shown
    assert "NVIDIA GeForce RTX 5090, compute capability 12.0" in shown


@pytest.mark.parametrize("triton", ["triton-windows 3.1.0.post17", "triton 3.1.0"])
def test_a_list_that_names_no_python_tells_of_a_triton_of_another_torch(
    triton: str, tmp_path: Path
) -> None:
    text = f"Package Version\n------- -------\ntorch 2.8.0+cu128\n{triton}\nnumpy 2.1.0\n"
    if triton.startswith("triton "):
        text += "nvidia-nccl-cu12 2.21.5\n"  # has wheels for Linux alone
    assert triton.partition(" ")[0] in found(judged(text, tmp_path), "EXT004").title
