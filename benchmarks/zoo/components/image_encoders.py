"""Builders of image encoders and of the processors in front of them."""

from collections.abc import Callable
from typing import Any

BUILDERS: dict[str, Callable[[], Any]] = {}
