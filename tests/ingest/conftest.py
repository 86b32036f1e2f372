"""Fixtures for reports from elsewhere."""

from cli.runs import desk

__all__ = ["desk"]
