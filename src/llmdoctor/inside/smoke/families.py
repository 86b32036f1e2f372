"""The model families: tiny models of each, with random weights, made from a config."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

import torch

from . import reference
from .backends import Backend
from .batches import PAD, VOCABULARY, Batch
from .numerics import DTYPES


@dataclass(frozen=True)
class Family:
    """transformers' module of a family and the beginning of its classes; ``config`` is its own."""

    name: str
    classes: str
    config: dict[str, Any] = field(default_factory=dict)

    def load(self, kind: str) -> Any:  # noqa: ANN401 - a class of transformers
        """The class of its ``configuration`` or its causal LM (``modeling``)."""
        module = importlib.import_module(f"transformers.models.{self.name}.{kind}_{self.name}")
        ending = {"configuration": "Config", "modeling": "ForCausalLM"}[kind]
        return getattr(module, self.classes + ending)


# What each adds to Llama: biases of q, k and v; norms of queries and keys; a sliding window;
# queries scaled by their position, from 16 on, and YaRN's frequencies.
FAMILIES = {
    family.name: family
    for family in (
        Family("llama", "Llama"),
        Family("qwen2", "Qwen2"),
        Family("qwen3", "Qwen3", {"head_dim": 16}),
        Family("mistral", "Mistral", {"sliding_window": 12}),
        Family(
            "ministral3",
            "Ministral3",
            {
                "head_dim": 16,
                "rope_parameters": {
                    "rope_type": "yarn",
                    "rope_theta": 1000000.0,
                    "factor": 8.0,
                    "original_max_position_embeddings": 16,
                    "max_position_embeddings": 128,
                    "beta_fast": 32.0,
                    "beta_slow": 1.0,
                    "mscale_all_dim": 1.0,
                    "mscale": 1.0,
                    "llama_4_scaling_beta": 0.1,
                },
            },
        ),
    )
}


class Subject:
    """A two-layer model of a family with grouped queries and random weights, and its reference.

    Freshly initialised weights give nearly uniform attention, in which a wrong mask hardly shows;
    these are ten times larger. They come from ``seed`` and are drawn on the CPU, so every device
    gets the same.
    """

    def __init__(self, family: Family, seed: int, device: str) -> None:
        self.name = family.name
        self._family = family
        self._device = device
        draw = torch.Generator().manual_seed(seed)
        # Its own initial values do not matter: every one of them is replaced.
        shapes = self._new("eager").state_dict()
        self._weights = {
            name: torch.ones_like(weight)
            if name.endswith("norm.weight")
            else torch.randn(weight.shape, generator=draw) * (1.0 if "embed" in name else 0.2)
            for name, weight in shapes.items()
        }
        self._references: dict[str, torch.nn.Module] = {}
        self._logits: dict[tuple[str, str], torch.Tensor] = {}
        self._gradients: dict[tuple[str, str], dict[str, torch.Tensor]] = {}

    def model(self, backend: Backend, dtype: str) -> torch.nn.Module:
        """A new model on this backend, the weights rounded to ``dtype``, in evaluation mode."""
        asked = str(backend.attention)
        model = self._loaded(asked, dtype, DTYPES[dtype])
        taken = model.config._attn_implementation  # noqa: SLF001 - there is no public name for it
        if taken != asked:
            raise RuntimeError(f"asked for attention {asked!r}, transformers took {taken!r}")
        return model

    def reference(self, dtype: str) -> torch.nn.Module:
        """The same weights, rounded to ``dtype``, in float64 and on our own attention; kept."""
        if dtype not in self._references:
            self._references[dtype] = self._loaded(reference.NAME, dtype, torch.float64)
        return self._references[dtype]

    def _loaded(self, attention: str, rounded_to: str, held_in: torch.dtype) -> torch.nn.Module:
        model = self._new(attention)
        model.load_state_dict(self._weights)
        # The parameters alone: RoPE's frequencies stay float32, as they do in from_pretrained.
        for parameter in model.parameters():
            parameter.data = parameter.data.to(DTYPES[rounded_to]).to(held_in)
        return model.to(self._device).eval()

    def _new(self, attention: str) -> torch.nn.Module:
        config = self._family.load("configuration")(
            vocab_size=VOCABULARY,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            pad_token_id=PAD,
            bos_token_id=None,
            eos_token_id=None,
            attn_implementation=attention,
            **self._family.config,
        )
        model: torch.nn.Module = self._family.load("modeling")(config)
        return model

    def wanted_logits(self, batch: Batch, dtype: str) -> torch.Tensor:
        """What ``batch.logits`` should be."""
        key = (batch.name, dtype)
        if key not in self._logits:
            with torch.no_grad():
                self._logits[key] = batch.logits(self.reference(dtype))
        return self._logits[key]

    def wanted_gradients(self, batches: tuple[Batch, ...], dtype: str) -> dict[str, torch.Tensor]:
        """dL/dW of every parameter by its name; L is the sum of the losses of ``batches``."""
        parts = [self._gradients_of(batch, dtype) for batch in batches]
        return {name: sum((part[name] for part in parts[1:]), parts[0][name]) for name in parts[0]}

    def _gradients_of(self, batch: Batch, dtype: str) -> dict[str, torch.Tensor]:
        key = (batch.name, dtype)
        if key not in self._gradients:
            parameters = dict(self.reference(dtype).named_parameters())
            gradients = torch.autograd.grad(
                batch.loss(self.reference(dtype)), list(parameters.values())
            )
            self._gradients[key] = dict(zip(parameters, gradients))  # noqa: B905 - of Python 3.10
        return self._gradients[key]
