"""Fixtures of the repairs' tests."""

from cli.runs import desk
from fix.poetries import poetry

__all__ = ["desk", "poetry"]
