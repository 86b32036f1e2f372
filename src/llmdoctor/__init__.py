"""llmdoctor: from any machine to a working, proven local LLM stack."""

__version__ = "0.1.0"
