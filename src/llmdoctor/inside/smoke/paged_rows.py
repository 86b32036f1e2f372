"""What a row proves of paged attention: continuous batching through ``generate_batch``.

Never through a plain forward: transformers 4.53 answers one without a causal mask, and without an
error. The attention runs in a thread of ``generate_batch``, so it is watched in there.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from typing import Any

import torch
import transformers

from . import gates
from .backends import Backend
from .batches import NEW_TOKENS, PAD
from .lab import Lab
from .observe import observed
from .rows import Measure, Trial, Unsupported

# A cache of 16 pages of 16 tokens: by default it takes most of the memory that is free.
CACHE = {"page_size": 16, "block_size": 16, "num_blocks": 16, "max_batch_tokens": 64}
# What else a configuration must not decide for itself: another backend, graphs, a second thread.
ALONE = {"auto_switch_to_flash": False, "use_cuda_graph": False, "use_async_batching": False}
# Loggers that say why the thread ended; `generate_batch` itself says nothing of it.
LOGGERS = ("transformers", "ContinuousBatchingLogger")


def generate(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """Requests of different lengths in one packed batch: the reference's tokens for each."""
    prompt = lab.bench.prompt(backend)
    attention = _name(str(backend.attention))
    model = lab.bench.subject().model(replace(backend, attention=attention), dtype)
    requests = [
        ids[valid].tolist()
        for ids, valid in zip(prompt.batch.input_ids, prompt.batch.valid)  # noqa: B905 - strict= is of Python 3.10
    ]
    kernels: Counter[str] = Counter()
    with torch.no_grad(), backend.forced(), _watched(model, kernels), _said() as said:
        answers = model.generate_batch(requests, progress_bar=False, **_settings())
    made = [answers[name] for name in sorted(answers)]
    if len(made) < len(requests) or any(answer.error for answer in made):
        raise _failed(lab.device, [*said, *(str(a.error) for a in made if a.error)])
    # transformers 4.53 gives the last token twice
    tokens = [list(answer.generated_tokens)[:NEW_TOKENS] for answer in made]
    wanted = prompt.tokens.tolist()
    differing = sum(
        one != other
        for got, right in zip(tokens, wanted)  # noqa: B905
        for one, other in zip(got + [None] * (NEW_TOKENS - len(got)), right)  # noqa: B905
    )
    remarks = [f"{len(requests)} requests in one batch, asked for as {attention}"]
    if differing:
        remarks.append(f"generated {tokens}, the reference {wanted}")
    measure = Measure("tokens that differ", differing, gates.EXACT)
    return Trial((measure,), kernels, tuple(remarks))


def _name(attention: str) -> str:
    """What this transformers calls ``attention`` on a paged cache.

    Raises:
        Unsupported: it has no continuous batching.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    known = ALL_ATTENTION_FUNCTIONS.valid_keys()
    if not hasattr(transformers.GenerationMixin, "generate_batch"):
        raise Unsupported(f"transformers {transformers.__version__} has no generate_batch")
    names = (f"paged|{attention}", f"{attention}_paged")
    # newer ones see by the cache that it is paged
    return next((name for name in names if name in known), attention)


def _settings() -> dict[str, Any]:
    """The arguments of ``generate_batch``: greedy, no end of sequence, a small cache."""
    plain = transformers.GenerationConfig(
        max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=PAD, eos_token_id=-1
    )
    kind = getattr(transformers, "ContinuousBatchingConfig", None)
    if kind is None:  # before there was one, the cache's sizes were read from here
        for name, value in CACHE.items():
            setattr(plain, name, value)
        return {"generation_config": plain}
    known = {field.name for field in fields(kind)}
    if "page_size" in known:
        known.discard("block_size")  # its name before
    own = {name: value for name, value in {**CACHE, **ALONE}.items() if name in known}
    return {"generation_config": plain, "continuous_batching_config": kind(**own)}


@contextmanager
def _watched(model: torch.nn.Module, kernels: Counter[str]) -> Iterator[None]:
    """Count the kernels of each forward, as "paged X" where it went through the paged cache."""
    from transformers.generation.continuous_batching import PagedAttentionCache

    pages: Counter[str] = Counter()
    plain, update = model.forward, PagedAttentionCache.update

    def counted(*arguments: object, **named: object) -> object:
        pages["updates"] += 1
        return update(*arguments, **named)

    def forward(*arguments: object, **named: object) -> object:
        pages.clear()
        seen: Counter[str] = Counter()
        with observed(seen):
            output = plain(*arguments, **named)
        for kernel, calls in seen.items():
            kernels[f"paged {kernel}" if pages else kernel] += calls
        return output

    with ExitStack() as back:
        PagedAttentionCache.update = counted
        back.callback(setattr, PagedAttentionCache, "update", update)
        model.forward = forward
        back.callback(delattr, model, "forward")
        yield


class _Kept(logging.Handler):
    """Keeps the messages of errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.messages.append(record.getMessage())


@contextmanager
def _said() -> Iterator[list[str]]:
    """The errors that continuous batching writes into its log."""
    kept = _Kept()
    for name in LOGGERS:
        logging.getLogger(name).addHandler(kept)
    try:
        yield kept.messages
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(kept)


def _failed(device: str, said: Sequence[str]) -> Exception:
    """Why not every request was answered, in the words of transformers."""
    words = "; ".join(dict.fromkeys(said)) or "and it does not say why"
    # transformers 5.0 sizes the cache by the memory of a GPU even where its size is given
    if device == "cpu" and "'NoneType' and 'int'" in words:
        release = f"transformers {transformers.__version__}"
        return Unsupported(f"{release} asks for the memory of a GPU to make a paged cache: {words}")
    return RuntimeError(f"generate_batch did not answer: {words}")
