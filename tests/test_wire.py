"""What is written as JSON is read back as it was; what does not fit is named with its place."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmdoctor import wire
from llmdoctor.finding import Finding, Verdict
from llmdoctor.machine import Gpu, Machine
from llmdoctor.plan import Run, SetAside, Smoke, Snapshot, Step, Tell, Verify, Write
from llmdoctor.profile import Profile
from support.machines import MACHINES

some = settings(deadline=None, max_examples=50)
STEPS = st.one_of(
    st.builds(Run, timeout=st.floats(allow_nan=False, allow_infinity=False)),
    *(st.from_type(kind) for kind in (Write, Snapshot, SetAside, Verify, Smoke, Tell)),
)


@dataclass(frozen=True)
class Recipe:
    """Any step, as a journal holds it."""

    steps: tuple[Step, ...]


def through_json(value: object) -> Any:
    return json.loads(json.dumps(wire.dump(value)))


def test_a_name_that_is_for_wire_alone_is_no_key() -> None:
    with pytest.raises(wire.WireError, match="unknown key 'LATE'; known: 'schema'"):
        wire.load(Machine, {"LATE": {}})


@some
@given(MACHINES)
def test_a_machine_survives_json(machine: Machine) -> None:
    assert wire.load(Machine, through_json(machine)) == machine


@some
@given(st.from_type(Profile))
def test_a_profile_survives_json(profile: Profile) -> None:
    assert wire.load(Profile, through_json(profile)) == profile


@some
@given(st.from_type(Verdict))
def test_a_verdict_survives_json(verdict: Verdict) -> None:
    assert wire.load(Verdict, through_json(verdict)) == verdict


@some
@given(st.builds(Recipe, steps=st.lists(STEPS, max_size=4).map(tuple)))
def test_steps_are_told_apart_by_their_kind(recipe: Recipe) -> None:
    assert wire.load(Recipe, through_json(recipe)) == recipe


def test_what_is_left_out_takes_the_default() -> None:
    gpu = wire.load(Gpu, {"index": 0, "name": "Tesla T4"})
    assert gpu == Gpu(0, "Tesla T4")
    assert gpu.source == "nvml"


def spoilt(place: tuple[str | int, ...], value: object) -> Any:
    """A machine as JSON, with another value at one place."""
    machine = replace(
        Machine(),
        nvidia=replace(Machine().nvidia, gpus=(Gpu(0, "Tesla T4"), Gpu(1, "RTX 4090"))),
        variables={"HF_HOME": "/models"},
    )
    document = through_json(machine)
    target = document
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return document


@pytest.mark.parametrize(
    ("place", "value", "path", "expected"),
    [
        (("nvidia", "gpus", 1, "memory"), "24 GB", "$.nvidia.gpus[1].memory", "int"),
        (("nvidia", "gpus", 0, "name"), None, "$.nvidia.gpus[0].name", "str, got nothing"),
        (("nvidia", "gpus", 0, "index"), True, "$.nvidia.gpus[0].index", "int, got true or false"),
        (("nvidia", "gpus", 0, "mig"), 1, "$.nvidia.gpus[0].mig", "bool, got int 1"),
        (("nvidia", "gpus"), {"0": {}}, "$.nvidia.gpus", "a list, got a table"),
        (("nvidia", "gpus", 0), [], "$.nvidia.gpus[0]", "a table, got a list"),
        (("host",), "linux", "$.host", "a table, got str 'linux'"),
        (("variables", "HF_HOME"), 1, "$.variables.HF_HOME", "str, got int 1"),
        (("variables",), [], "$.variables", "a table, got a list"),
        (("environment", "kind"), "pipx", "$.environment.kind", "one of 'venv', 'conda'"),
        (("host", "libc"), {"name": "glibc"}, "$.host.libc", "missing key 'version'"),
        (("host", "libc"), {"name": "uclibc", "version": "1"}, "$.host.libc.name", "'musl'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_and_what_belongs_there(
    place: tuple[str | int, ...], value: object, path: str, expected: str
) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.load(Machine, spoilt(place, value))
    assert caught.value.path == path
    assert expected in caught.value.expected
    assert str(caught.value) == f"{path}: {caught.value.expected}"


def test_an_unknown_key_gives_the_nearest_name() -> None:
    with pytest.raises(wire.WireError, match="'compute_capabilty'; did you mean 'compute_cap"):
        wire.load(Gpu, {"index": 0, "name": "T4", "compute_capabilty": "7.5"})


def test_an_unknown_key_that_is_like_no_other_gives_all_names() -> None:
    with pytest.raises(wire.WireError, match="unknown key 'zzz'; known: 'code', 'cause'"):
        wire.load(Finding, {"zzz": 1})


@pytest.mark.parametrize(
    ("step", "why"),
    [({"kind": "explode"}, "unknown kind 'explode'"), ({}, "unknown kind None"), (3, "expected")],
)
def test_a_step_of_no_known_kind_is_refused(step: object, why: str) -> None:
    with pytest.raises(wire.WireError, match=why) as caught:
        wire.load(Recipe, {"steps": [step]})
    assert caught.value.path == "$.steps[0]"


def test_a_whole_number_serves_as_a_float_and_true_does_not() -> None:
    loaded = wire.load(Run, {"text": "x", "argv": ["x"], "timeout": 5})
    assert isinstance(loaded.timeout, float)
    with pytest.raises(wire.WireError, match="expected float"):
        wire.load(Run, {"text": "x", "argv": ["x"], "timeout": True})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["host", "nvidia", "gpus", "name", "index", "libc", "kind"]), inner
        )
    ),
    max_leaves=8,
)


@some
@given(JSON, st.sampled_from((Machine, Profile, Recipe)))
def test_any_json_is_read_or_refused_with_a_place(data: object, kind: Any) -> None:
    try:
        wire.load(kind, data)
    except wire.WireError as error:
        assert error.path.startswith("$")  # noqa: PT017 - both outcomes are fine
