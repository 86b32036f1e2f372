"""What a row proves in the mode ``lora``: that the backend trains, and that peft works."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from contextlib import nullcontext

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from . import gates
from .backends import Backend
from .batches import Batch
from .lab import Lab
from .numerics import rel_rms
from .observe import observed
from .rows import Measure, Trial

# in_proj is Mamba's; its other layers must have none: the kernels take their weights past peft.
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "in_proj")
RANK = 4
ALPHA = 8
# lora_B starts at zero, so lora_A has no gradient in the first step: two at least are needed.
STEPS = 4
WATCHED = 2
LEARNING_RATE = 1e-2


def lora(lab: Lab, backend: Backend, dtype: str) -> Trial:
    """Train adapters for a few steps on a causal and a padded batch, save, reload, merge."""
    subject = lab.bench.subject()
    # Padding on one side is enough: what differs on the other is the mask, which `train` has seen.
    batches = lab.bench.batches(backend)[:2]
    wanted = subject.wanted_gradients(batches, dtype)
    kernels: Counter[str] = Counter()
    with backend.forced():
        base = subject.model(backend, dtype)
        weights = {name: weight.clone() for name, weight in base.state_dict().items()}
        base_logits = _logits(batches, base)
        # peft draws lora_A; seeded here, since making a model draws random numbers as well.
        torch.manual_seed(lab.seed)
        model = get_peft_model(base, _adapters())
        adapters = {n: p.detach().clone() for n, p in model.named_parameters() if "lora_" in n}
        losses, gradient = _train(batches, model, wanted, gates.GRADIENT[dtype], kernels)
        adapted = _logits(batches, model)
        with model.disable_adapter():
            disabled = _logits(batches, model)
        reloaded = _logits(batches, _reload(subject.model(backend, dtype), model))
        touched = _touched(model, weights)
        idle = sum(torch.equal(p, adapters[n]) for n, p in model.named_parameters() if "lora_" in n)
        merged = _logits(batches, model.merge_and_unload())

    broken = int((~torch.isfinite(torch.tensor(losses))).sum())
    broken += int((~torch.isfinite(torch.cat([adapted, disabled, reloaded, merged]))).sum())
    excess = losses[-1] - gates.LOSS_RATIO * losses[0]
    measures = (
        Measure("values not finite", broken, gates.EXACT),
        gradient,
        Measure(f"last loss - {gates.LOSS_RATIO:g} of the first", excess, gates.EXACT),
        Measure("adapter tensors left unchanged", idle, gates.EXACT),
        Measure("base tensors changed", touched, gates.EXACT),
        Measure("adapter disabled: difference", _distance(disabled, base_logits), gates.EXACT),
        Measure("saved and reloaded: difference", _distance(reloaded, adapted), gates.EXACT),
        Measure("merged: relRMS", rel_rms(merged, adapted), gates.MERGE[dtype]),
    )
    return Trial(measures, kernels, (f"loss {losses[0]:.3f} -> {losses[-1]:.3f}",))


def _adapters() -> LoraConfig:
    return LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=list(PROJECTIONS))


def _logits(batches: tuple[Batch, ...], model: torch.nn.Module) -> torch.Tensor:
    """Logits of all batches, one after the other: (tokens, vocabulary)."""
    model.eval()
    with torch.no_grad():
        return torch.cat([batch.logits(model) for batch in batches])


def _train(
    batches: tuple[Batch, ...],
    model: torch.nn.Module,
    wanted: dict[str, torch.Tensor],
    gate: float,
    kernels: Counter[str],
) -> tuple[list[float], Measure]:
    """The loss before each step and after the last one, and the error of the first gradient.

    The kernels of forward and backward are counted in two steps: in the first one and in the next,
    where lora_A has a gradient too. What is watched costs more than what runs.
    """
    model.train()
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=LEARNING_RATE, weight_decay=0.0
    )
    losses = []
    gradient: Measure | None = None
    for step in range(STEPS):
        optimizer.zero_grad()
        with observed(kernels) if step < WATCHED else nullcontext():
            loss = torch.stack([batch.loss(model) for batch in batches]).sum()
            loss.backward()
        gradient = gradient or _gradient_error(model, wanted, gate)
        losses.append(loss.item())
        optimizer.step()
    with torch.no_grad():
        losses.append(sum(batch.loss(model).item() for batch in batches))
    assert gradient is not None
    return losses, gradient


def _gradient_error(
    model: torch.nn.Module, wanted: dict[str, torch.Tensor], gate: float
) -> Measure:
    """Worst relRMS of the lora_B gradients, while lora_B is zero.

    The layer computes (W + s B A) x with s = ALPHA / RANK. At B = 0 this is the base model, so
    dL/dB = s (dL/dW) A^T, with dL/dW from the float64 reference: nothing of peft is in it.
    """
    tensors = dict(model.named_parameters())
    worst = Measure("first gradient: relRMS", 0.0, gate)
    for name, by_weight in wanted.items():
        if not any(projection in name for projection in PROJECTIONS):
            continue
        layer = "base_model.model." + name[: -len(".weight")]
        a = tensors[f"{layer}.lora_A.default.weight"].detach().double()
        got = tensors[f"{layer}.lora_B.default.weight"].grad
        if got is None:
            return Measure(f"first gradient: none for {layer}", math.inf, gate)
        error = rel_rms(got, ALPHA / RANK * by_weight @ a.T)
        if not error <= worst.value:
            worst = Measure(f"first gradient: relRMS ({layer})", error, gate)
    return worst


def _reload(base: torch.nn.Module, model: torch.nn.Module) -> torch.nn.Module:
    """The adapters of ``model`` written to a folder and read back onto a fresh ``base``."""
    with tempfile.TemporaryDirectory() as folder:
        # "auto" would ask the Hugging Face Hub about the base model's vocabulary.
        model.save_pretrained(folder, save_embedding_layers=False)
        return PeftModel.from_pretrained(base, folder)


def _touched(model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> int:
    """How many tensors of the base model differ from ``weights`` in any bit of value."""
    now = {
        name.replace("base_model.model.", "").replace(".base_layer", ""): weight
        for name, weight in model.state_dict().items()
        if "lora_" not in name
    }
    return sum(not torch.equal(now[name], weight) for name, weight in weights.items())


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())
