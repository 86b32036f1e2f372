"""What is compatible with what: pure questions to the tables under ``profiles/tables``.

A table is parsed when something first asks for it: a driver floor never reads torch's releases.
Every answer has a source and a date; an answer that no source gives is None or an exception,
never a guess.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from llmdoctor.tables.drivers import (
    DriverFloor,
    compare_driver,
    cuda_of_variant,
    driver_floor,
    toolkit_driver,
)
from llmdoctor.tables.gpus import (
    Feature,
    any_runs_on,
    capability_of,
    feature,
    feature_minimum,
    generation_of,
    gpu_names,
    nearest_gpu_names,
    runs_on,
)
from llmdoctor.tables.poetry import PoetryRules, poetry_rules
from llmdoctor.tables.read import table_date
from llmdoctor.tables.releases import (
    Build,
    TorchRelease,
    UnknownRelease,
    pypi_default_variant,
    torch_release,
    torch_releases,
)

if TYPE_CHECKING:
    from llmdoctor.tables.flash_attn import WheelMatch, find_flash_attn
    from llmdoctor.tables.triton_pins import NoTriton, TritonPin, triton_for
    from llmdoctor.tables.wheels import Wheel, WheelName, flash_attn_wheels, parse_wheel_name

__all__ = [
    "Build",
    "DriverFloor",
    "Feature",
    "NoTriton",
    "PoetryRules",
    "TorchRelease",
    "TritonPin",
    "UnknownRelease",
    "Wheel",
    "WheelMatch",
    "WheelName",
    "any_runs_on",
    "capability_of",
    "compare_driver",
    "cuda_of_variant",
    "driver_floor",
    "feature",
    "feature_minimum",
    "find_flash_attn",
    "flash_attn_wheels",
    "generation_of",
    "gpu_names",
    "nearest_gpu_names",
    "parse_wheel_name",
    "poetry_rules",
    "pypi_default_variant",
    "runs_on",
    "table_date",
    "toolkit_driver",
    "torch_release",
    "torch_releases",
    "triton_for",
]

# Only a plan needs these: half of the import time of this package, which every check pays.
_LATER = {
    "flash_attn": ("WheelMatch", "find_flash_attn"),
    "triton_pins": ("NoTriton", "TritonPin", "triton_for"),
    "wheels": ("Wheel", "WheelName", "flash_attn_wheels", "parse_wheel_name"),
}


def __getattr__(name: str) -> object:
    for module, names in _LATER.items():
        if name in names:
            value: object = getattr(import_module(f"{__name__}.{module}"), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
