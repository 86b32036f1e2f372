"""CUDA: which shared libraries a program gets, when more than one has the name."""

from __future__ import annotations

from collections.abc import Iterator

from llmdoctor.checks._facts import parts, usable_torch
from llmdoctor.checks._framework import Answer, Case, Skip, check, finding
from llmdoctor.finding import Finding, Remedy
from llmdoctor.machine import Library, Package

# Library -> what the wheel is called ("nvidia-NAME-cu12", "nvidia-NAME"), and the cause.
_WHEELS: dict[str, tuple[str, str | None]] = {
    "libcublas": ("cublas", "cublaslt-library-conflict"),
    "libcublasLt": ("cublas", "cublaslt-library-conflict"),
    "libcudnn": ("cudnn", "cudnn-library-conflict"),
    "libcusparse": ("cusparse", "nvjitlink-ld-library-path"),
    "libnvJitLink": ("nvjitlink", "nvjitlink-ld-library-path"),
    "libnccl": ("nccl", None),
}
# Whose parts load each other by name and want one version: newer is as wrong as older.
_ONE_VERSION = ("libcudnn",)


@check(
    "CUDA009",
    cause=None,
    also=("cublaslt-library-conflict", "nvjitlink-ld-library-path", "cudnn-library-conflict"),
    severity="warning",
    readers=("libraries", "library", "environment"),
)
def libraries_shadowed(case: Case) -> Answer:
    """LD_LIBRARY_PATH puts other CUDA libraries before the environment's.

    What: Looks which cuBLAS, cuDNN, cuSPARSE, nvJitLink and NCCL lie in the folders of
    LD_LIBRARY_PATH, and compares them with the nvidia-* wheels of the environment.

    Why: The loader searches those folders before the ones that a wheel's libraries name. An older
    file of the same name then serves a newer torch: "undefined symbol: __nvJitLinkComplete",
    "cublasLtGetStatusString", cuDNN's "version mismatch".

    Remedy: Take the folder out of LD_LIBRARY_PATH. torch needs none: its wheels bring everything.

    Known problems: Nothing is loaded here. Libraries that torch itself is linked to with RPATH win
    over the variable, so the clash may stay without effect.
    """
    if case.machine.host.system != "linux":
        return Skip("this system has no LD_LIBRARY_PATH")
    return tuple(_shadowing(case))


def _shadowing(case: Case) -> Iterator[Finding]:
    found: dict[str, Library] = {}
    for item in case.machine.libraries:
        if item.found == "LD_LIBRARY_PATH":
            found.setdefault(item.name, item)
    for stems, group in _by_folder(found).items():
        clashes = [(item, wheel) for item in group if (wheel := _clash(case, item))]
        if not clashes:
            continue
        item, wheel = clashes[0]
        yield finding(
            libraries_shadowed,
            f"{item.name} {item.version} in LD_LIBRARY_PATH is found before {wheel.version} of "
            f"{wheel.name}, which torch was built with.",
            cause=next((c for i, _ in clashes if (c := _WHEELS[i.name][1])), None),
            evidence=tuple(
                f"{i.path} ({i.version}) before {w.name} {w.version}" for i, w in clashes
            ),
            where=stems,
            remedy=Remedy(
                f"Take {stems} out of LD_LIBRARY_PATH, where the shell's start-up files or the "
                "image set it; in this shell: `unset LD_LIBRARY_PATH`."
            ),
        )


def _by_folder(found: dict[str, Library]) -> dict[str, list[Library]]:
    groups: dict[str, list[Library]] = {}
    for item in found.values():
        groups.setdefault(item.path.rpartition("/")[0], []).append(item)
    return groups


def _clash(case: Case, item: Library) -> Package | None:
    """The wheel whose library the file replaces: the same name for the loader, a worse version."""
    if item.name not in _WHEELS or not item.version or "." not in item.version:
        return None
    stem = _WHEELS[item.name][0]
    for package in case.machine.environment.packages:
        if package.name.rstrip("0123456789").removesuffix("-cu") != f"nvidia-{stem}":
            continue
        here, there = parts(item.version), parts(package.version)
        count = min(len(here), len(there), 3)
        if here[:1] != there[:1] or here[:count] == there[:count]:
            continue
        if here < there or item.name in _ONE_VERSION:
            return package
    return None


@check(
    "CUDA010",
    cause="libcuda-symlink-missing",
    severity="note",
    readers=("libraries", "library", "cuda", "environment"),
)
def libcuda_not_linkable(case: Case) -> Answer:
    """The driver's libcuda can be loaded, and not linked against.

    What: Looks for libcuda.so beside the driver's libcuda.so.1, and for a toolkit's stub of it.

    Why: A compiler that is told -lcuda wants the name without a number: "cannot find -lcuda".
    Triton and what compiles with it did so for years; running CUDA programs needs no such link.

    Remedy: Install the package with the link (libnvidia-compute of the driver, a CUDA toolkit), or
    make the link.

    Known problems: A link in a folder that only ldconfig's cache names is not seen.
    """
    torch, machine = usable_torch(case), case.machine
    if torch is None or torch.cuda is None:
        return Skip("no CUDA build of torch is installed")
    system = [item for item in machine.libraries if item.name == "libcuda"]
    numbered = [item for item in system if item.path.endswith(".so.1") and item.found == "system"]
    if not numbered:
        return Skip("the driver's libcuda.so.1 is in none of the usual folders")
    stub = any(kit.stub for kit in machine.cuda.toolkits)
    if stub or any(item.path.endswith("/libcuda.so") for item in system):
        return None
    path = numbered[0].path
    return finding(
        libcuda_not_linkable,
        "Older Triton and extensions that are compiled with -lcuda do not find it.",
        evidence=(f"{path} without {path.removesuffix('.1')}, and no toolkit's stub",),
        where=path,
        remedy=Remedy(
            f"If a build says `cannot find -lcuda`: `sudo ln -s {path.rpartition('/')[2]} "
            f"{path.removesuffix('.1')}`."
        ),
    )
