"""GPU names, compute capabilities, and what runs on which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from llmdoctor.tables.drivers import cuda_of_variant
from llmdoctor.tables.read import numbers, read_table


@dataclass(frozen=True)
class Feature:
    """Something that needs a compute capability; ``highest`` is None where it has no end.

    ``cause`` is the diagnosis where a GPU is too old for it, ``instead`` what works there.
    """

    name: str
    minimum: str
    highest: str | None
    note: str
    cause: str | None
    instead: str
    status: str
    source: str
    checked: str

    def works_on(self, capability: str) -> bool:
        """Whether a GPU of this compute capability has it."""
        here = numbers(capability)
        return numbers(self.minimum) <= here and (
            self.highest is None or here <= numbers(self.highest)
        )


def capability_of(gpu_name: str) -> str | None:
    """The compute capability ("8.9") of a GPU by its name, or None for a name not in the table.

    Vendor words and case do not matter, and a driver's longer spelling is understood: form
    factor, memory size, "Laptop GPU". Every word has to be accounted for, so that a model the
    table lacks is never taken for its neighbour ("RTX 5070 SUPER" is not "RTX 5070").
    """
    words = _words(gpu_name)
    for end in range(len(words), 0, -1):  # the longest name first
        capability = _names().get(words[:end])
        if capability is not None and all(_is_qualifier(word) for word in words[end:]):
            return capability
    return None


def gpu_names() -> tuple[tuple[str, str], ...]:
    """Every (name, compute capability) of the table, oldest generation first."""
    return tuple(
        (name, row["capability"]) for row in read_table("gpu")["gpu"] for name in row["names"]
    )


def nearest_gpu_names(name: str) -> list[str]:
    """Up to three known names that look like this one, best first, for a message."""
    from difflib import get_close_matches  # only a failed look-up needs it

    spelled = {" ".join(_words(known)): known for known, _ in gpu_names()}
    wanted = " ".join(_words(name))
    return [spelled[near] for near in get_close_matches(wanted, spelled, n=3, cutoff=0.6)]


def other_vendor(gpu_name: str) -> str | None:
    """The maker ("AMD") that a name speaks of, where it is not NVIDIA; None for any other name."""
    words = set(re.findall(r"[a-z0-9]+", gpu_name.lower()))
    if "nvidia" in words:
        return None
    makers: list[dict[str, Any]] = read_table("gpu")["vendor"]
    return next((row["name"] for row in makers if not words.isdisjoint(row["words"])), None)


def generation_of(capability: str) -> str | None:
    """The generation's name: "8.9" -> "Ada"; None for a capability the table lacks."""
    generations: dict[str, str] = read_table("gpu")["generation"]
    return generations.get(capability)


def runs_on(code: str, device: str, cuda: str | None = None) -> bool:
    """Whether machine code for one compute capability runs on a GPU of another.

    The rule is: same major, equal or higher minor. Jetson chips are excluded from desktop code of
    their major; torch built with CUDA 13.2 or later drops some of these exclusions, so ``cuda``
    ("13.2" or "cu132") is the version the *build* uses. Without it they all apply.
    """
    rule = _code_rules().get(code, {})
    if "only" in rule:
        return device in rule["only"]
    if device in rule.get("exclude", ()) and not _lifted(rule, cuda):
        return False
    code_numbers, device_numbers = numbers(code), numbers(device)
    return code_numbers[0] == device_numbers[0] and code_numbers <= device_numbers


def any_runs_on(codes: Iterable[str], device: str, cuda: str | None = None) -> bool:
    """Whether any of the compiled capabilities serves the GPU; see `runs_on`."""
    return any(runs_on(code, device, cuda) for code in codes)


@cache
def feature(name: str) -> Feature:
    """A row of the table's features, such as "bf16". Raises KeyError for another name."""
    rows = {row["name"]: row for row in read_table("gpu")["feature"]}
    if name not in rows:
        raise KeyError(f"no feature {name!r} in the table; it knows {', '.join(rows)}")
    row = rows[name]
    return Feature(
        name=name,
        minimum=row["minimum"],
        highest=row.get("highest"),
        note=row.get("note", ""),
        cause=row.get("cause"),
        instead=row.get("instead", ""),
        status=row["status"],
        source=row["source"],
        checked=row["checked"],
    )


def feature_minimum(name: str) -> str:
    """The lowest compute capability of a feature; see `feature` for those that end again."""
    return feature(name).minimum


def _lifted(rule: dict[str, Any], cuda: str | None) -> bool:
    if cuda is None or "lifted_from" not in rule:
        return False
    version = cuda_of_variant(cuda) if cuda.startswith("cu") else cuda
    return numbers(version) >= numbers(rule["lifted_from"])


@cache
def _code_rules() -> dict[str, dict[str, Any]]:
    return {row["code"]: row for group in read_table("gpu")["code"] for row in group["rows"]}


@cache
def _names() -> dict[tuple[str, ...], str]:
    return {_words(name): capability for name, capability in gpu_names()}


def _words(name: str) -> tuple[str, ...]:
    """A name as comparable words: "NVIDIA GeForce RTX4070Ti" -> ("rtx", "4070", "ti")."""
    text = name.lower()
    text = re.sub(r"\b(rtx|gtx|gt)(?=\d)", r"\1 ", text)
    text = re.sub(r"(?<=\d)(ti|super)\b", r" \1", text)
    text = re.sub(r"(?<=\d)\s+(?=gb\b)", "", text)
    ignore = read_table("gpu")["names"]["ignore"]
    return tuple(word for word in re.findall(r"[a-z0-9]+", text) if word not in ignore)


def _is_qualifier(word: str) -> bool:
    names = read_table("gpu")["names"]
    return word in names["qualifiers"] or re.fullmatch(names["sizes"], word) is not None
