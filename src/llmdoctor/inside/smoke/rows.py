"""The words of the smoke test: what a row is, and what was measured in it. No torch here."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase


class Unsupported(Exception):  # noqa: N818 - it is no error
    """The row cannot be run here, for the reason given; nothing is broken by that."""


@dataclass(frozen=True)
class Row:
    """One thing to prove. ``kernel`` is "default" where the backend chooses for itself."""

    backend: str
    kernel: str
    mode: str
    dtype: str
    device: str

    @property
    def name(self) -> str:
        """What ``--only`` matches and ``--list`` prints."""
        return f"{self.backend}/{self.kernel}/{self.mode}/{self.dtype}"

    def matches(self, globs: list[str]) -> bool:
        """Whether any of the globs fits; without globs every row does."""
        return not globs or any(fnmatchcase(self.name, glob) for glob in globs)

    def identity(self) -> dict[str, str]:
        """The fields that name the row in the report."""
        return asdict(self)


@dataclass(frozen=True)
class Measure:
    """A number and the largest value it may have."""

    name: str
    value: float
    gate: float

    @property
    def ok(self) -> bool:
        """Whether the value is within the gate."""
        # Written so that NaN, which compares false with everything, does not pass.
        return self.value <= self.gate

    @property
    def strain(self) -> float:
        """How much of the gate was used, 1 being all of it; infinite for a broken exact gate."""
        if math.isnan(self.value):
            return math.inf
        if self.gate > 0:
            return self.value / self.gate
        return 0.0 if self.ok else math.inf

    def __str__(self) -> str:
        number = f"{self.value:.0f}" if float(self.value).is_integer() else f"{self.value:.3g}"
        return f"{self.name} {number} (gate {self.gate:g})"


@dataclass(frozen=True)
class Trial:
    """What one row measured, the attention kernels seen at work, and remarks for ``detail``."""

    measures: tuple[Measure, ...]
    kernels: Counter[str]
    remarks: tuple[str, ...] = ()

    @property
    def worst(self) -> Measure:
        """The broken measure, or else the one nearest to its gate."""
        return max(self.measures, key=lambda measure: (not measure.ok, measure.strain))

    @property
    def ran_as(self) -> str | None:
        """The kernels by name, such as "eager+MATH"."""
        return "+".join(sorted(self.kernels, key=str.lower)) or None


@dataclass(frozen=True)
class Result:
    """The row of the report that is not its identity; see ``__main__`` for each field."""

    outcome: str
    seconds: float
    detail: str
    error: float | None = None
    tolerance: float | None = None
    ran_as: str | None = None
    peak_bytes: int | None = None
