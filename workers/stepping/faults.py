"""What a forward may raise, told apart. Used by whatever runs forwards: runner, prover, lockstep."""

from __future__ import annotations

import torch

#: What a model may raise when its arguments do not fit together.
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, AttributeError, KeyError)


def is_device_lost(error: BaseException) -> bool:
    """Whether the device is lost to this process, and not just this request to the device.

    After an illegal access every later call fails too, so after any failure the device is asked.
    """
    if isinstance(error, torch.AcceleratorError):
        return True
    if not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the host, had no room."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
