"""What the models are asked: random tokens in sequences that are padded as users' batches are."""

from __future__ import annotations

from dataclasses import dataclass

import torch

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
        return self._all_logits(model)[self.valid]

    def loss(self, model: torch.nn.Module) -> torch.Tensor:
        """Mean cross-entropy of each next token, in at least float32, as transformers has it."""
        predicted = (self.valid[:, :-1] & self.valid[:, 1:]).reshape(-1)
        logits = self._all_logits(model)[:, :-1].reshape(-1, VOCABULARY)[predicted]
        wanted = self.input_ids[:, 1:].reshape(-1)[predicted]
        wide = logits if logits.dtype == torch.float64 else logits.float()
        return torch.nn.functional.cross_entropy(wide, wanted)

    def _all_logits(self, model: torch.nn.Module) -> torch.Tensor:
        output = model(
            input_ids=self.input_ids, attention_mask=self.attention_mask, use_cache=False
        )
        logits: torch.Tensor = output.logits
        return logits


@dataclass(frozen=True)
class Prompt:
    """A batch and the reference's greedy continuation ``tokens`` of it.

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


def batch(
    name: str,
    lengths: tuple[int, ...],
    draw: torch.Generator,
    device: str,
    *,
    left: bool = True,
) -> Batch:
    """Random tokens, padded on the left or right where a sequence is shorter than the longest."""
    shape = (len(lengths), max(lengths))
    input_ids = torch.randint(1, VOCABULARY, shape, generator=draw)
    mask = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    if left:
        mask = mask.flip(1)
    attention_mask = None if mask.all() else mask.long().to(device)
    return Batch(name, input_ids.masked_fill(~mask, PAD).to(device), attention_mask)


def continued(batch: Batch, model: torch.nn.Module) -> Prompt:
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


def decoded(batch: Batch, tokens: torch.Tensor, model: torch.nn.Module) -> torch.Tensor:
    """Logits from which each of ``tokens`` follows: (batch, NEW_TOKENS, vocabulary), no cache."""
    ids = torch.cat([batch.input_ids, tokens], dim=1)
    mask = torch.cat([batch.valid.long(), torch.ones_like(tokens)], dim=1)
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return logits[:, batch.input_ids.shape[1] - 1 : -1]
