"""The frames of a parked pipeline: their local variables read, and written back.

A suspended fiber's frames are plain Python frames. Up to Python 3.12 a local is written through the frame's
dictionary and `PyFrame_LocalsToFast`; from 3.13 on `f_locals` writes through (PEP 667).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from workers.stepping.fiber import Fiber

#: Modules whose frames hold nothing of the pipeline's: ours around it, and decorators in between.
OUTSIDE = (
    "workers.stepping.fiber",
    "workers.stepping.twins",
    "workers.stepping.contracts",
    "torch",
    "contextlib",
    "functools",
    "accelerate",
)
WRITES_THROUGH = sys.version_info >= (3, 13)


def pipeline_frames(fiber: Fiber) -> list[FrameType]:
    """The parked pipeline's own frames, outermost first."""
    frames: list[FrameType] = []
    frame = fiber.frame
    while frame is not None:
        if not _is_outside(frame.f_globals.get("__name__", "")):
            frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def _is_outside(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in OUTSIDE)


def read_locals(frame: FrameType) -> dict[str, Any]:
    """The frame's variables as they are."""
    if WRITES_THROUGH:
        return dict(frame.f_locals)
    found = dict(frame.f_locals)
    frame.f_locals.clear()  # the frame would hold what it held now for as long as it lives
    return found


def write_locals(frame: FrameType, values: Mapping[str, Any]) -> None:
    """Give variables new values; they must be variables of the frame's function."""
    variables = frame.f_locals
    variables.update(values)
    if not WRITES_THROUGH:
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
        variables.clear()
