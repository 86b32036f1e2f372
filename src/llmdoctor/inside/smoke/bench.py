"""The model, the inputs and the reference's answers, shared by all rows of a run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from . import reference
from .backends import Backend
from .numerics import DTYPES

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")
VOCABULARY = 128
PAD = 0
# 40 is more than one block of 32 queries, in which the CPU's flash kernel works.
LENGTH = 40
NEW_TOKENS = 8


@dataclass(frozen=True)
class Batch:
    """input_ids (batch, length); attention_mask of the same shape or None for no padding."""

    name: str
    input_ids: torch.Tensor
    attention_mask: torch.Tensor | None

    @property
    def valid(self) -> torch.Tensor:
        """(batch, length), true where there is a token and not padding."""
        if self.attention_mask is None:
            return torch.ones_like(self.input_ids, dtype=torch.bool)
        return self.attention_mask.bool()

    def logits(self, model: torch.nn.Module) -> torch.Tensor:
        """Logits of the tokens that are not padding: (tokens, vocabulary)."""
        output = model(
            input_ids=self.input_ids, attention_mask=self.attention_mask, use_cache=False
        )
        logits: torch.Tensor = output.logits
        return logits[self.valid]

    def loss(self, model: torch.nn.Module) -> torch.Tensor:
        """Mean cross-entropy of each next token, in at least float32, as transformers has it."""
        output = model(
            input_ids=self.input_ids, attention_mask=self.attention_mask, use_cache=False
        )
        predicted = (self.valid[:, :-1] & self.valid[:, 1:]).reshape(-1)
        logits = output.logits[:, :-1].reshape(-1, VOCABULARY)[predicted]
        wanted = self.input_ids[:, 1:].reshape(-1)[predicted]
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return torch.nn.functional.cross_entropy(wide, wanted)


@dataclass(frozen=True)
class Prompt:
    """A left-padded batch and the reference's greedy continuation ``tokens`` of it.

    ``lead`` is the smallest lead of a chosen token over the next best, in logits.
    """

    batch: Batch
    tokens: torch.Tensor  # (batch, NEW_TOKENS)
    lead: float

    @property
    def clear_cut(self) -> bool:
        """Whether every sound backend must find these tokens, and a stale cache must not.

        The lead has to be far above the error of an fp32 logit (1e-5); and where a token repeats
        the one before it, an entry of the cache that was not updated is the right one.
        """
        last = self.batch.input_ids[:, -1:]
        repeated = self.tokens == torch.cat([last, self.tokens[:, :-1]], dim=1)
        return self.lead > 0.02 and not bool(repeated.any())


class Bench:
    """A two-layer Llama with grouped queries and random weights, and two batches for it.

    Freshly initialised weights give nearly uniform attention, in which a wrong mask hardly shows;
    these are ten times larger. All random numbers come from ``seed`` and are drawn on the CPU, so
    every device gets the same.
    """

    def __init__(self, seed: int, device: str) -> None:
        reference.register()
        self.seed = seed
        self.device = device
        draw = torch.Generator().manual_seed(seed)
        # Its own initial values do not matter: every one of them is replaced.
        shapes = LlamaForCausalLM(_config("eager")).state_dict()
        self._weights = {
            name: torch.ones_like(weight)
            if weight.dim() == 1
            else torch.randn(weight.shape, generator=draw) * (1.0 if "embed" in name else 0.2)
            for name, weight in shapes.items()
        }

        # Among few keys every single one weighs much, so a short sequence shows a missing one.
        self.batches = (
            _batch("causal", (LENGTH, LENGTH), draw, device),
            _batch("left-padded", (3, 7, LENGTH // 2, LENGTH), draw, device),
        )
        self._logits: dict[str, dict[str, torch.Tensor]] = {}
        self._gradients: dict[str, dict[str, torch.Tensor]] = {}
        self._prompt: Prompt | None = None

    def model(self, backend: Backend, dtype: str) -> torch.nn.Module:
        """A new model on this backend, the weights rounded to ``dtype``, in evaluation mode."""
        asked = str(backend.attention)
        model = self._model(asked, dtype, DTYPES[dtype])
        taken = model.config._attn_implementation  # noqa: SLF001 - there is no public name for it
        if taken != asked:
            raise RuntimeError(f"asked for attention {asked!r}, transformers took {taken!r}")
        return model

    def _model(self, attention: str, rounded_to: str, held_in: torch.dtype) -> torch.nn.Module:
        model = LlamaForCausalLM(_config(attention))
        model.load_state_dict(self._weights)
        # The parameters alone: RoPE's frequencies stay float32, as they do in from_pretrained.
        for parameter in model.parameters():
            parameter.data = parameter.data.to(DTYPES[rounded_to]).to(held_in)
        return model.to(self.device).eval()

    def _reference(self, dtype: str) -> torch.nn.Module:
        return self._model(reference.NAME, dtype, torch.float64)

    def wanted_logits(self, dtype: str) -> dict[str, torch.Tensor]:
        """What ``Batch.logits`` should be for each of ``batches``, by the batch's name."""
        if dtype not in self._logits:
            model = self._reference(dtype)
            with torch.no_grad():
                self._logits[dtype] = {b.name: b.logits(model) for b in self.batches}
        return self._logits[dtype]

    def prompt(self) -> Prompt:
        """Two prompts of different lengths whose continuation is clear-cut (see ``Prompt``)."""
        if self._prompt is None:
            model = self._reference("fp32")
            draw = torch.Generator().manual_seed(self.seed)
            for _ in range(100):  # one in two will do
                prompt = _continued(_batch("prompt", (7, 10), draw, self.device), model)
                if prompt.clear_cut:
                    self._prompt = prompt
                    break
            else:
                raise RuntimeError("the float64 reference has no clear-cut answer to any prompt")
        return self._prompt

    def wanted_gradients(self, dtype: str) -> dict[str, torch.Tensor]:
        """dL/dW of each attention projection, by parameter name; L is the sum over ``batches``."""
        if dtype not in self._gradients:
            self._gradients[dtype] = self._differentiate(self._reference(dtype))
        return self._gradients[dtype]

    def _differentiate(self, model: torch.nn.Module) -> dict[str, torch.Tensor]:
        chosen = {
            name: parameter
            for name, parameter in model.named_parameters()
            if any(projection in name for projection in PROJECTIONS)
        }
        torch.stack([batch.loss(model) for batch in self.batches]).sum().backward()
        return {name: parameter.grad for name, parameter in chosen.items()}


def _batch(name: str, lengths: tuple[int, ...], draw: torch.Generator, device: str) -> Batch:
    """Random tokens, padded on the left where a sequence is shorter than the longest."""
    shape = (len(lengths), max(lengths))
    input_ids = torch.randint(1, VOCABULARY, shape, generator=draw)
    mask = torch.arange(shape[1]) >= shape[1] - torch.tensor(lengths)[:, None]
    attention_mask = None if mask.all() else mask.long().to(device)
    return Batch(name, input_ids.masked_fill(~mask, PAD).to(device), attention_mask)


def _continued(batch: Batch, model: torch.nn.Module) -> Prompt:
    """Greedy decoding without a cache: every step from the beginning."""
    ids, mask = batch.input_ids, batch.valid.long()
    leads = []
    with torch.no_grad():
        for _ in range(NEW_TOKENS):
            last = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, -1]
            best = last.topk(2)
            leads.append(float((best.values[:, 0] - best.values[:, 1]).min()))
            ids = torch.cat([ids, best.indices[:, :1]], dim=1)
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
    return Prompt(batch, ids[:, -NEW_TOKENS:], min(leads))


def _config(attention: str) -> LlamaConfig:
    return LlamaConfig(
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
    )
