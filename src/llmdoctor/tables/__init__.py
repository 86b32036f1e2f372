"""What is compatible with what: pure questions to the tables under ``profiles/tables``.

A table is parsed when something first asks for it: a driver floor never reads torch's releases.
Every answer has a source and a date; an answer that no source gives is None or an exception,
never a guess.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from llmdoctor.tables.ages import outdated
from llmdoctor.tables.read import dates_read, table_date

if TYPE_CHECKING:
    from llmdoctor.tables.attention import (
        Transformers,
        UnknownTransformers,
        attention_names,
        preferred_attention,
        transformers_ranges,
        transformers_release,
    )
    from llmdoctor.tables.drivers import (
        DriverFloor,
        compare_driver,
        cuda_of_variant,
        driver_floor,
        driver_of_jetpack,
        gpu_driver,
        is_older_driver,
        last_driver_branch,
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
        other_vendor,
        runs_on,
    )
    from llmdoctor.tables.pins import NoPin, Pin, Place, pin_for, pinned_packages
    from llmdoctor.tables.poetry import PoetryRules, poetry_rules
    from llmdoctor.tables.releases import (
        Build,
        TorchRelease,
        UnknownRelease,
        pypi_default_variant,
        torch_release,
        torch_releases,
    )
    from llmdoctor.tables.source_builds import source_build
    from llmdoctor.tables.triton_pins import NoTriton, TritonPin, triton_for
    from llmdoctor.tables.wheel_choice import WheelMatch, find_wheel
    from llmdoctor.tables.wheel_names import WheelName, parse_wheel_name
    from llmdoctor.tables.wheels import Wheel, wheels_of

__all__ = [
    "Build",
    "DriverFloor",
    "Feature",
    "NoPin",
    "NoTriton",
    "Pin",
    "Place",
    "PoetryRules",
    "TorchRelease",
    "Transformers",
    "TritonPin",
    "UnknownRelease",
    "UnknownTransformers",
    "Wheel",
    "WheelMatch",
    "WheelName",
    "any_runs_on",
    "attention_names",
    "capability_of",
    "compare_driver",
    "cuda_of_variant",
    "dates_read",
    "driver_floor",
    "driver_of_jetpack",
    "feature",
    "feature_minimum",
    "find_wheel",
    "generation_of",
    "gpu_driver",
    "gpu_names",
    "is_older_driver",
    "last_driver_branch",
    "nearest_gpu_names",
    "other_vendor",
    "outdated",
    "parse_wheel_name",
    "pin_for",
    "pinned_packages",
    "poetry_rules",
    "preferred_attention",
    "pypi_default_variant",
    "runs_on",
    "source_build",
    "table_date",
    "toolkit_driver",
    "torch_release",
    "torch_releases",
    "transformers_ranges",
    "transformers_release",
    "triton_for",
    "wheels_of",
]

# Imported when one of them is asked for: a check of a machine needs few of them.
_LATER = {
    "attention": (
        "Transformers",
        "UnknownTransformers",
        "attention_names",
        "preferred_attention",
        "transformers_ranges",
        "transformers_release",
    ),
    "drivers": (
        "DriverFloor",
        "compare_driver",
        "cuda_of_variant",
        "driver_floor",
        "driver_of_jetpack",
        "gpu_driver",
        "is_older_driver",
        "last_driver_branch",
        "toolkit_driver",
    ),
    "gpus": (
        "Feature",
        "any_runs_on",
        "capability_of",
        "feature",
        "feature_minimum",
        "generation_of",
        "gpu_names",
        "nearest_gpu_names",
        "other_vendor",
        "runs_on",
    ),
    "pins": ("NoPin", "Pin", "Place", "pin_for", "pinned_packages"),
    "poetry": ("PoetryRules", "poetry_rules"),
    "releases": (
        "Build",
        "TorchRelease",
        "UnknownRelease",
        "pypi_default_variant",
        "torch_release",
        "torch_releases",
    ),
    "source_builds": ("source_build",),
    "triton_pins": ("NoTriton", "TritonPin", "triton_for"),
    "wheel_choice": ("WheelMatch", "find_wheel"),
    "wheel_names": ("WheelName", "parse_wheel_name"),
    "wheels": ("Wheel", "wheels_of"),
}


def __getattr__(name: str) -> object:
    for module, names in _LATER.items():
        if name in names:
            value: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = value  # found there from now on
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
