"""Whatever a pipeline's loop holds while it is parked is saved and put back, or the checkpoint is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from tests.stepping.checkpointed import call
from tests.stepping.pipelines import Denoiser, TinyPipeline, tiny
from workers import Omni


class Loop(TinyPipeline):
    """The loop of one of the functions below."""

    body: Callable[..., Iterator[torch.Tensor]]

    @torch.no_grad()
    def __call__(self, generator: Any = None, num_inference_steps: int = 3) -> torch.Tensor:  # type: ignore[override]
        latents = torch.randn(1, 8, generator=generator)
        with self.progress_bar(total=num_inference_steps) as bar:
            for changed in type(self).body(self, latents, num_inference_steps, generator):
                latents = changed
                bar.update()
        return latents


class Momentum:
    """State in an object of the pipeline's own."""

    def __init__(self) -> None:
        self.average: torch.Tensor | float = 0.0
        self.history: list[torch.Tensor | float] = []


def momentum(self: Any, latents: torch.Tensor, steps: int, _generator: Any) -> Iterator[torch.Tensor]:
    buffer = Momentum()
    for step in range(steps):
        buffer.average = self.unet(latents, step) + 0.7 * buffer.average
        buffer.history.append(buffer.average)
        latents = latents - 0.1 * sum(buffer.history)
        yield latents


def in_place(self: Any, latents: torch.Tensor, steps: int, _generator: Any) -> Iterator[torch.Tensor]:
    """Views, aliases and an iterator that holds what it goes over."""
    left, kept = latents[:, :4], [latents]
    for step, part in enumerate([left] * steps):
        part.add_(self.unet(kept[0], step)[:, :4])
        yield latents


def expression(self: Any, latents: torch.Tensor, steps: int, _generator: Any) -> Iterator[torch.Tensor]:
    """The latents wait on the evaluation stack while the denoiser is called."""
    for step in range(steps):
        latents = latents - 0.1 * self.unet(latents, step)
        yield latents


def augmented(self: Any, latents: torch.Tensor, steps: int, generator: Any) -> Iterator[torch.Tensor]:
    """Also draws noise, and from the global generator."""
    for step in range(steps):
        latents -= 0.1 * self.unet(latents, step)
        latents = latents + torch.randn(1, 8, generator=generator) + torch.randn(1, 8)
        yield latents


def channels_last(self: Any, latents: torch.Tensor, steps: int, _generator: Any) -> Iterator[torch.Tensor]:
    wide = latents.reshape(1, 2, 2, 2).contiguous(memory_format=torch.channels_last)
    for step in range(steps):
        wide = wide + self.unet(wide.reshape(1, 8), step).reshape(1, 2, 2, 2)
        assert wide.is_contiguous(memory_format=torch.channels_last)
        yield wide


def halves(self: Any, latents: torch.Tensor, steps: int, _generator: Any) -> Iterator[torch.Tensor]:
    """Between the halves of guidance the first prediction is alive."""
    for step in range(steps):
        first = self.unet(latents, step)
        second = self.unet(latents + 1, step)
        latents = latents + first - 0.5 * second
        yield latents


LOOPS = [momentum, in_place, expression, augmented, channels_last, halves]


@pytest.mark.parametrize("body", LOOPS, ids=lambda body: body.__name__)
@pytest.mark.parametrize("after", [1, 2, 3])
def test_whatever_a_loop_holds_is_restored(body: Any, after: int) -> None:
    kind = type("Loop", (Loop,), {"body": body, "__module__": __name__})

    def omni() -> Omni:
        return Omni(pipeline=kind(Denoiser(), tiny().scheduler))

    torch.manual_seed(0)
    (expected,) = omni().map([call()])
    torch.manual_seed(0)
    content = omni().checkpoint(call(), after_calls=after)
    torch.manual_seed(99)
    found = omni().resume(call(), content)
    assert found.refused is None
    assert torch.equal(found.output, expected)
    assert found.output.stride() == expected.stride()


def doubled(self: Any, latents: torch.Tensor, steps: int, _generator: Any) -> Iterator[torch.Tensor]:
    for step in range(steps):
        latents = 2 * latents - self.unet(latents, step)
        yield latents


def test_a_value_that_waits_in_an_expression_is_no_silent_error() -> None:
    kind = type("Loop", (Loop,), {"body": doubled, "__module__": __name__})
    omni = Omni(pipeline=kind(Denoiser(), tiny().scheduler))
    (expected,) = omni.map([call()])
    found = omni.resume(call(), omni.checkpoint(call(), after_calls=2))
    assert found.refused is not None
    assert "2 * latents" in found.refused
    assert torch.equal(found.output, expected)
