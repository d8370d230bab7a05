"""A request's own error is its own; an error of the device ends the process, for no later call could succeed."""

from __future__ import annotations

import pytest
import torch

from tests.stepping.pipelines import tiny
from workers.engine import DiffusionEngine, OmniDiffusionConfig, OmniDiffusionRequest
from workers.engine.executor import DeviceLost, DeviceOutOfMemory
from workers.stepping.faults import device_faults

ILLEGAL = "CUDA error: an illegal memory access was encountered"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.AcceleratorError(ILLEGAL), DeviceLost),
        (torch.OutOfMemoryError("full"), DeviceOutOfMemory),
        (MemoryError(), DeviceOutOfMemory),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), RuntimeError),
    ],
)
def test_faults_are_told_apart(error: Exception, told: type[Exception]) -> None:
    with pytest.raises(told), device_faults():
        raise error


def test_a_lost_device_is_no_failure_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = tiny()
    events: list[object] = []
    engine = DiffusionEngine(OmniDiffusionConfig(pipeline=pipeline, caps="fixed(8)"), on_event=events.append)

    def broken(*_: object, **__: object) -> None:
        raise torch.AcceleratorError(ILLEGAL)

    monkeypatch.setattr(type(pipeline.unet), "forward", broken)
    engine.submit(OmniDiffusionRequest(arguments={"num_inference_steps": 2}, request_id="a"))
    with pytest.raises(DeviceLost, match="illegal memory access"):
        list(iter(engine.advance, False))
    assert not [event for event in events if type(event).__name__ == "RequestFailed"]
