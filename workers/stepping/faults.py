"""What a forward may raise, told apart. Used by whatever runs forwards: runner, prover, lockstep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from workers.engine.executor import DeviceLost, DeviceOutOfMemory

#: What a model may raise when its arguments do not fit together.
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, AssertionError, AttributeError, KeyError)


@contextmanager
def device_faults() -> Iterator[None]:
    """Tells a full device, and a lost one, from a model's own error.

    Raises:
        DeviceOutOfMemory, DeviceLost.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise DeviceOutOfMemory(str(error)) from error
        if is_device_lost(error):
            raise DeviceLost(str(error)) from error
        raise


def is_device_lost(error: BaseException) -> bool:
    """Whether the device is lost to this process, and not just this request to the device.

    After an illegal access every later call fails too, so after any failure the device is asked.
    """
    if isinstance(error, torch.AcceleratorError):
        return True
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the host, had no room."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
