"""Previews: only for who asks, at most two a second, like the picture to come, and without any effect on it."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)
from torch import nn

from benchmarks.zoo import case, flatten_output
from tests.stepping.pipelines import seeded
from workers.engine import (
    DiffusionEngine,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    RequestFinished,
    RequestPreview,
    RequestProgress,
)
from workers.models.qwen_image import QwenImageStepPipeline
from workers.stepping.clean_latent import clean_latent
from workers.stepping.latent_colors import LatentColors
from workers.stepping.preview import INTERVAL_SECONDS, Previewer

CHANNELS, HEIGHT, WIDTH = 4, 12, 8


class LinearVAE(nn.Module):
    """Decodes each latent pixel to a 2 x 2 block of one colour, a linear one."""

    config = {"latent_channels": CHANNELS, "scaling_factor": 0.5, "shift_factor": 0.1}

    def __init__(self) -> None:
        super().__init__()
        self.colors = nn.Parameter(torch.randn(3, CHANNELS, generator=seeded(3)) * 0.1)
        self.decodes = 0

    def decode(self, latents: torch.Tensor, return_dict: bool = True) -> tuple[torch.Tensor]:
        self.decodes += 1
        pictures = torch.einsum("kc,bchw->bkhw", self.colors, latents) + 0.05
        return (pictures.repeat_interleave(2, -1).repeat_interleave(2, -2),)


class KnowsTheEnd(nn.Module):
    """A velocity model that knows the finished latent, but for a little."""

    def __init__(self) -> None:
        super().__init__()
        self.end = nn.Parameter(torch.randn(1, CHANNELS, HEIGHT, WIDTH, generator=seeded(4)))

    def forward(self, hidden_states: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        sigma = timestep.reshape(-1, 1, 1, 1) / 1000
        return (hidden_states - self.end) / sigma + 0.05 * torch.sin(7 * hidden_states)


class ToyPipeline(DiffusionPipeline):
    def __init__(self, transformer: KnowsTheEnd, vae: LinearVAE, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(transformer=transformer, vae=vae, scheduler=scheduler)

    @torch.no_grad()
    def __call__(self, generator: torch.Generator, num_inference_steps: int = 4) -> torch.Tensor:
        assert "s_churn" in inspect.signature(self.scheduler.step).parameters
        self.scheduler.set_timesteps(num_inference_steps)
        latents = torch.randn(1, CHANNELS, HEIGHT, WIDTH, generator=generator)
        with self.progress_bar(total=num_inference_steps) as bar:
            for timestep in self.scheduler.timesteps:
                velocity = self.transformer(latents, timestep.expand(1))
                latents = self.scheduler.step(velocity, timestep, latents, return_dict=False)[0]
                bar.update()
        pictures: torch.Tensor = self.vae.decode(latents / 0.5 + 0.1, return_dict=False)[0]
        return pictures


@pytest.fixture
def toy() -> ToyPipeline:
    return ToyPipeline(KnowsTheEnd(), LinearVAE(), FlowMatchEulerDiscreteScheduler())


def run(pipeline: Any, *requests: OmniDiffusionRequest) -> list[Any]:
    events: list[Any] = []
    engine = DiffusionEngine(OmniDiffusionConfig(pipeline=pipeline, caps="fixed(4)"), on_event=events.append)
    engine.step(requests)
    return events


def pixels(event: RequestPreview) -> np.ndarray[Any, Any]:
    return np.frombuffer(event.rgb, np.uint8).reshape(event.height, event.width, 3).astype(float) / 127.5 - 1


def ask(seed: int, preview: bool = True, **more: Any) -> OmniDiffusionRequest:
    return OmniDiffusionRequest(
        arguments={"generator": seeded(seed)} | more, preview=preview, request_id=str(seed)
    )


def test_a_preview_comes_only_to_who_asks(toy: ToyPipeline) -> None:
    events = run(toy, ask(1), ask(2, preview=False))
    previews = [event for event in events if isinstance(event, RequestPreview)]
    assert previews
    assert {event.request_id for event in previews} == {"1"}
    assert (previews[0].width, previews[0].height, previews[0].step) == (WIDTH, HEIGHT, 1)
    assert toy.vae.decodes == 2 + 1  # two results and the fit


def test_nobody_asking_costs_nothing(toy: ToyPipeline) -> None:
    events = run(toy, ask(1, preview=False))
    assert not any(isinstance(event, RequestPreview) for event in events)
    assert toy.vae.decodes == 1


def test_a_preview_is_like_the_picture_to_come(toy: ToyPipeline) -> None:
    events = run(toy, ask(1))
    first = next(event for event in events if isinstance(event, RequestPreview))
    done = next(event for event in events if isinstance(event, RequestFinished))
    final = done.output.output[0, :, ::2, ::2].permute(1, 2, 0).numpy()
    noise = torch.einsum(
        "kc,bchw->bhwk",
        toy.vae.colors.detach(),
        torch.randn(1, CHANNELS, HEIGHT, WIDTH, generator=seeded(1)) / 0.5,
    )[0].numpy()
    shown = np.abs(pixels(first) - final.clip(-1, 1)).mean()
    assert shown < 0.2 * np.abs(noise - final).mean()
    assert shown < 0.05


def test_a_preview_precedes_the_progress_of_its_step(toy: ToyPipeline) -> None:
    events = run(toy, ask(1))
    place = next(index for index, event in enumerate(events) if isinstance(event, RequestPreview))
    following = events[place + 1]
    assert isinstance(following, RequestProgress)
    assert following.step == events[place].step


def test_previews_keep_their_distance(toy: ToyPipeline) -> None:
    now = [100.0]
    previewer = Previewer({"vae": toy.vae}, clock=lambda: now[0])
    toy.scheduler.set_timesteps(8)
    watch = previewer.watch(toy, ask(1), {})
    latents = torch.randn(1, CHANNELS, HEIGHT, WIDTH)
    taken = []
    for timestep in toy.scheduler.timesteps:
        latents = toy.scheduler.step(torch.zeros_like(latents), timestep, latents, return_dict=False)[0]
        taken.append(watch.take(1) is not None)
        assert watch.take(1) is None
        now[0] += INTERVAL_SECONDS / 2
    assert taken == [True, False] * 4


@pytest.mark.parametrize("name", ["qwen-image", "flux", "sdxl"])
def test_real_families_are_shown_at_latent_size_and_not_changed(name: str) -> None:
    member = case(name)
    pipeline = member.build()
    arguments = member.inputs(seed=1, prompt="a cat", steps=3)
    plain = flatten_output(pipeline(**member.inputs(seed=1, prompt="a cat", steps=3)))
    events = run(pipeline, OmniDiffusionRequest(arguments=arguments, preview=True))
    preview = next(event for event in events if isinstance(event, RequestPreview))
    done = next(event for event in events if isinstance(event, RequestFinished))
    assert preview.height / preview.width == arguments["height"] / arguments["width"]
    assert preview.height < arguments["height"]
    assert len(set(preview.rgb)) > 10
    for mine, theirs in zip(flatten_output(done.output.output), plain, strict=True):
        assert np.array_equal(mine, theirs)


def test_native_steps_are_shown_too() -> None:
    member = case("qwen-image")
    pipeline = QwenImageStepPipeline(**member.build().components)
    arguments = member.inputs(seed=1, prompt="a cat", steps=2)
    events = run(pipeline, OmniDiffusionRequest(arguments=arguments, preview=True))
    assert any(isinstance(event, RequestPreview) for event in events)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("scheduler_kind", [DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler])
def test_the_clean_latent_is_found_from_noise_and_velocity(scheduler_kind: Any, kind: str) -> None:
    scheduler = scheduler_kind(prediction_type=kind)
    if scheduler_kind is DDIMScheduler:
        scheduler.register_to_config(clip_sample=False)
    scheduler.set_timesteps(6)
    clean, noise = torch.randn(1, 4, 6, 6, generator=seeded(1)), torch.randn(1, 4, 6, 6, generator=seeded(2))
    timestep = scheduler.timesteps[2]
    place = int(timestep)
    alpha = scheduler.alphas_cumprod[place]
    sample = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    output = noise if kind == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
    if scheduler_kind is EulerDiscreteScheduler:
        sample = sample / alpha.sqrt()
    result = scheduler.step(output, timestep, sample, return_dict=False)
    given = {"model_output": output, "timestep": timestep, "sample": sample}
    found = clean_latent(scheduler, given, result)
    # Euler's timesteps lie between two alphas.
    tolerance = 6e-2 if scheduler_kind is EulerDiscreteScheduler else 2e-3
    torch.testing.assert_close(found, clean, rtol=tolerance, atol=tolerance)


def test_the_clean_latent_is_found_from_flow() -> None:
    clean, noise = torch.randn(1, 9, 8, generator=seeded(1)), torch.randn(1, 9, 8, generator=seeded(2))
    flow = DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    for scheduler in (FlowMatchEulerDiscreteScheduler(), flow):
        scheduler.set_timesteps(5)
        sigma = scheduler.sigmas[0]
        sample = (1 - sigma) * clean + sigma * noise
        result = scheduler.step(noise - clean, scheduler.timesteps[0], sample, return_dict=False)
        given = {"model_output": noise - clean, "timestep": scheduler.timesteps[0], "sample": sample}
        torch.testing.assert_close(clean_latent(scheduler, given, result), clean, rtol=1e-3, atol=1e-3)


def test_what_cannot_be_derived_is_shown_as_it_is() -> None:
    latents = torch.randn(1, 4, 6, 6)
    scheduler = DPMSolverMultistepScheduler()
    found = clean_latent(scheduler, {"sample": None, "model_output": None}, (latents,))
    assert found is not None
    assert torch.equal(found, latents)
    assert clean_latent(scheduler, {}, "nothing") is None


def test_without_a_vae_three_channels_are_colours_and_others_grey() -> None:
    colors = LatentColors({})
    red = torch.zeros(1, 3, 4, 5)
    red[:, 0] = 1
    painted = colors.paint(red, 1.0)
    assert painted is not None
    assert painted.shape == (4, 5, 3)
    assert painted[0, 0].tolist() == [255, 128, 128]
    grey = colors.paint(torch.randn(1, 16, 4, 5), 1.0)
    assert grey is not None
    assert torch.equal(grey[..., 0], grey[..., 2])
    assert colors.paint(torch.randn(1, 300, 64), 1.0) is None


def test_packed_and_moving_latents_find_their_sides() -> None:
    colors = LatentColors({"vae": LinearVAE()})
    picture = torch.randn(1, CHANNELS, HEIGHT, WIDTH)
    plain = colors.paint(picture, 1.0)
    assert plain is not None
    blocks = picture.view(1, CHANNELS, HEIGHT // 2, 2, WIDTH // 2, 2).permute(0, 2, 4, 1, 3, 5)
    packed = blocks.reshape(1, HEIGHT * WIDTH // 4, CHANNELS * 4)
    tokens = picture.permute(0, 2, 3, 1).reshape(1, HEIGHT * WIDTH, CHANNELS)
    video = picture.unsqueeze(2).repeat(1, 1, 5, 1, 1)
    for latent in (packed, tokens, video, video.transpose(1, 2)):
        painted = colors.paint(latent, HEIGHT / WIDTH)
        assert painted is not None
        assert torch.equal(painted, plain)
    assert colors.paint(tokens[:, :53], 1.0) is None
    large = colors.paint(torch.randn(1, CHANNELS, 512, 300), 1.0)
    assert large is not None
    assert large.shape == (256, 150, 3)
