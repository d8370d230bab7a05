"""One call saved in the middle, and what comes of it when it is taken up again. Used by `Omni`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omni_jobs.errors import InvalidRequest
from workers.engine import DiffusionEngine, OmniDiffusionRequest
from workers.engine.executor import NotSaved


@dataclass(frozen=True)
class Resumption:
    """The pipeline's output, the step from which it went on, and why it began again from 0, if it did."""

    output: Any
    step: int
    refused: str | None = None


def save(
    engine: DiffusionEngine, request: OmniDiffusionRequest, after_steps: int, after_calls: int
) -> bytes | str:
    """Run a request until so many steps, or denoiser calls, are done; save it at the next call that allows it.

    Returns why it was not saved, if it was not.

    Raises:
        InvalidRequest: neither number is given, or both.
    """
    if (after_steps > 0) == (after_calls > 0):
        raise InvalidRequest("Give either `after_steps` or `after_calls`, 1 or more.", field="after_steps")
    unsaved = "it ended before so much was done"
    engine.submit(request)
    while engine.advance():
        held = engine.in_flight(request.request_id)
        if held is None or held.step < after_steps or held.tally.calls < after_calls:
            continue
        try:
            saved = engine.executor.checkpoint(request.request_id).to_bytes()
        except NotSaved as error:
            unsaved = str(error)
            continue
        engine.cancel(request.request_id)
        engine.advance()
        return saved
    return unsaved
