"""What the rows of a run share: the seed, the device, and the bench of models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bench import Bench


@dataclass(frozen=True)
class Lab:
    """``seed`` is of all random numbers; ``device`` is torch's name, "cpu" or "cuda:0"."""

    seed: int
    device: str

    @cached_property
    def bench(self) -> Bench:
        """The models and their reference; made when first asked for, since it needs torch."""
        from .bench import Bench

        return Bench(self.seed, self.device)
