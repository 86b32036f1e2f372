"""What a backend of the smoke test needs agrees with the tables, which it cannot read itself."""

from __future__ import annotations

import pytest

from llmdoctor import tables
from llmdoctor.inside.smoke.backends import BACKENDS
from llmdoctor.inside.smoke.direct import DIRECT

FEATURES = {
    "flash_attention_2": "flash_attn_2",
    "flash_attention_3": "flash_attn_3",
    "flash_attention_4": "flash_attn_4",
    "hub": "flash_attn_2",
    "causal-conv1d": "mamba",
    "mamba": "mamba",
    "mamba-ssm": "mamba",
}
WITH_A_GPU = {one.name: one for one in (*BACKENDS, *DIRECT) if one.gpu}


def test_every_backend_that_needs_a_gpu_has_its_row_in_the_table() -> None:
    assert WITH_A_GPU.keys() == FEATURES.keys()


@pytest.mark.parametrize("name", FEATURES)
def test_the_lowest_and_highest_compute_capability_are_those_of_the_table(name: str) -> None:
    gpu, feature = WITH_A_GPU[name].gpu, tables.feature(FEATURES[name])
    assert gpu is not None
    assert ".".join(map(str, gpu.least)) == feature.minimum
    assert (".".join(map(str, gpu.most)) if gpu.most else None) == feature.highest
