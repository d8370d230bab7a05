"""Stands in for vLLM-Omni 0.30: the part of its interface that the executor uses, drawn by arithmetic."""
