"""What a Transformers release knows and needs: attention names, Python, and what it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from llmdoctor.tables.read import numbers, read_table, table_date


class UnknownTransformers(LookupError):  # noqa: N818 - "unknown" is the answer, not an error
    """A Transformers version that the table does not reach."""


@dataclass(frozen=True)
class Transformers:
    """A line of Transformers releases, from ``since`` on. Specifiers are PEP 440.

    ``names`` are the values of attn_implementation, ``needs`` what some of them ask for; both are
    None where nobody read them, and so is ``kernels``.
    """

    since: str
    python: str
    kernels: str | None
    names: tuple[str, ...] | None
    needs: Mapping[str, str] | None
    note: str
    status: str
    source: str
    checked: str


def preferred_attention() -> tuple[str, ...]:
    """Values of attn_implementation, the one to take first where it is proven to work."""
    return tuple(read_table("transformers")["table"]["prefer"])


def transformers_release(version: str) -> Transformers:
    """What is known of a version such as "5.0.0": the row of the line it belongs to.

    Raises UnknownTransformers for a version before the first row or after the newest one read.
    """
    table = read_table("transformers")
    rows = [row for row in table["release"] if numbers(row["since"]) <= numbers(version)]
    newest = table["table"]["newest"]
    if not rows or numbers(version) > numbers(newest):
        first = table["release"][0]["since"]
        raise UnknownTransformers(
            f"transformers {version} is not in the table of {table_date('transformers')} "
            f"(it knows {first} to {newest})"
        )
    row = rows[-1]
    return Transformers(
        since=row["since"],
        python=row["python"],
        kernels=row.get("kernels"),
        names=tuple(row["names"]) if "names" in row else None,
        needs=MappingProxyType(row["needs"]) if "needs" in row else None,
        note=row.get("note", ""),
        status=row["status"],
        source=row["source"],
        checked=row["checked"],
    )


@dataclass(frozen=True)
class Ranges:
    """What a line of Transformers releases works with. Specifiers are PEP 440.

    ``torch`` is the lowest that it does not switch off ("Disabling PyTorch"), "" where no source
    says; ``accelerate`` what its Trainer asks for.
    """

    hub: str
    tokenizers: str
    accelerate: str
    torch: str = ""


def transformers_ranges(version: str) -> Ranges | None:
    """What that Transformers works with; None for one before or after the table."""
    table = read_table("transformers")
    newest = numbers(table["table"]["newest"])[:2]
    rows = [
        row for row in table["range"] if numbers(row["since"]) <= numbers(version)[:2] <= newest
    ]
    if not rows:
        return None
    row = rows[-1]
    return Ranges(row["hub"], row["tokenizers"], row["accelerate"], row.get("torch", ""))


def attention_names(version: str) -> tuple[str, ...] | None:
    """The attention implementations a Transformers version knows; None where nobody read them."""
    return transformers_release(version).names
