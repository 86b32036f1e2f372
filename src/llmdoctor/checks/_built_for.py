"""For which torch, CUDA and GPUs a compiled package was built, as far as its names tell."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llmdoctor.checks._facts import parts
from llmdoctor.checks._versions import split_requirement
from llmdoctor.machine import Package

# +cu12torch2.9cxx11abitrue (flash-attn, mamba), +cu128torch2.9, +pt26cu124 (PyG),
# +cu121.torch2.4.0 (ExLlamaV2). In pt26 and pt210 the first digit is the major.
_TORCH = re.compile(r"(?:torch|pt)(\d+)\.(\d+)|pt(\d)(\d{1,2})(?!\d)")
_CUDA = re.compile(r"cu(\d{2,3})(?!\d)")
_ABI = re.compile(r"abi(true|false|1|0)")


@dataclass(frozen=True)
class Built:
    """What a package's version or the name of its wheel says; None where it does not.

    `cuda` is the major, `torch` the minor ("2.9"), `said` the words that were read.
    """

    said: str
    torch: str | None
    cuda: int | None
    cxx11_abi: bool | None

    def __str__(self) -> str:
        words = [f"torch {self.torch}"] if self.torch else []
        words += [f"CUDA {self.cuda}"] if self.cuda else []
        if self.cxx11_abi is not None:
            words.append("the C++11 ABI" if self.cxx11_abi else "the C++ ABI from before C++11")
        return ", ".join(words)


def built_for(package: Package) -> Built | None:
    """What its local version says, or the wheel's name that the installer wrote down.

    A CUDA alone ("+cu118") counts for packages that ask for torch: the others bring their own.
    torchvision and torchaudio are released with torch and have rules of their own.
    """
    local = package.version.partition("+")[2] or _local_of(package.origin)
    if not local or package.name in ("torch", "torchvision", "torchaudio"):
        return None
    words = local.lower()
    torch, cuda, abi = _TORCH.search(words), _CUDA.search(words), _ABI.search(words)
    if torch is None and (cuda is None or not _asks_for_torch(package)):
        return None
    numbers = [number for number in torch.groups() if number] if torch else []
    return Built(
        said=local,
        torch=".".join(numbers) or None,
        cuda=int(cuda[1][:2]) if cuda else None,
        cxx11_abi=abi[1] in ("true", "1") if abi else None,
    )


def architectures(package: Package, cuda: str, arch: str) -> tuple[str, ...] | None:
    """The compute capabilities that an installed wheel was compiled for, ascending, by the tables.

    `cuda` is torch's. None where that is unknown: the package was compiled here, or nobody read it.
    """
    if package.name == "bitsandbytes":
        return _of_bitsandbytes(cuda, arch)
    local = package.version.partition("+")[2] or _local_of(package.origin) or ""
    match = _CUDA.search(local.lower())
    version = package.version.partition("+")[0]
    if match is None or _TORCH.search(local.lower()) is None:
        return None
    return _official(package.name, version, match[1]) if len(match[1]) == 2 else None


def _official(name: str, version: str, cuda: str) -> tuple[str, ...] | None:
    from llmdoctor.tables.read import read_table

    for row in read_table(f"wheels/{name}-official")["release"]:
        if row["version"] == version and cuda in row["code"]:
            return tuple(sorted(row["code"][cuda], key=parts))
    return None


def _of_bitsandbytes(cuda: str, arch: str) -> tuple[str, ...] | None:
    from llmdoctor.tables.read import read_table

    found = None
    for row in read_table("bitsandbytes")["code"]:
        if row["arch"] == arch and parts(row["cuda"]) <= parts(cuda):
            found = tuple(row["architectures"])
    return found


def _local_of(wheel: str | None) -> str | None:
    """The local version in the file name of a wheel."""
    words = (wheel or "").split("-")
    return words[1].partition("+")[2] or None if len(words) > 2 else None


def _asks_for_torch(package: Package) -> bool:
    return any(
        (found := split_requirement(text, {})) and found[0] == "torch" for text in package.requires
    )
