"""The models, the inputs and the reference's answers, shared by all rows of a run."""

from __future__ import annotations

import torch

from . import reference
from .backends import Backend
from .batches import LENGTH, Batch, Prompt, batch, continued
from .families import FAMILIES, Subject


class Bench:
    """The models by family, three batches for them, and a prompt. Each is made when asked for."""

    def __init__(self, seed: int, device: str) -> None:
        reference.register()
        self.seed = seed
        self.device = device
        draw = torch.Generator().manual_seed(seed)
        # Among few keys every single one weighs much, so a short sequence shows a missing one.
        short = (3, 7, LENGTH // 2, LENGTH)
        self._batches = (
            batch("causal", (LENGTH, LENGTH), draw, device),
            batch("left-padded", short, draw, device),
            batch("right-padded", short, draw, device, left=False),
        )
        self._subjects: dict[str, Subject] = {}
        self._prompts: dict[bool, Prompt] = {}

    def batches(self, backend: Backend) -> tuple[Batch, ...]:
        """Those that this backend can take on this device."""
        names = backend.takes(self.device)
        return tuple(batch for batch in self._batches if batch.name in names)

    def subject(self, family: str = "llama") -> Subject:
        """The model of a family.

        Raises:
            ModuleNotFoundError: this transformers does not have the family.
        """
        if family not in self._subjects:
            self._subjects[family] = Subject(FAMILIES[family], self.seed, self.device)
        return self._subjects[family]

    def prompt(self, backend: Backend) -> Prompt:
        """Two prompts with a clear-cut continuation (see ``Prompt``); padded if it can take it."""
        padded = "left-padded" in backend.takes(self.device)
        if padded not in self._prompts:
            model = self.subject().reference("fp32")
            draw = torch.Generator().manual_seed(self.seed)
            lengths = (7, 10) if padded else (10, 10)
            for _ in range(100):  # one in two will do
                prompt = continued(batch("prompt", lengths, draw, self.device), model)
                if prompt.clear_cut:
                    self._prompts[padded] = prompt
                    break
            else:
                raise RuntimeError("the float64 reference has no clear-cut answer to any prompt")
        return self._prompts[padded]
