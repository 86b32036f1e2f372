"""Every tolerance of the smoke test, with its reason.

relRMS is rms(result - reference) / rms(reference). The reference is a float64 copy of the very
same weights (rounded to the row's dtype first), so the error is arithmetic, not rounding of the
weights. docs/explanation/smoke-gates.md has the measurements behind each number.
"""

from __future__ import annotations

# Logits against the float64 reference: all tokens of a batch together.
LOGITS = {"fp32": 1e-5, "bf16": 4e-2, "fp16": 5e-3}

# The same for the worst single token, so that a defect in one token is not averaged away.
LOGITS_OF_TOKEN = {"fp32": 2e-5, "bf16": 1.2e-1, "fp16": 1.5e-2}

# Gradient of each lora_B at the first step against float64 dL/dW times lora_A, worst tensor.
GRADIENT = {"fp32": 2e-5, "bf16": 2e-1, "fp16": 2e-2}

# Logits after merge_and_unload against those of the adapter: W + sBA is rounded once per weight.
MERGE = {"fp32": 1e-5, "bf16": 4e-2, "fp16": 5e-3}

# A kernel that is called directly, against the float64 reference of the same inputs: the output as
# a whole, the worst vector of it, and the worst of its gradients.
CALL = {"fp32": 1e-5, "fp16": 1e-3, "bf16": 8e-3}
CALL_WORST = {"fp32": 2e-5, "fp16": 2e-3, "bf16": 1.6e-2}
CALL_GRADIENT = {"fp32": 2e-5, "fp16": 2.5e-3, "bf16": 2e-2}

# The loss after the last step is at most this part of the loss before the first one.
LOSS_RATIO = 0.95

# Counts and differences that must be nothing at all.
EXACT = 0.0
