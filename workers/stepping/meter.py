"""The device's own account of a forward: seconds on its clock, and bytes at its peak. The runner owns one.

A CPU has run a forward when the call returns. A GPU has only been told: its times are read from events later, when
they are there, because waiting for them would stop the loop.
"""

from __future__ import annotations

import platform
import time
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol

import diffusers
import torch

from workers.engine.calls import Timing

#: The part of a device's memory that forwards may plan with; the rest is for the allocator's waste.
USABLE_SHARE = 0.92


class Meter(Protocol):
    """Between `start` and `stop` lies one forward; `taken` hands over, once each, what has become known."""

    #: Bytes in use before the last forward began; 0 where the device does not tell.
    held_bytes: int

    def start(self) -> Any: ...

    def stop(self, started: Any, key: Hashable, size: int) -> None: ...

    def taken(self) -> tuple[Timing, ...]: ...


class HostMeter:
    """For devices on which a call returns when it is done."""

    held_bytes = 0

    def __init__(self) -> None:
        self._known: list[Timing] = []

    def start(self) -> float:
        return time.perf_counter()

    def stop(self, started: float, key: Hashable, size: int) -> None:
        self._known.append(Timing(key, size, time.perf_counter() - started))

    def taken(self) -> tuple[Timing, ...]:
        known, self._known = tuple(self._known), []
        return known


@dataclass(frozen=True)
class Measuring:
    """A forward that the GPU may not have finished."""

    key: Hashable
    size: int
    began: Any
    ended: Any
    memory_bytes: int
    free_bytes: int


class CudaMeter:
    """Events for the time, the allocator's counters for the memory: neither waits for the device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._usable_bytes = int(torch.cuda.get_device_properties(device).total_memory * USABLE_SHARE)
        self._running: deque[Measuring] = deque()
        self.held_bytes = 0

    def start(self) -> Any:
        torch.cuda.reset_peak_memory_stats(self._device)
        began = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        began.record()
        self.held_bytes = torch.cuda.memory_allocated(self._device)
        return began

    def stop(self, started: Any, key: Hashable, size: int) -> None:
        ended = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        ended.record()
        peak = torch.cuda.max_memory_allocated(self._device)
        needed, free = peak - self.held_bytes, self._usable_bytes - peak
        self._running.append(Measuring(key, size, started, ended, needed, free))

    def taken(self) -> tuple[Timing, ...]:
        known = []
        while self._running and self._running[0].ended.query():
            done = self._running.popleft()
            seconds = done.began.elapsed_time(done.ended) / 1000
            known.append(Timing(done.key, done.size, seconds, done.memory_bytes, done.free_bytes))
        return tuple(known)


def meter_for(device: torch.device) -> Meter:
    """The meter of the device that a pipeline runs on."""
    return CudaMeter(device) if device.type == "cuda" else HostMeter()


def device_facts(device: torch.device) -> tuple[str, ...]:
    """What times measured on this device depend on besides the model, for telling whether they still hold."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu"
    return (name, str(torch.get_num_threads()), torch.__version__, diffusers.__version__)
