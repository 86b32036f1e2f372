"""Any machine, as a property is tried on it."""

from __future__ import annotations

import dataclasses
import typing

from hypothesis import strategies as st

from llmdoctor.deep import Deep
from llmdoctor.locked import Unfit
from llmdoctor.machine import Lock, Machine
from llmdoctor.network import Place

# `Lock` and `Machine` import late what is only asked for: their hints alone do not tell their shape.
_OF_LOCK = typing.get_type_hints(Lock, localns={"Unfit": Unfit})
st.register_type_strategy(
    Lock,
    st.builds(
        Lock,
        **{field.name: st.from_type(_OF_LOCK[field.name]) for field in dataclasses.fields(Lock)},
    ),
)
_HINTS = typing.get_type_hints(Machine, localns={"Deep": Deep, "Place": Place})
MACHINES = st.builds(
    Machine,
    **{field.name: st.from_type(_HINTS[field.name]) for field in dataclasses.fields(Machine)},
)
