"""What the resolver is told: the facts of a machine, or what `--assume` says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmdoctor import profiles, tables
from llmdoctor.errors import UsageError
from llmdoctor.machine import Gpu, Host, Libc, Machine, Memory, Nvidia, PciDevice, Reading
from llmdoctor.plan import Choice, Target
from llmdoctor.resolve import resolve
from llmdoctor.target import assume, of_machine

# --- assumed machines


def test_what_is_not_given_is_as_the_contract_says() -> None:
    assert assume(["gpu=none"]) == Target(
        os="linux", arch="x86_64", glibc="2.35", python="3.12", gpus=(), assumed=True
    )


@pytest.mark.parametrize(
    ("pair", "field", "value"),
    [
        ("os=windows", "os", "windows"),
        ("os=Linux", "os", "linux"),
        ("arch=amd64", "arch", "x86_64"),
        ("arch=arm64", "arch", "aarch64"),
        ("arch=aarch64", "arch", "aarch64"),
        ("glibc=2.17", "glibc", "2.17"),
        ("python=3.10", "python", "3.10"),
        ("python=3.11.7", "python", "3.11"),
        ("driver=535.183.01", "driver", "535.183.01"),
        ("driver=535", "driver", "535"),
        ("driver=none", "driver_missing", True),
        ("driver=None", "driver_missing", True),
        ("ram=16GB", "ram", 16 * 10**9),
        ("ram=16", "ram", 16 * 10**9),
        ("ram=1.5 GiB", "ram", 3 * 2**29),
        ("ram=512mb", "ram", 512 * 10**6),
        ("wsl=true", "wsl", 2),
        ("wsl=2", "wsl", 2),
        ("wsl=1", "wsl", 1),
        ("wsl=no", "wsl", None),
    ],
)
def test_every_key_is_understood(pair: str, field: str, value: object) -> None:
    assert getattr(assume([pair]), field) == value


def test_several_pairs_may_stand_in_one_option_or_in_several() -> None:
    one = assume(["os=windows, gpu=RTX 4090 ,driver=560.94"])
    assert one == assume(["os=windows", "gpu=RTX 4090", "driver=560.94"])
    assert one.gpus == (Gpu(0, "RTX 4090", "8.9", source="assumed"),)
    assert one.glibc is None


def test_arm_is_named_as_each_system_names_it() -> None:
    assert assume(["os=macos,arch=aarch64"]).arch == "arm64"
    assert assume(["os=linux,arch=arm64"]).arch == "aarch64"


def test_several_gpus_keep_their_order_and_their_own_capability() -> None:
    target = assume(["gpu=GTX 1080 Ti,gpu=Unheard Of 1,cc=9.9,gpu=NVIDIA GeForce RTX 5090"])
    assert [(gpu.index, gpu.compute_capability) for gpu in target.gpus] == [
        (0, "6.1"),
        (1, "9.9"),
        (2, "12.0"),
    ]


@pytest.mark.parametrize(
    "pair",
    [
        "", "gpu", "gpu=", "=x", "os=plan9", "arch=sparc", "glibc=new", "glibc=2", "python=three",
        "python=3", "python=3.12t", "driver=new", "driver=560.x", "ram=much", "ram=-1GB", "ram=1TB",
        "ram=" + "9" * 400, "driver=" + "9" * 5000, "python=٣.١٢", "ram=٣", "wsl=maybe", "cc=8.9",
        "gpu=RTX 4090,cc=89", "gpu=RTX 4090,cc=٨.٩", "gpu=RTX 4090,cc=8.9.0",
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_a_usage_error_that_repeats_it(pair: str) -> None:
    with pytest.raises(UsageError) as caught:
        assume([pair])
    assert caught.value.message.startswith("--assume")
    assert pair.rpartition(",")[2][:20] in caught.value.message


def test_a_misspelt_key_gives_the_nearest_and_all() -> None:
    with pytest.raises(UsageError, match="no key 'drivr'; did you mean 'driver'") as caught:
        assume(["drivr=535"])
    assert all(key in caught.value.message for key in ("arch", "cc", "glibc", "gpu", "os", "wsl"))


def test_a_gpu_that_the_table_lacks_is_never_guessed() -> None:
    with pytest.raises(
        UsageError, match=r"no NVIDIA GPU called 'RTX 4095'.*near it: .*RTX 4090"
    ) as e:
        assume(["gpu=RTX 4095"])
    assert "cc=X.Y" in e.value.message
    assert e.value.next_command
    assert assume(["gpu=RTX 4095,cc=8.9"]).gpus[0].compute_capability == "8.9"


@pytest.mark.parametrize("capability", ["", ",cc=8.0"])
@pytest.mark.parametrize(
    ("name", "maker"),
    [
        ("Radeon RX 7900 XTX", "AMD"),
        ("AMD Instinct MI300X", "AMD"),
        ("Intel Arc A770", "Intel"),
        ("Apple M3 Max", "Apple"),
    ],
)
def test_a_card_of_another_maker_is_refused_whatever_capability_is_written_after_it(
    name: str, maker: str, capability: str
) -> None:
    with pytest.raises(UsageError, match=f"a GPU of {maker}, .*gpu=none") as caught:
        assume([f"gpu={name}{capability}"])
    assert caught.value.next_command


def test_no_gpu_of_the_table_is_taken_for_another_makers() -> None:
    names = [name for name, _ in tables.gpu_names()]
    assert [name for name in names if tables.other_vendor(name)] == []
    assert tables.other_vendor("NVIDIA RTX 4090 beside Intel UHD") is None


KEYS = ("os", "arch", "glibc", "python", "driver", "gpu", "cc", "ram", "wsl", "x")
VALUES = st.sampled_from(["linux", "windows", "3.12", "2.17", "RTX 4090", "none", "8.9", "16GB"])
PAIRS = st.builds(lambda key, value: f"{key}={value}", st.sampled_from(KEYS), VALUES | st.text())


@settings(deadline=None)
@given(st.lists(st.text() | PAIRS, max_size=4))
@example(["python=3.12,glibc=2.99"])
@example(["gpu=RTX 4090,driver=0"])
def test_any_text_gives_a_target_that_can_be_resolved_or_a_usage_error(pairs: list[str]) -> None:
    known = tuple(profiles.builtin().values())
    try:
        target = assume(pairs)
    except UsageError:
        return
    resolve([profiles.find("mainline"), profiles.find("flashattn")], known, target)


# --- observed machines

LINUX = Machine(
    host=Host("linux", "x86_64", libc=Libc("glibc", "2.39")),
    memory=Memory(total=32 * 10**9),
    nvidia=Nvidia(driver=(Reading("nvml", "560.35.03"),), gpus=(Gpu(0, "RTX 4090", "8.9"),)),
)


def test_a_machine_is_told_as_it_is() -> None:
    assert of_machine(LINUX, "3.11.7") == Target(
        glibc="2.39", python="3.11", driver="560.35.03", gpus=LINUX.nvidia.gpus, ram=32 * 10**9
    )


def test_a_capability_that_the_driver_does_not_say_comes_from_the_table() -> None:
    old = replace(LINUX, nvidia=Nvidia(gpus=(Gpu(0, "Tesla K80"), Gpu(1, "Unheard Of"))))
    assert [gpu.compute_capability for gpu in of_machine(old, "3.12").gpus] == ["3.7", None]


def test_hardware_without_a_driver_is_hardware_without_a_driver() -> None:
    bus = (PciDevice("01:00.0", "10de", "2684"), PciDevice("00:02.0", "8086", "4680"))
    target = of_machine(replace(LINUX, nvidia=Nvidia(pci=bus)), "3.12")
    assert target.driver_missing
    assert [gpu.source for gpu in target.gpus] == ["pci"]


def test_a_machine_without_nvidia_hardware_misses_no_driver() -> None:
    target = of_machine(replace(LINUX, nvidia=Nvidia()), "3.12")
    assert target.gpus == ()
    assert not target.driver_missing


@pytest.mark.parametrize(
    ("host", "arch", "glibc", "musl", "wsl"),
    [
        (Host("linux", "x86_64", libc=Libc("musl", "1.2.4")), "x86_64", None, True, None),
        (Host("linux", "arm64", libc=Libc("glibc", "2.35")), "aarch64", "2.35", False, None),
        (Host("linux", "x86_64", libc=Libc("glibc", "2.35"), wsl=2), "x86_64", "2.35", False, 2),
        (Host("macos", "arm64"), "arm64", None, False, None),
        (Host("windows", "AMD64"), "x86_64", None, False, None),
    ],
)
def test_the_host_is_put_in_the_words_of_the_tables(
    host: Host, arch: str, glibc: str | None, musl: bool, wsl: int | None
) -> None:
    target = of_machine(replace(LINUX, host=host), "3.12")
    assert (target.arch, target.glibc, target.musl, target.wsl) == (arch, glibc, musl, wsl)


def test_the_free_threaded_build_stays_one() -> None:
    assert of_machine(LINUX, "3.13.0t").python == "3.13t"


def test_memory_is_what_a_process_can_have_before_it_is_killed() -> None:
    swaps = replace(LINUX, memory=Memory(total=2 * 10**9, swap=10**9))
    assert of_machine(swaps, "3.12").ram == 3 * 10**9
    limited = replace(LINUX, memory=Memory(total=64 * 10**9, swap=10**9, limit=10**9))
    assert of_machine(limited, "3.12").ram == 10**9
    assert of_machine(replace(LINUX, memory=Memory()), "3.12").ram is None


# --- hidden GPUs

NEW, OLD = (
    Gpu(0, "RTX 5090", "12.0", uuid="GPU-aaaa"),
    Gpu(1, "GTX 1080 Ti", "6.1", uuid="GPU-bbbb"),
)


def mixed(value: str, *gpus: Gpu, **variables: str) -> Machine:
    nvidia = Nvidia(driver=(Reading("nvml", "580.95.05"),), gpus=gpus or (NEW, OLD))
    return replace(LINUX, nvidia=nvidia, variables={"CUDA_VISIBLE_DEVICES": value, **variables})


def mainline_on(machine: Machine) -> Choice:
    known = tuple(profiles.builtin().values())
    return resolve([profiles.find("mainline")], known, of_machine(machine, "3.12"))


@pytest.mark.parametrize(
    "machine",
    [mixed("0", CUDA_DEVICE_ORDER="PCI_BUS_ID"), mixed("GPU-aaaa")],
    ids=["number in bus order", "UUID"],
)
def test_a_hidden_gpu_makes_a_stack_possible_and_the_plan_says_so(machine: Machine) -> None:
    choice = mainline_on(machine)
    assert (choice.feasible, choice.variant) == (True, "cu128")
    assert "CUDA_VISIBLE_DEVICES hides GTX 1080 Ti" in [reason.text for reason in choice.reasons]


@pytest.mark.parametrize("gpus", [(NEW, OLD), (replace(OLD, index=0), replace(NEW, index=1))])
def test_a_number_is_not_trusted_where_cuda_sorts_by_speed(gpus: tuple[Gpu, ...]) -> None:
    target = of_machine(mixed("0", *gpus), "3.12")
    assert target.gpus == gpus
    choice = mainline_on(mixed("0", *gpus))
    assert not choice.feasible
    assert any("CUDA_DEVICE_ORDER" in reason.text for reason in choice.reasons)


def test_a_number_is_trusted_where_it_makes_no_difference() -> None:
    alike = (NEW, replace(NEW, index=1))
    assert of_machine(mixed("1", *alike), "3.12").gpus == alike[1:]
    both = of_machine(mixed("1,0"), "3.12")
    assert ({gpu.index for gpu in both.gpus}, both.gpus_note) == ({0, 1}, None)
    assert of_machine(mixed("0", NEW), "3.12").gpus == (NEW,)


def test_what_is_not_known_to_be_hidden_is_judged() -> None:
    nameless = (replace(NEW, uuid=None), OLD)
    for machine in (mixed("MIG-1234"), mixed("GPU-aaaa", *nameless)):
        target = of_machine(machine, "3.12")
        assert len(target.gpus) == 2
        assert "every GPU is judged" in (target.gpus_note or "")


def test_with_every_gpu_hidden_the_processor_is_left_and_no_driver_is_missing() -> None:
    choice = mainline_on(mixed("-1"))
    assert (choice.variant, choice.target.driver_missing) == ("cpu", False)
    assert any("hides RTX 5090, GTX 1080 Ti" in reason.text for reason in choice.reasons)


def test_the_processor_that_is_not_given_is_the_one_of_the_system() -> None:
    archs = [assume([f"os={os}"]).arch for os in ("linux", "windows", "macos")]
    assert archs == ["x86_64", "x86_64", "arm64"]
    assert assume(["arch=x86_64,os=macos"]).arch == "x86_64"


def test_a_bare_number_is_that_of_a_model() -> None:
    with pytest.raises(UsageError, match=r"near it: RTX 4090, "):
        assume(["gpu=4090"])


def test_a_capability_alone_is_answered_with_a_full_example() -> None:
    with pytest.raises(UsageError, match=r"--assume gpu='My GPU',cc=8\.9"):
        assume(["cc=8.9"])
