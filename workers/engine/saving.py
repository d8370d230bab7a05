"""When requests are saved: every few seconds of device time at the end of a step, and when they are handed back.

Pure bookkeeping around the executor's `checkpoint`; the engine tells it what ran and what parked.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from workers.engine.calls import CallInfo
from workers.engine.executor import DiffusionExecutor, NotSaved
from workers.engine.in_flight import HandBack, InFlight
from workers.engine.request import EngineEvent, RequestCheckpoint, RequestNotSaved

#: Of the device's time, saving may take at most this part: where it is slow, it is done more rarely.
GREATEST_SHARE = 0.005


class Saving:
    """`seconds` of device time lie between two checkpoints of a request; 0 makes none but those asked for.

    A request that ends before that much has passed is never saved.
    """

    def __init__(self, seconds: float, executor: DiffusionExecutor, tell: Callable[[EngineEvent], None]) -> None:
        self._seconds = seconds
        self._executor = executor
        self._tell = tell
        self._cost_seconds: float | None = None

    def parked(self, held: InFlight, call: CallInfo, step: int) -> None:
        """The request waits at a call, with `step` iterations done: where a step ends there is least to save."""
        is_again, held.call = held.call is call, call
        if is_again:  # it did not fit the device in company
            return
        ended_step, held.step = step > held.step, step
        due = max(self._seconds, (self._cost_seconds or 0.0) / GREATEST_SHARE)
        if self._seconds and ended_step and held.request.resumable and held.unsaved_seconds >= due:
            self.save(held)

    def last(self, held: InFlight | None, asked: HandBack) -> str:
        """A request is handed back: save it if it has begun and may be, and name it to be dropped."""
        if held is not None and held.call is not None and held.request.resumable:
            self.save(held)
        return asked.request_id

    def save(self, held: InFlight) -> None:
        """Save it now, as far as that can be."""
        request_id, began = held.request.request_id, time.perf_counter()
        held.unsaved_seconds = 0.0
        try:
            saved = self._executor.checkpoint(request_id)
        except NotSaved as error:
            self._tell(RequestNotSaved(request_id, str(error)))
            return
        seconds = time.perf_counter() - began
        # The first one also looks into the pipeline's code, which is done once.
        self._cost_seconds = 0.0 if self._cost_seconds is None else seconds
        self._tell(RequestCheckpoint(request_id, held.step, saved, seconds))
