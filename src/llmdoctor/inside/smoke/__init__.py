"""Prove an environment: tiny models, every attention backend, our own float64 reference.

Runs inside the interpreter under test, which has torch but not llmdoctor; see ``__main__``.
"""
