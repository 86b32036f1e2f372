"""A tiny Mamba of transformers with random weights, and the same model written out in float64."""

from __future__ import annotations

from functools import cached_property
from types import SimpleNamespace

import torch
from transformers.models.mamba.configuration_mamba import MambaConfig
from transformers.models.mamba.modeling_mamba import MambaForCausalLM

from .backends import Backend
from .batches import PAD, VOCABULARY, Batch
from .bench import Bench
from .lab import Lab
from .numerics import DTYPES
from .recurrences import causal_convolution, selective_scan

STATES = 8
RANK_OF_STEP = 4


class MambaLab(Lab):
    """A lab whose only model is Mamba."""

    @cached_property
    def bench(self) -> Bench:
        """The model and its batches."""
        return MambaBench(self.seed, self.device)


class MambaBench(Bench):
    """A bench whose only model is Mamba."""

    @cached_property
    def _mamba(self) -> Mamba:
        return Mamba(self.seed, self.device)

    def subject(self, family: str = "mamba") -> Mamba:  # type: ignore[override]  # noqa: ARG002
        """Mamba."""
        return self._mamba


class Mamba:
    """A two-layer Mamba; the interface is that of ``families.Subject``."""

    name = "mamba"

    def __init__(self, seed: int, device: str) -> None:
        self._device = device
        draw = torch.Generator().manual_seed(seed)
        self._weights = {
            name: self._initial(name, weight, draw)
            for name, weight in self._new().named_parameters()
        }

    @staticmethod
    def _initial(name: str, weight: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        """Larger than a fresh model's, so that a wrong state shows."""
        if name.endswith(("norm.weight", "norm_f.weight", ".D")):
            return torch.ones_like(weight)
        if name.endswith("A_log"):  # Mamba's own: -A is 1, 2, 3... for the states of a channel
            return torch.arange(1, STATES + 1).float().log().expand_as(weight).clone()
        size = 1.0 if "embed" in name else 0.5 if "conv1d" in name else 0.2
        return torch.randn(weight.shape, generator=draw) * size

    def _new(self) -> torch.nn.Module:
        config = MambaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            state_size=STATES,
            num_hidden_layers=2,
            time_step_rank=RANK_OF_STEP,
            # tied to the embeddings, a random model repeats its last token: no proof of a cache
            tie_word_embeddings=False,
            pad_token_id=PAD,
            bos_token_id=None,
            eos_token_id=None,
        )
        model: torch.nn.Module = MambaForCausalLM(config)
        return model

    def _loaded(self, rounded_to: str, held_in: torch.dtype) -> torch.nn.Module:
        model = self._new()
        for name, parameter in model.named_parameters():
            parameter.data = self._weights[name].to(DTYPES[rounded_to]).to(held_in)
        return model.to(self._device).eval()

    def model(self, backend: Backend, dtype: str) -> torch.nn.Module:  # noqa: ARG002 - as Subject
        """A new model with the weights rounded to ``dtype``, in evaluation mode."""
        return self._loaded(dtype, DTYPES[dtype])

    def reference(self, dtype: str) -> WrittenOut:
        """The same weights, rounded to ``dtype``, in float64 and with nothing of transformers."""
        return WrittenOut(self._loaded(dtype, torch.float64))

    def wanted_logits(self, batch: Batch, dtype: str) -> torch.Tensor:
        """What ``batch.logits`` should be."""
        with torch.no_grad():
            return batch.logits(self.reference(dtype))

    def wanted_gradients(self, batches: tuple[Batch, ...], dtype: str) -> dict[str, torch.Tensor]:
        """dL/dW of every parameter by its name; L is the sum of the losses of ``batches``."""
        model = self.reference(dtype)
        torch.stack([batch.loss(model) for batch in batches]).sum().backward()
        return {name: weight.grad for name, weight in model.weights.items()}


class WrittenOut(torch.nn.Module):  # type: ignore[misc]  # torch is not there
    """Mamba as Gu and Dao have it (2023, figure 3): whole sequences, without padding or a cache."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.weights = dict(model.named_parameters())
        self._layers = model.config.num_hidden_layers
        self._epsilon = model.config.layer_norm_epsilon

    def forward(self, input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        """The logits (batch, length, vocabulary), as transformers wraps them."""
        x = self.weights["backbone.embeddings.weight"][input_ids]
        for layer in range(self._layers):
            x = x + self._mixed(f"backbone.layers.{layer}.", x)
        x = self._normal(x, "backbone.norm_f.weight")
        return SimpleNamespace(logits=x @ self.weights["lm_head.weight"].T)

    def _normal(self, x: torch.Tensor, name: str) -> torch.Tensor:
        size = torch.rsqrt(x.square().mean(-1, keepdim=True) + self._epsilon)
        return x * size * self.weights[name]

    def _mixed(self, layer: str, x: torch.Tensor) -> torch.Tensor:
        weights = {
            name[len(layer + "mixer.") :]: weight
            for name, weight in self.weights.items()
            if name.startswith(layer + "mixer.")
        }
        both = (self._normal(x, layer + "norm.weight") @ weights["in_proj.weight"].T).mT
        x, gate = both.chunk(2, dim=1)
        x = causal_convolution(
            {"x": x, "weight": weights["conv1d.weight"][:, 0], "bias": weights["conv1d.bias"]}
        )
        step, into, out = (x.mT @ weights["x_proj.weight"].T).split(
            [RANK_OF_STEP, STATES, STATES], dim=-1
        )
        mixed = selective_scan(
            {
                "x": x,
                "step": (step @ weights["dt_proj.weight"].T).mT,
                "gate": gate,
                "A": -weights["A_log"].exp(),
                "B": into.mT,
                "C": out.mT,
                "D": weights["D"],
                "bias": weights["dt_proj.bias"],
            }
        )
        return mixed.mT @ weights["out_proj.weight"].T
