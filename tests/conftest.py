"""Fixtures for every test."""

from support.fixtures import env, fake_nvml, loopback_index

__all__ = ["env", "fake_nvml", "loopback_index"]
