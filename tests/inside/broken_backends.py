"""Runs the smoke test's own rows on attention backends that are wrong on purpose.

A program for the interpreter under test: `python broken_backends.py SMOKE-DIRECTORY ARGUMENT...`.
The defects go in where a real one would: as an attention function that transformers calls.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, AttentionInterface

sdpa = ALL_ATTENTION_FUNCTIONS["sdpa"]


def explicit(mask, query, key):
    """The mask that `None` stands for: causal, the last query seeing every key."""
    if mask is not None:
        return mask
    ones = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool)
    return ones.tril(key.shape[2] - query.shape[2])[None, None]


def sound(module, query, key, value, mask, **kwargs):
    return sdpa(module, query, key, value, explicit(mask, query, key), **kwargs)


def sees_one_ahead(module, query, key, value, mask, **kwargs):
    mask = explicit(mask, query, key)
    ahead = torch.roll(mask, -1, dims=-2)
    ahead[..., -1, :] = mask[..., -1, :]
    return sdpa(module, query, key, value, mask | ahead, **kwargs)


def sees_not_itself(module, query, key, value, mask, **kwargs):
    mask = explicit(mask, query, key)
    if query.shape[2] > 1:
        behind = torch.roll(mask, 1, dims=-2)
        behind[..., 0, :] = mask[..., 0, :]
        # A query without any key would be NaN, which is another defect.
        mask = torch.where(behind.any(-1, keepdim=True), behind, mask)
    return sdpa(module, query, key, value, mask, **kwargs)


def not_causal(module, query, key, value, mask, **kwargs):
    return sdpa(module, query, key, value, torch.ones_like(explicit(mask, query, key)), **kwargs)


def padding_ignored(module, query, key, value, mask, **kwargs):
    return sdpa(module, query, key, value, explicit(None, query, key), **kwargs)


def scale_missing(module, query, key, value, mask, scaling, **kwargs):
    return sound(module, query, key, value, mask, scaling=1.0, **kwargs)


def last_key_dropped(module, query, key, value, mask, **kwargs):
    mask = explicit(mask, query, key)
    return sdpa(module, query, key[:, :, :-1], value[:, :, :-1], mask[..., :-1], **kwargs)


def groups_mixed_up(module, query, key, value, mask, **kwargs):
    """Query heads paired with key heads 0 1 0 1 in place of 0 0 1 1."""
    heads = query.shape[1]
    order = torch.arange(heads).reshape(key.shape[1], -1).T.reshape(-1)
    output, _ = sound(module, query[:, order], key, value, mask, **kwargs)
    return output[:, :, torch.argsort(order)], None


def stale_cache(module, query, key, value, mask, **kwargs):
    """While decoding, the newest entry is still that of the token before."""
    if query.shape[2] < key.shape[2]:
        key = torch.cat([key[:, :, :-1], key[:, :, -2:-1]], dim=2)
        value = torch.cat([value[:, :, :-1], value[:, :, -2:-1]], dim=2)
    return sound(module, query, key, value, mask, **kwargs)


def not_a_number(module, query, key, value, mask, **kwargs):
    output, _ = sound(module, query, key, value, mask, **kwargs)
    output = output.clone()
    output[0, -1, 0, 0] = float("nan")
    return output, None


def gradient_zero(module, query, key, value, mask, **kwargs):
    return sound(module, query.detach(), key.detach(), value.detach(), mask, **kwargs)


def gradient_of_key_zero(module, query, key, value, mask, **kwargs):
    return sound(module, query, key.detach(), value, mask, **kwargs)


def gradient_slightly_off(module, query, key, value, mask, **kwargs):
    """A backward of the value that is a thousandth too large; the forward is right."""
    wrong = value * 1.001 - (value * 0.001).detach()
    return sound(module, query, key, wrong, mask, **kwargs)


def as_eager(module, query, key, value, mask, scaling, **kwargs):
    """The right answer, by matmul and softmax, whatever kernel was asked for."""
    groups = query.shape[1] // key.shape[1]
    scores = query @ key.repeat_interleave(groups, 1).transpose(2, 3) * scaling
    scores = scores.masked_fill(~explicit(mask, query, key), torch.finfo(scores.dtype).min)
    output = scores.softmax(-1) @ value.repeat_interleave(groups, 1)
    return output.transpose(1, 2).contiguous(), None


def as_math(module, query, key, value, mask, **kwargs):
    """The right answer from the MATH kernel, whatever kernel was asked for."""
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return sound(module, query, key, value, mask, **kwargs)


def raises(module, query, key, value, mask, **kwargs):
    raise RuntimeError("planted: the kernel broke")


DEFECTS = (
    sound,
    sees_one_ahead,
    sees_not_itself,
    not_causal,
    padding_ignored,
    scale_missing,
    last_key_dropped,
    groups_mixed_up,
    stale_cache,
    not_a_number,
    gradient_zero,
    gradient_of_key_zero,
    gradient_slightly_off,
    as_eager,
    as_math,
    raises,
)


def main(smoke: Path, arguments: list[str]) -> int:
    spec = importlib.util.spec_from_file_location("smoke_main", smoke / "__main__.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    backends = program.load("backends")
    table = []
    for defect in DEFECTS:
        AttentionInterface.register(defect.__name__, defect)
        AttentionMaskInterface.register(defect.__name__, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
        table.append(
            backends.Backend(
                defect.__name__,
                "FLASH_ATTENTION",
                defect.__name__,
                frozenset({"FLASH_ATTENTION"}),
                backends.only("FLASH_ATTENTION"),
                backends.CPU_DTYPES,
            )
        )
    return program.load("run").main(arguments, table)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
