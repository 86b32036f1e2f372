"""Fixtures of the command line's tests."""

from cli.runs import desk

__all__ = ["desk"]
