"""One shape for what pipelines return, so that results of any pipeline can be compared exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


def _leaves(value: Any) -> Iterator[npt.NDArray[Any]]:
    if value is None or isinstance(value, (str, bytes)):
        return
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _leaves(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    elif hasattr(value, "detach"):
        yield value.detach().cpu().float().numpy()
    else:
        array = np.asarray(value)
        if array.dtype != object:
            yield array


def flatten_output(output: Any) -> list[npt.NDArray[Any]]:
    """All arrays in a pipeline's output, in a fixed order; pictures become uint8 arrays, text is dropped."""
    return list(_leaves(output))
