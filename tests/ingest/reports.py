"""Reports as the tools print them, written after their print code, with values of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CASES = Path(__file__).parents[1] / "cases" / "reports" / "shared.json"


def shared() -> list[dict[str, Any]]:
    """The pasted reports of public issues, each with the facts that it states."""
    cases: list[dict[str, Any]] = json.loads(CASES.read_text("utf-8"))
    return cases


COLLECT_ENV_1_4 = """\
Collecting environment information...
PyTorch version: 1.4.0
Is debug build: No
CUDA used to build PyTorch: 10.1

OS: Ubuntu 18.04.3 LTS
GCC version: (Ubuntu 7.4.0-1ubuntu1~18.04.1) 7.4.0
CMake version: version 3.10.2

Python version: 3.7
Is CUDA available: Yes
CUDA runtime version: 10.1.168
GPU models and configuration: 
GPU 0: GeForce RTX 2080 Ti
GPU 1: GeForce GTX 1080

Nvidia driver version: 430.26
cuDNN version: /usr/lib/x86_64-linux-gnu/libcudnn.so.7.6.1

Versions of relevant libraries:
[pip3] numpy==1.17.4
[pip3] torch==1.4.0
[pip3] torchvision==0.5.0
[conda] Could not collect
"""  # noqa: W291 - the tool leaves the blank behind the colon

COLLECT_ENV_1_13_CONDA_WINDOWS = """\
Collecting environment information...
PyTorch version: 1.13.1
Is debug build: False
CUDA used to build PyTorch: 11.7
ROCM used to build PyTorch: N/A

OS: Microsoft Windows 11 Pro
GCC version: Could not collect
Clang version: Could not collect
CMake version: Could not collect
Libc version: N/A

Python version: 3.10.9 | packaged by Anaconda, Inc. | (main, Mar  1 2023) \
[MSC v.1916 64 bit (AMD64)] (64-bit runtime)
Python platform: Windows-10-10.0.22621-SP0
Is CUDA available: True
CUDA runtime version: Could not collect
CUDA_MODULE_LOADING set to: LAZY
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 3070 Laptop GPU
Nvidia driver version: 528.24
cuDNN version: Could not collect
HIP runtime version: N/A
MIOpen runtime version: N/A
Is XNNPACK available: True

Versions of relevant libraries:
[pip3] numpy==1.23.5
[pip3] torch==1.13.1
[conda] blas                      1.0                         mkl
[conda] pytorch                   1.13.1          py3.10_cuda11.7_cudnn8_0    pytorch
[conda] pytorch-cuda              11.7                 h67b0de4_1    pytorch
"""

COLLECT_ENV_2_9_WSL = """\
Collecting environment information...
PyTorch version: 2.9.1+cu128
Is debug build: False
CUDA used to build PyTorch: 12.8
ROCM used to build PyTorch: N/A

OS: Ubuntu 24.04.2 LTS (x86_64)
GCC version: (Ubuntu 13.3.0-6ubuntu2~24.04) 13.3.0
Clang version: 18.1.3 (1ubuntu1)
CMake version: version 3.28.3
Libc version: glibc-2.39

Python version: 3.13.1 experimental free-threading build (main, Jan  5 2026, 10:00:00) \
[GCC 13.3.0] (64-bit runtime)
Python platform: Linux-6.6.87.2-microsoft-standard-WSL2-x86_64-with-glibc2.39
Is CUDA available: True
CUDA runtime version: 12.8.93
CUDA_MODULE_LOADING set to: 
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 5090
Nvidia driver version: 576.02
cuDNN version: Could not collect
Is XPU available: False
HIP runtime version: N/A
MIOpen runtime version: N/A
Is XNNPACK available: True
Caching allocator config: N/A

CPU:
Architecture:                         x86_64
CPU op-mode(s):                       32-bit, 64-bit
CPU(s):                               32
On-line CPU(s) list:                  0-31
Vendor ID:                            AuthenticAMD
Model name:                           AMD Ryzen 9 7950X 16-Core Processor
Flags:                                fpu sse2 avx2 fma f16c avx512f avx512_bf16

Versions of relevant libraries:
[pip3] numpy==2.3.5
[pip3] torch==2.9.1+cu128
[pip3] triton==3.5.1
[conda] No relevant packages
"""  # noqa: W291

VLLM = """\
Collecting environment information...
uv is set
==============================
        System Info
==============================
OS                           : Rocky Linux 9.5 (Blue Onyx) (aarch64)
GCC version                  : (GCC) 11.5.0 20240719 (Red Hat 11.5.0-5)
Clang version                : Could not collect
CMake version                : Could not collect
Libc version                 : glibc-2.34

==============================
       PyTorch Info
==============================
PyTorch version              : 2.11.0+cu130
Is debug build               : False
CUDA used to build PyTorch   : 13.0
ROCM used to build PyTorch   : N/A
XPU used to build PyTorch    : N/A

==============================
      Python Environment
==============================
Python version               : 3.12.12 (main, Oct 31 2025, 23:02:31) [Clang 21.1.4 ] \
(64-bit runtime)
Python platform              : Linux-5.14.0-503.el9.aarch64+64k-aarch64-with-glibc2.34

==============================
       CUDA / GPU Info
==============================
Is CUDA available            : True
CUDA runtime version         : 13.0.88
CUDA_MODULE_LOADING set to   : 
GPU models and configuration : 
GPU 0: NVIDIA GH200 480GB
  MIG 1g.12gb     Device  0:
GPU 1: NVIDIA GH200 480GB

Nvidia driver version        : 580.95.05
cuDNN version                : Could not collect
HIP runtime version          : N/A
MIOpen runtime version       : N/A
Is XNNPACK available         : True

==============================
Versions of relevant libraries
==============================
[pip3] nvidia-cuda-runtime==13.0.96
[pip3] torch==2.11.0+cu130
[pip3] transformers==5.0.0
[conda] Could not collect

==============================
         vLLM Info
==============================
ROCM Version                 : Could not collect
vLLM Version                 : 0.14.0
vLLM Build Flags:
  CUDA Archs: Not Set; ROCm: Disabled; XPU: Disabled
GPU Topology:
  \tGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID
GPU0\t X \tSYS\t0-71\t0\t\tN/A

==============================
     Environment Variables
==============================
LD_LIBRARY_PATH=/home/jane/lib:/usr/local/cuda/lib64
CUDA_VISIBLE_DEVICES=0,1
VLLM_TOKEN=abc
HTTPS_PROXY=http://jane:secret@proxy.example:3128
CUDA_MODULE_LOADING=LAZY
"""  # noqa: W291

TRANSFORMERS_4_20 = """\
- `transformers` version: 4.20.1
- Platform: Linux-5.4.0-122-generic-x86_64-with-glibc2.29
- Python version: 3.8.10
- Huggingface_hub version: 0.8.1
- PyTorch version (GPU?): 1.12.0+cu113 (True)
- Tensorflow version (GPU?): not installed (NA)
- Flax version (CPU?/GPU?/TPU?): not installed (NA)
- Using GPU in script?: <fill in>
- Using distributed or parallel set-up in script?: <fill in>
"""

TRANSFORMERS_4_45 = """\

Copy-and-paste the text below in your GitHub issue and FILL OUT the two last points.

- `transformers` version: 4.45.2
- Platform: macOS-14.5-arm64-arm-64bit
- Python version: 3.11.9
- Huggingface_hub version: 0.25.1
- Safetensors version: 0.4.5
- Accelerate version: not installed
- Accelerate config: \tnot found
- PyTorch version (GPU?): 2.4.1 (False)
- Using distributed or parallel set-up in script?: <fill in>
"""

TRANSFORMERS_5 = """\
- `transformers` version: 5.0.0
- Platform: Linux-6.8.0-59-generic-x86_64-with-glibc2.35
- Python version: 3.12.3
- Huggingface_hub version: 1.3.0
- Safetensors version: 0.7.0
- Accelerate version: 1.12.0
- Accelerate config: \t- compute_environment: LOCAL_MACHINE
\t- distributed_type: NO
\t- num_processes: 1
- DeepSpeed version: not installed
- PyTorch version (accelerator?): 2.9.1+cu128 (CUDA)
- Using GPU in script?: <fill in>
- GPU type: NVIDIA L40S
"""

ACCELERATE_0_34 = """\
- `Accelerate` version: 0.34.2
- Platform: Linux-5.15.0-1048-aws-x86_64-with-glibc2.31
- `accelerate` bash location: /home/jane/.venv/bin/accelerate
- Python version: 3.11.9
- Numpy version: 1.26.4
- PyTorch version (GPU?): 2.4.1+cu121 (True)
- PyTorch XPU available: False
- System RAM: 503.72 GB
- GPU type: NVIDIA H100 80GB HBM3
- `Accelerate` default config:
\t- compute_environment: LOCAL_MACHINE
"""

ACCELERATE_1_12 = """\
- `Accelerate` version: 1.12.0
- Platform: Linux-6.8.0-45-generic-x86_64-with-glibc2.39
- `accelerate` bash location: /usr/local/bin/accelerate
- Python version: 3.12.3
- Numpy version: 2.2.0
- PyTorch version: 2.9.0+cpu
- PyTorch accelerator: N/A
- System RAM: 31.20 GB
- `Accelerate` default config:
\tNot found
"""

LLAMAFACTORY = """\
- `llamafactory` version: 0.9.3
- Platform: Linux-6.8.0-59-generic-x86_64-with-glibc2.35
- Python version: 3.10.0
- PyTorch version: 2.3.0+cu121 (GPU)
- Transformers version: 4.49.0
- PEFT version: 0.15.1
- GPU type: NVIDIA A100-SXM4-80GB
- GPU number: 3
- GPU memory: 79.25GB
"""

SMI_331 = """\
+------------------------------------------------------+
| NVIDIA-SMI 331.62     Driver Version: 331.62         |
|-------------------------------+----------------------+----------------------+
| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | GPU-Util  Compute M. |
|===============================+======================+======================|
|   0  GeForce GTX 680     Off  | 0000:03:00.0     N/A |                  N/A |
| 30%   35C  N/A     N/A /  N/A |      9MiB /  4095MiB |     N/A      Default |
+-------------------------------+----------------------+----------------------+
"""

SMI_520_MIG = """\
Thu Feb  2 00:16:11 2023
+-----------------------------------------------------------------------------+
| NVIDIA-SMI 520.61.05    Driver Version: 520.61.05    CUDA Version: 11.8     |
|-------------------------------+----------------------+----------------------+
| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | GPU-Util  Compute M. |
|                               |                      |               MIG M. |
|===============================+======================+======================|
|   0  NVIDIA A100 80G...  On   | 00000000:31:00.0 Off |                   On |
| N/A   30C    P0    42W / 300W |     26MiB / 81920MiB |     N/A      Default |
|                               |                      |              Enabled |
+-------------------------------+----------------------+----------------------+
|   1  NVIDIA GeForce ...  On   | 00000000:B1:00.0 Off |                  N/A |
| 40%   38C    P8    12W / 300W |      1MiB / 24576MiB |      0%      Default |
|                               |                      |                  N/A |
+-------------------------------+----------------------+----------------------+

+-----------------------------------------------------------------------------+
| MIG devices:                                                                |
+------------------+----------------------+-----------+-----------------------+
| GPU  GI  CI  MIG |         Memory-Usage |        Vol|         Shared        |
|==================+======================+===========+=======================|
|  0    1   0   0  |     13MiB / 40192MiB | 42      0 |  3   0    2    0    0 |
+------------------+----------------------+-----------+-----------------------+
| Processes:                                                                  |
|    0   N/A  N/A     55111      C   python                            4MiB   |
+-----------------------------------------------------------------------------+
"""

SMI_610 = """\
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 610.43.02              KMD Version: 610.43.02     CUDA UMD Version: 13.3     |
+-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
|=========================================+========================+======================|
|   0  NVIDIA B200                    On  |   00000000:63:00.0 Off |                    0 |
| N/A   26C    P0            139W / 1000W |       0MiB / 183359MiB |      0%      Default |
|                                         |                        |             Disabled |
+-----------------------------------------+------------------------+----------------------+
"""

SMI_Q = """\
==============NVSMI LOG==============

Timestamp                                 : Mon Jan  5 10:00:00 2026
Driver Version                            : 550.54.15
CUDA Version                              : 12.4

Attached GPUs                             : 2
GPU 00000000:01:00.0
    Product Name                          : NVIDIA H100 PCIe
    Product Brand                         : NVIDIA
    MIG Mode
        Current                           : Enabled
        Pending                           : Enabled
    GPU UUID                              : GPU-7fdaf0a5-179b-f636-d15d-daf243e3ff16
    FB Memory Usage
        Total                             : 81559 MiB
        Reserved                          : 551 MiB
    BAR1 Memory Usage
        Total                             : 131072 MiB
GPU 00000000:02:00.0
    Product Name                          : Tesla T4
    MIG Mode
        Current                           : N/A
        Pending                           : N/A
    FB Memory Usage
        Total                             : 15360 MiB
"""

PIP_LIST = """\
Package                  Version      Editable project location
------------------------ ------------ -------------------------
accelerate               1.12.0
mine                     0.1          /home/jane/mine
numpy                    2.3.5
pip                      25.3
safetensors              0.7.0
tokenizers               0.22.1
torch                    2.9.1
transformers             5.0.0
urllib3                  2.5.0
"""

CONDA_LIST = """\
# packages in environment at /home/jane/miniconda3/envs/llm:
#
# Name                    Version                   Build  Channel
_libgcc_mutex             0.1                 conda_forge    conda-forge
numpy                     1.26.4          py310hb13e2d6_0    conda-forge
pip                       24.2            py310h06a4308_0
python                    3.10.15              he870216_1
pytorch                   2.1.0           py3.10_cuda12.1_cudnn8.9.2_0    pytorch
transformers              4.45.0                   pypi_0    pypi
xz                        5.4.6                h5eee18b_1
"""
EVERY = {
    name: text
    for name, text in globals().items()
    if isinstance(text, str) and name.isupper() and name != "EVERY"
}
