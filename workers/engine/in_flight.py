"""A request in the engine: the call it is parked at, and how its denoise calls were served."""

from __future__ import annotations

from dataclasses import dataclass, field

from workers.engine.calls import CallInfo, Lane, StepResult
from workers.engine.request import (
    DiffusionOutput,
    EngineEvent,
    OmniDiffusionRequest,
    RequestCanceled,
    RequestFailed,
    RequestFinished,
)


@dataclass
class Tally:
    """How one request's denoise calls were served."""

    calls: int = 0
    shared_calls: int = 0
    forwards: float = 0.0
    max_batch: int = 0
    device_seconds: float = 0.0

    def count(self, lane: Lane, batch: int, result: StepResult) -> None:
        size = batch if result.shared else 1
        self.device_seconds += result.seconds / batch
        if lane is not Lane.DENOISE:
            return
        self.calls += 1
        self.shared_calls += size > 1
        self.forwards += 1 / size
        self.max_batch = max(self.max_batch, size)


@dataclass(frozen=True)
class HandBack:
    """Asks for a request to be saved and dropped."""

    request_id: str


@dataclass
class InFlight:
    """A request the executor holds, the call it is parked at, and the denoising iterations that are done.

    `unsaved_seconds` is the device time since its last checkpoint.
    """

    request: OmniDiffusionRequest
    call: CallInfo | None = None
    tally: Tally = field(default_factory=Tally)
    step: int = 0
    unsaved_seconds: float = 0.0

    def count(self, lane: Lane, batch: int, result: StepResult) -> None:
        """A forward served its call, in a batch of so many."""
        self.tally.count(lane, batch, result)
        self.unsaved_seconds += result.seconds


def output_of(event: EngineEvent) -> DiffusionOutput | None:
    """What a request ended with, its error as text; None if the event ends nothing."""
    match event:
        case RequestFinished(_, output):
            return output
        case RequestFailed(_, error):
            return DiffusionOutput(error=f"{type(error).__name__}: {error}")
        case RequestCanceled():
            return DiffusionOutput(error="canceled")
    return None
