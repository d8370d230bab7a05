"""What a forward may raise, told apart. Used by whatever runs forwards: runner, prover, lockstep."""

from __future__ import annotations

import torch

#: What a model may raise when its arguments do not fit together.
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, AttributeError, KeyError)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the host, had no room."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
