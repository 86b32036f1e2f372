from __future__ import annotations

from dataclasses import replace

from checks.judging import (
    ARM,
    GB10,
    GTX_1080_TI,
    LINUX,
    MACOS,
    RTX_4090,
    RTX_5090,
    T4,
    WINDOWS,
    case,
    driver,
    judge,
    only,
    remedy,
    venv,
)
from llmdoctor.checks import capabilities
from llmdoctor.machine import Gpu, Host, Libc, Machine, Note, Nvidia, PciDevice

HEALTHY = Machine(host=LINUX, nvidia=driver("550.54.14", RTX_4090))


def installed(torch: str, *gpus: Gpu, version: str = "580.95.05", host: Host = LINUX) -> Machine:
    return Machine(host=host, nvidia=driver(version, *gpus), environment=venv(torch=torch))


def test_no_gpu_is_a_note_without_a_wish() -> None:
    finding = only(judge("GPU001", Machine(host=MACOS)))
    assert (finding.cause, finding.severity) == ("no-nvidia-gpu", "note")


def test_no_gpu_is_an_error_for_a_gpu_profile_and_right_for_the_cpu_profile() -> None:
    amd = Nvidia(pci=(PciDevice("0000:06:00.0", "1002", "1681", "amdgpu"),))
    finding = only(judge("GPU001", Machine(host=LINUX, nvidia=amd), "flashattn"))
    assert (finding.severity, finding.evidence) == ("error", ("PCI 0000:06:00.0 1002:1681",))
    assert judge("GPU001", Machine(host=LINUX), "cpu").outcome == "pass"
    assert judge("GPU001", HEALTHY, "flashattn").outcome == "pass"


def test_a_cuda_torch_without_a_gpu_is_a_warning() -> None:
    machine = Machine(host=LINUX, environment=venv(torch="2.9.1+cu128"))
    assert only(judge("GPU001", machine)).severity == "warning"


def test_a_torch_for_the_cpu_that_is_there_is_not_proposed_again() -> None:
    machine = Machine(host=LINUX, environment=venv(torch="2.9.1+cpu"))
    (command,) = remedy(only(judge("GPU001", machine))).commands
    assert command[:4] == ("llmdoctor", "check", "--profile", "cpu")


def test_a_variable_that_hides_every_gpu() -> None:
    hidden = replace(HEALTHY, variables={"CUDA_VISIBLE_DEVICES": "-1"})
    assert only(judge("GPU002", hidden)).evidence == ("CUDA_VISIBLE_DEVICES='-1'",)
    assert only(judge("GPU002", hidden, "flashattn")).severity == "error"
    assert judge("GPU002", hidden, "cpu").outcome == "skip"


def test_a_variable_that_leaves_a_gpu_passes() -> None:
    assert judge("GPU002", HEALTHY).outcome == "skip"
    for value in ("0", "0,7", "MIG-8f2b"):
        left = replace(HEALTHY, variables={"CUDA_VISIBLE_DEVICES": value})
        assert judge("GPU002", left).outcome == "pass", value


def test_a_gpu_is_also_named_by_its_uuid_which_a_redacted_report_lacks() -> None:
    gpu = replace(RTX_4090, uuid="GPU-11111111-2222")
    machine = Machine(host=LINUX, nvidia=driver("550.54.14", gpu))
    right = replace(machine, variables={"CUDA_VISIBLE_DEVICES": "GPU-1111"})
    wrong = replace(machine, variables={"CUDA_VISIBLE_DEVICES": "GPU-9999"})
    assert judge("GPU002", right).outcome == "pass"
    assert judge("GPU002", wrong).outcome == "fail"
    assert judge("GPU002", replace(wrong, nvidia=HEALTHY.nvidia)).outcome == "pass"


def test_a_blackwell_gpu_with_a_torch_that_ends_at_hopper() -> None:
    finding = only(judge("GPU003", installed("2.9.1+cu126", RTX_5090)))
    assert (finding.cause, finding.severity) == ("gpu-too-new-for-torch", "error")
    assert remedy(finding).commands[0][:3] == (
        "llmdoctor",
        "install",
        "--profile",
    )


def test_a_gpu_just_above_the_list_works_with_a_warning() -> None:
    finding = only(judge("GPU003", installed("2.10.0+cu130", GB10, host=ARM)))
    assert (finding.cause, finding.severity) == ("gpu-newer-than-torch-arch-list", "warning")


def test_a_jetson_needs_nvidias_own_wheel() -> None:
    jetson = replace(ARM, kernel="5.15.148-tegra")
    machine = installed("2.11.0+cu130", Gpu(0, "Orin", "8.7"), host=jetson)
    assert only(judge("GPU003", machine)).cause == "jetson-needs-nvidia-wheel"


def test_a_pascal_gpu_with_a_torch_that_begins_at_turing() -> None:
    finding = only(judge("GPU004", installed("2.9.1+cu130", GTX_1080_TI)))
    assert (finding.cause, finding.severity) == ("gpu-dropped-by-torch", "error")
    assert judge("GPU003", installed("2.9.1+cu130", GTX_1080_TI)).outcome == "pass"


def test_every_gpu_is_judged_not_only_the_best() -> None:
    machine = installed("2.9.1+cu130", RTX_4090, replace(GTX_1080_TI, index=1))
    assert only(judge("GPU004", machine)).evidence[0].startswith("GPU 1 ")


def test_a_hidden_gpu_is_not_judged() -> None:
    machine = installed("2.9.1+cu130", RTX_4090, replace(GTX_1080_TI, index=1))
    hidden = replace(
        machine, variables={"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    )
    assert judge("GPU004", hidden).outcome == "pass"


def test_a_number_that_may_mean_another_gpu_hides_none_and_the_evidence_says_so() -> None:
    gpus = (GTX_1080_TI, replace(RTX_5090, index=1))
    for number in ("0", "1"):
        machine = installed("2.9.1+cu130", *gpus)
        finding = only(
            judge("GPU004", replace(machine, variables={"CUDA_VISIBLE_DEVICES": number}))
        )
        assert any("every GPU is judged" in line for line in finding.evidence)
    wanted = replace(installed("2.9.1+cu128", *gpus), variables={"CUDA_VISIBLE_DEVICES": "1"})
    assert any("every GPU" in line for line in only(judge("GPU005", wanted, "flashattn")).evidence)


def test_a_cpu_torch_is_right_where_every_gpu_is_hidden() -> None:
    machine = installed("2.9.1+cpu", RTX_4090)
    assert judge("TORCH003", machine).outcome == "fail"
    hidden = replace(machine, variables={"CUDA_VISIBLE_DEVICES": ""})
    assert judge("TORCH003", hidden).outcome == "skip"


def test_a_fitting_gpu_passes_both_ways() -> None:
    for code in ("GPU003", "GPU004"):
        assert judge(code, installed("2.9.1+cu126", RTX_4090)).outcome == "pass"


def test_what_is_not_known_is_skipped_not_guessed() -> None:
    unknown_torch = installed("2.99.0+cu130", RTX_4090)
    unknown_gpu = installed("2.9.1+cu126", Gpu(0, "NVIDIA Graphics Device"))
    for machine in (unknown_torch, unknown_gpu, HEALTHY):
        assert judge("GPU003", machine).outcome == "skip"
        assert judge("GPU004", machine).outcome == "skip"


def test_a_capability_that_the_driver_does_not_give_comes_from_the_name() -> None:
    machine = installed("2.9.1+cu130", Gpu(0, "NVIDIA GeForce GTX 1080 Ti"))
    assert judge("GPU004", machine).outcome == "fail"


def test_flash_attention_on_turing_is_refused_and_sdpa_named() -> None:
    machine = Machine(host=LINUX, nvidia=driver("550.54.14", T4), environment=venv())
    finding = only(judge("GPU005", machine, "flashattn"))
    assert finding.cause == "gpu-too-old-for-flash-attn"
    assert "SDPA" in finding.detail
    assert "flashattn" not in remedy(finding).commands[0]


def test_flash_attention_on_ada_passes_and_is_not_asked_without_the_profile() -> None:
    assert judge("GPU005", HEALTHY, "flashattn").outcome == "pass"
    assert judge("GPU005", HEALTHY, "mainline").outcome == "skip"
    assert judge("GPU005", Machine(host=LINUX), "flashattn").outcome == "skip"


def test_what_is_proposed_for_a_dropped_gpu_fits_the_machine() -> None:
    """The resolver is asked: with an old and a new GPU no single build of mainline serves both."""
    mixed = installed("2.9.1+cu130", GTX_1080_TI, replace(RTX_5090, index=1))
    way = remedy(only(judge("GPU004", mixed)))
    assert (
        "CUDA_VISIBLE_DEVICES=0: NVIDIA GeForce GTX 1080 Ti alone, torch 2.9.1+cu126" in way.summary
    )
    assert [command[:4] for command in way.commands] == [
        ("llmdoctor", "install", "--profile", "cpu")
    ]
    alone = remedy(only(judge("GPU004", installed("2.9.1+cu130", GTX_1080_TI))))
    assert alone.commands[0][:4] == ("llmdoctor", "install", "--profile", "mainline")


def test_capabilities_of_an_ada_gpu() -> None:
    can, cannot = capabilities(case(HEALTHY))
    first = "LoRA in bf16 with SDPA: NVIDIA GeForce RTX 4090, 8.9"
    assert can[0] == f"{first} (once a stack is installed)"
    assert "FlashAttention 2: compute capability 8.9" in can
    assert not any("FlashAttention 2" in line for line in cannot)


def test_capabilities_of_different_gpus_name_those_that_they_hold_for() -> None:
    machine = Machine(host=LINUX, nvidia=driver("550.54.14", RTX_4090, replace(T4, index=1)))
    can, cannot = capabilities(case(machine))
    assert can[:2] == (
        "LoRA in bf16 with SDPA: NVIDIA GeForce RTX 4090, 8.9 (once a stack is installed)",
        "LoRA in fp16 with SDPA: Tesla T4, 7.5",
    )
    assert "Triton and torch.compile: on NVIDIA GeForce RTX 4090, Tesla T4" in can
    assert "FlashAttention 2: on NVIDIA GeForce RTX 4090 only" in can
    assert "FlashAttention 2: not on Tesla T4, compute capability 7.5 is below 8.0" in cannot
    strange = replace(machine, nvidia=driver("550.54.14", RTX_4090, Gpu(1, "Graphics Device")))
    can, cannot = capabilities(case(strange))
    assert "FlashAttention 2: compute capability 8.9" in can
    assert "no compute capability of Graphics Device is known" in cannot[-1]


def test_an_error_of_one_gpu_keeps_no_other_from_work() -> None:
    machine = installed("2.9.1+cu130", RTX_4090, replace(GTX_1080_TI, index=1))
    can, cannot = capabilities(case(machine), [judge("GPU004", machine)])
    assert "FlashAttention 2: on NVIDIA GeForce RTX 4090 only" in can
    assert cannot[0].startswith("use NVIDIA GeForce GTX 1080 Ti before this is mended: GPU004. ")
    old = replace(machine, nvidia=driver("520.61.05", *machine.nvidia.gpus))
    can, (stopped, *_) = capabilities(case(old), [judge("DRV008", old), judge("GPU004", old)])
    assert can == ()
    assert "RTX 4090 could then: LoRA in bf16 with SDPA, Triton" in stopped
    assert "; NVIDIA GeForce GTX 1080 Ti could then: LoRA in fp16 with SDPA, 4-bit" in stopped


def test_quantised_weights_and_mamba_are_told_too() -> None:
    can, _ = capabilities(case(HEALTHY))
    assert "4-bit weights and QLoRA (bitsandbytes): compute capability 8.9" in can
    assert "Mamba kernels: compute capability 8.9" in can
    pascal = replace(HEALTHY, nvidia=driver("580.65.06", GTX_1080_TI))
    assert "Mamba kernels: no, compute capability 6.1 is below 7.5" in capabilities(case(pascal))[1]


def test_kernels_that_nobody_builds_for_windows() -> None:
    windows = replace(HEALTHY, host=WINDOWS)
    assert "Mamba kernels: no, there are none for windows" in capabilities(case(windows))[1]


def test_capabilities_without_a_gpu_without_a_look_and_with_the_cpu_profile() -> None:
    assert capabilities(case(Machine(host=LINUX)))[1] == (
        "CUDA: no, because no NVIDIA GPU is visible",
    )
    assert capabilities(case(Machine(host=LINUX), "cpu"))[1] == ()
    denied = Machine(notes=(Note("nvidia", "denied", "no permission"),))
    can, (cannot,) = capabilities(case(denied))
    assert (can, cannot) == ((), "GPU: unknown, nobody could look (denied): `nvidia-smi` shows it")


def test_capabilities_say_hidden_and_unknown_gpus_as_what_they_are() -> None:
    hidden = replace(HEALTHY, variables={"CUDA_VISIBLE_DEVICES": "-1"})
    assert "CUDA_VISIBLE_DEVICES hides every GPU" in capabilities(case(hidden))[1][0]
    unknown = Machine(host=LINUX, nvidia=driver("550.54.14", Gpu(0, "NVIDIA Graphics Device")))
    can, cannot = capabilities(case(unknown))
    assert can == ()
    assert "unknown, no compute capability of NVIDIA Graphics Device is known" in cannot[0]
    assert "nvidia-smi --query-gpu=compute_cap" in cannot[0]
    assert judge("GPU005", unknown, "flashattn").outcome == "skip"


def test_of_equal_gpus_the_same_is_said_once_with_each_of_them_as_evidence() -> None:
    pair = driver("580.95.05", RTX_5090, replace(RTX_5090, index=1))
    machine = replace(installed("2.9.1+cu126", RTX_5090), nvidia=pair)
    found = only(judge("GPU003", machine))
    assert [line for line in found.evidence if line.startswith("GPU")] == [
        "GPU 0 NVIDIA GeForce RTX 5090: compute capability 12.0",
        "GPU 1 NVIDIA GeForce RTX 5090: compute capability 12.0",
    ]


def test_where_no_build_fits_the_profiles_say_what_each_needs() -> None:
    musl = replace(LINUX, libc=Libc("musl", "1.2"))
    found = remedy(only(judge("GPU003", installed("2.9.1+cu126", RTX_5090, host=musl))))
    assert found.summary.startswith("No build of torch fits here.")
    assert (found.safety, found.commands) == ("safe", (("llmdoctor", "profiles"),))


def test_different_gpus_are_told_apart() -> None:
    pair = driver("580.95.05", T4, replace(GTX_1080_TI, index=1))
    found = judge("GPU005", Machine(host=LINUX, nvidia=pair), "flashattn").findings
    assert len(found) == len({item.detail for item in found}) == 2


def test_a_feature_that_newer_gpus_lost_again_is_said_so() -> None:
    machine = Machine(host=LINUX, nvidia=driver("580.95.05", RTX_5090))
    assert (
        "FlashAttention 3: no, it ends at compute capability 9.0" in capabilities(case(machine))[1]
    )
