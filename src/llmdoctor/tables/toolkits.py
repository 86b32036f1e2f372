"""What CUDA toolkits compile for and with, and what that takes."""

from __future__ import annotations

from typing import Literal, NamedTuple

from llmdoctor.tables.read import numbers, read_table


class Toolkits(NamedTuple):
    """The toolkits that compile for one GPU; `last` is None while there is none."""

    first: str
    last: str | None


def newest_gcc(cuda: str) -> int | None:
    """The newest GCC major that the toolkit of that CUDA ("12.4") takes; None where unknown."""
    rows = [row for row in read_table("toolkit")["gcc"] if numbers(row["cuda"]) <= numbers(cuda)]
    same = [row for row in rows if numbers(row["cuda"])[0] == numbers(cuda)[0]]
    return int(same[-1]["newest"]) if same else None


def toolkits_for(capability: str) -> Toolkits | None:
    """Which toolkits compile for a GPU of that compute capability; None where unknown."""
    for row in read_table("toolkit")["gpu"]:
        if capability in row["capabilities"]:
            return Toolkits(row["first"], row.get("last"))
    return None


def memory_of_a_job() -> int:
    """Bytes that one compiler process of a large CUDA extension takes."""
    return int(read_table("toolkit")["job"][0]["memory"])


def compat_on(gpu_name: str) -> Literal["refused", "undecided", "supported"]:
    """What cuda-compat's newer libcuda does on a GPU of that name."""
    (row,) = read_table("toolkit")["compat"]
    words = gpu_name.lower().split()
    if any(word in words for word in row["refused"]):
        return "refused"
    return "undecided" if any(word in words for word in row["undecided"]) else "supported"


def windows_library(torch: str) -> str | None:
    """The library that torch's Windows wheel of that version needs and does not bring."""
    release = torch.partition("+")[0]
    rows = read_table("toolkit")["windows"]
    return next((str(row["library"]) for row in rows if row["torch"] == release), None)
