"""Fixtures of the repairs' tests."""

from cli.runs import desk

__all__ = ["desk"]
