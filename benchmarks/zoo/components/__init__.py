"""Turns component rows into live components: small, random, and the same every time.

A row is named by the class it makes, with a variant after a slash where one class has several sizes
(`AutoencoderKL/flux`). Rows live in the tables of the sibling modules; a row without arguments is absent
and the class is made with its defaults.
"""

from benchmarks.zoo.components.assembly import build_component, build_pipeline

__all__ = ["build_component", "build_pipeline"]
