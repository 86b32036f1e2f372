"""Runs the smoke test's rows of `--full`, and paged attention with defects, compiled flex without.

A program for the interpreter under test: `python broken_full.py SMOKE-DIRECTORY ARGUMENT...`. The
defects of paged attention go into transformers' own function, for continuous batching takes no
other; flex_attention asked for as compiled runs without being compiled.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers.generation.continuous_batching import PagedAttentionCache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, AttentionInterface

NAMES = ("sdpa", "sdpa_paged", "paged|sdpa")
Attend = Callable[..., Any]


@contextmanager
def changed(change: Callable[[Attend], Attend]) -> Iterator[None]:
    """transformers' functions of paged SDPA, by whatever name, changed."""
    before = {name: ALL_ATTENTION_FUNCTIONS[name] for name in NAMES if name in known()}
    for name, attend in before.items():
        AttentionInterface.register(name, change(attend))
    try:
        yield
    finally:
        for name, attend in before.items():
            AttentionInterface.register(name, attend)


def known() -> list[str]:
    return list(ALL_ATTENTION_FUNCTIONS.valid_keys())


def everything_seen(attend: Attend) -> Attend:
    """A request sees the tokens of the other, and those to come."""

    def attended(
        m: Any, q: Any, k: Any, v: Any, mask: torch.Tensor, *rest: Any, **named: Any
    ) -> Any:
        whole = torch.ones_like(mask) if mask.dtype == torch.bool else torch.zeros_like(mask)
        return attend(m, q, k, v, whole, *rest, **named)

    return attended


def raises(attend: Attend) -> Attend:
    def attended(*_: Any, **__: Any) -> Any:
        raise RuntimeError("planted: the kernel broke")

    return attended


@contextmanager
def stale_cache() -> Iterator[None]:
    """While decoding, the newest entry of each request is not written."""
    update = PagedAttentionCache.update

    def updated(self: Any, *rest: Any, **named: Any) -> Any:
        key = named.pop("key_states") if "key_states" in named else rest[0]
        if 2 in key.shape[-3:-1]:  # one token of each request
            key = torch.zeros_like(key)
        return update(self, key, *rest[1:], **named)

    PagedAttentionCache.update = updated
    try:
        yield
    finally:
        PagedAttentionCache.update = update


@contextmanager
def past_the_cache() -> Iterator[None]:
    """Nothing is kept: the attention is that of the tokens of this step alone."""
    update = PagedAttentionCache.update
    PagedAttentionCache.update = None

    def plain(attend: Attend) -> Attend:
        def attended(m: Any, q: Any, k: Any, v: Any, mask: Any, *_: Any, **named: Any) -> Any:
            heads = q.shape[1] // k.shape[1]
            k, v = (one.repeat_interleave(heads, dim=1) for one in (k, v))
            output = torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=q.shape[2] > 1, scale=named["scaling"]
            )
            return output.transpose(1, 2).contiguous(), None

        return attended

    try:
        with changed(plain):
            yield
    finally:
        PagedAttentionCache.update = update


DEFECTS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "everything_seen": lambda: changed(everything_seen),
    "raises": lambda: changed(raises),
    "stale_cache": stale_cache,
    "past_the_cache": past_the_cache,
}


def main(smoke: Path, arguments: list[str]) -> int:
    spec = importlib.util.spec_from_file_location("smoke_main", smoke / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    run = program.load("run")
    paged = next(one for one in run.ALL if (one.name, one.kernel) == ("sdpa", "paged"))
    planted = [
        dataclasses.replace(paged, name=name, forced=forced) for name, forced in DEFECTS.items()
    ]
    flex = next(one for one in run.ALL if one.kernel == "compiled")
    uncompiled = {
        "name": "as_uncompiled",
        "forced": program.load("backends").uncompiled,
        "compiler": None,
        "full": {"cpu": {"infer": ("fp32",)}},
    }
    planted.append(dataclasses.replace(flex, **uncompiled))
    status: int = run.main(arguments, [*run.ALL, *planted])
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
