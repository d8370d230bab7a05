"""Stands in for vLLM where only its version is asked for."""

__version__ = "0.30.0"
