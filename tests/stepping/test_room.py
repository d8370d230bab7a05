"""A request that does not fit fails alone, and is told what would fit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from omni_jobs.errors import OutOfMemory
from tests.stepping.pipelines import TinyPipeline, tiny
from workers.engine import DiffusionEngine, OmniDiffusionConfig, OmniDiffusionRequest, RequestFailed
from workers.stepping.room import Extent, does_not_fit, fitting_share

CUDA = (
    "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 24.00 GiB of which 4.00 GiB is"
    " free. Of the allocated memory 18.00 GiB is allocated by PyTorch, and 1 GiB is reserved but unallocated."
)
GIB = 2**30


def test_the_share_counts_what_the_call_had_already() -> None:
    assert fitting_share(CUDA, held_bytes=18 * GIB, available_bytes=None) == pytest.approx(4 / 20)
    assert fitting_share(CUDA, held_bytes=12 * GIB, available_bytes=None) == pytest.approx(10 / 26)


@pytest.mark.parametrize("message", ["std::bad_alloc", "", "Tried to allocate 1.00 GiB."])
def test_a_message_that_says_nothing_gives_no_number(message: str) -> None:
    assert fitting_share(message, 0, None) is None
    assert does_not_fit(MemoryError(message), Extent(512, 512), 0, None).remedy


def test_the_advice_keeps_proportions_and_names_what_has_run() -> None:
    error = does_not_fit(RuntimeError(CUDA), Extent(2048, 1024, 81), 18 * GIB, Extent(640, 320, 81))
    assert "2048x1024 with 81 frames" in error.message
    assert error.remedy == (
        "At most about 864x416 with 81 frames would fit. 640x320 with 81 frames has run on this device."
    )


class Greedy(nn.Module):
    """Needs 128 KiB for every pixel."""

    def forward(self, sample: torch.Tensor, pixels: int) -> torch.Tensor:
        return sample + torch.empty(pixels, 2**17, dtype=torch.uint8).shape[0]


class Sized(TinyPipeline):
    """Takes a size, which its second component pays for."""

    def __call__(self, width: int = 16, height: int = 16) -> torch.Tensor:  # type: ignore[override]
        latents = super().__call__()
        return self.greedy(latents, pixels=width * height)


def test_the_one_that_asks_too_much_fails_alone_with_a_size_that_fits() -> None:
    pipeline = tiny()
    pipeline.__class__ = Sized
    pipeline.greedy = Greedy()
    events: list[Any] = []
    engine = DiffusionEngine(OmniDiffusionConfig(pipeline=pipeline, caps="fixed(4)"), on_event=events.append)
    sizes = [(16, 16), (65_536, 65_536), (32, 16)]
    outputs = engine.step([OmniDiffusionRequest(arguments={"width": w, "height": h}) for w, h in sizes])
    assert [output.error is None for output in outputs] == [True, False, True]
    failed = next(event for event in events if isinstance(event, RequestFailed))
    assert isinstance(failed.error, OutOfMemory)
    assert "65536x65536" in failed.error.message
    assert "would fit" in (failed.error.remedy or "")
    assert "16x16 has run" in (failed.error.remedy or "")
