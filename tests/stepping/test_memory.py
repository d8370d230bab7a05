"""What ends is gone: hundreds of requests of mixed fates leave no tensor, fiber or book-keeping behind."""

from __future__ import annotations

import gc
import time

import torch

from tests.stepping.pipelines import seeded, tiny
from workers.engine import (
    DiffusionEngine,
    EngineEvent,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    RequestCanceled,
    RequestFailed,
    RequestFinished,
)


def tensors_alive() -> int:
    gc.collect()
    # Not isinstance: it asks lazy stand-ins for their class, and some of them warn.
    return sum(issubclass(type(found), torch.Tensor) for found in gc.get_objects())


def run(engine: DiffusionEngine, count: int) -> None:
    """A quarter each: succeeds, raises in its loop, is canceled in flight, passes its deadline."""
    for index in range(count):
        arguments = {"generator": seeded(index), "num_inference_steps": 2 + index % 4}
        fate = index % 4
        if fate == 1:
            arguments["fail_at"] = 1
        request = OmniDiffusionRequest(
            arguments=arguments,
            request_id=f"{fate}-{index}",
            deadline=time.monotonic() - 1 if fate == 3 else None,
        )
        engine.submit(request)
        engine.advance()
        if fate == 2:
            engine.cancel(request.request_id)
    while not engine.is_idle:
        engine.advance()


def test_five_hundred_requests_of_mixed_fates_leave_nothing_behind() -> None:
    ended: dict[type, int] = {}

    def note(event: EngineEvent) -> None:
        ended[type(event)] = ended.get(type(event), 0) + 1

    engine = DiffusionEngine(OmniDiffusionConfig(pipeline=tiny(), caps="fixed(8)"), on_event=note)
    run(engine, 40)
    before = tensors_alive()
    ended.clear()
    run(engine, 500)
    assert ended[RequestFinished] == 125
    assert ended[RequestFailed] == 250
    assert ended[RequestCanceled] == 125
    assert engine.request_ids == ()
    assert tensors_alive() <= before + 2
