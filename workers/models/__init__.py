"""Pipelines of our own making: native step execution, and the base of classes that keep vLLM-Omni's contract."""
