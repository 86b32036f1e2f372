"""Any machine, as a property is tried on it."""

from __future__ import annotations

import dataclasses
import typing

from hypothesis import strategies as st

from llmdoctor.deep import Deep
from llmdoctor.machine import Machine
from llmdoctor.network import Place

# `Machine` imports what is only asked for late, so that its hints alone do not tell its shape.
_HINTS = typing.get_type_hints(Machine, localns={"Deep": Deep, "Place": Place})
MACHINES = st.builds(
    Machine,
    **{field.name: st.from_type(_HINTS[field.name]) for field in dataclasses.fields(Machine)},
)
