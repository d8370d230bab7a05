"""From prompts and pictures to custom inputs, by the steps of diffusers' own Qwen-Image pipelines.

Runs where the text encoder is, outside vLLM's tokenising; called by whoever makes a request. Each builder gives
what the pipeline of its name would have computed before its first step.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import QwenImageEditPipeline, QwenImageImg2ImgPipeline, QwenImagePipeline
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as editing
from diffusers.pipelines.qwenimage.pipeline_qwenimage import calculate_shift, retrieve_timesteps

from omni_jobs.schemas import MAX_SEED
from workers.vllm.custom_inputs import QwenImageCustomInputs, Shape, validate_custom_inputs
from workers.vllm.runner_adapter import noise

#: Pixels of the picture to edit, as QwenImageEditPipeline sees it.
CONTROL_PIXELS = 1024 * 1024


@dataclass(frozen=True)
class Sampling:
    """How to draw, by diffusers' names and defaults; `seed` is random if it is left out.

    `strength` counts where a picture is drawn over.
    """

    height: int | None = None
    width: int | None = None
    num_inference_steps: int = 50
    true_cfg_scale: float = 4.0
    guidance_scale: float | None = None
    strength: float = 0.6
    seed: int | None = None
    max_sequence_length: int = 512


@torch.inference_mode()
def build_custom_inputs_text_only(
    pipeline: QwenImagePipeline,
    prompt: str | Sequence[str],
    negative_prompt: str | Sequence[str] | None = None,
    image: Any = None,
    sampling: Sampling = Sampling(),
) -> QwenImageCustomInputs:
    """Inputs for pictures from text; one row for each prompt.

    The text encoder sees text alone. Denoising begins at the VAE latents of `image`, noised to `strength`, as in
    QwenImageImg2ImgPipeline; or at noise if there is none.
    """
    seed = _seed(sampling)
    texts = _encoded(pipeline, prompt, negative_prompt, sampling)
    side = pipeline.default_sample_size * pipeline.vae_scale_factor
    height, width = (_fitting(pipeline, given or side) for given in (sampling.height, sampling.width))
    rows, dtype = len(texts["prompt_embeds"]), texts["prompt_embeds"].dtype
    if image is None:
        latents = noise(pipeline, rows, height, width, seed, dtype)
    else:
        latents = _noised(pipeline, image, (rows, height, width), seed, sampling, dtype)
    strength = 1.0 if image is None else sampling.strength
    return _filled(texts, latents, None, sampling, strength, seed, (height, width))


@torch.inference_mode()
def build_custom_inputs_edit(
    pipeline: QwenImageEditPipeline,
    image: Any,
    prompt: str,
    negative_prompt: str | None = None,
    sampling: Sampling = Sampling(),
) -> QwenImageCustomInputs:
    """Inputs for editing one picture: the text encoder sees it, and the denoiser gets its latents as control."""
    seed = _seed(sampling)
    control_width, control_height, _ = editing.calculate_dimensions(CONTROL_PIXELS, image.width / image.height)
    height = _fitting(pipeline, sampling.height or control_height)
    width = _fitting(pipeline, sampling.width or control_width)
    resized = pipeline.image_processor.resize(image, control_height, control_width)
    texts = _encoded(pipeline, prompt, negative_prompt, sampling, image=resized)
    dtype = texts["prompt_embeds"].dtype
    pixels = pipeline.image_processor.preprocess(resized, control_height, control_width).unsqueeze(2)
    control = pipeline._encode_vae_image(pixels.to(pipeline._execution_device, dtype), generator=None)
    latents = noise(pipeline, 1, height, width, seed, dtype)
    return _filled(texts, latents, control, sampling, 1.0, seed, (height, width))


def _seed(sampling: Sampling) -> int:
    return secrets.randbelow(MAX_SEED + 1) if sampling.seed is None else sampling.seed


def _fitting(pipeline: Any, side: int) -> int:
    """Pixels that are whole patches: the pipelines cut what is left over."""
    multiple: int = pipeline.vae_scale_factor * 2
    return side // multiple * multiple


def _encoded(pipeline: Any, prompt: Any, negative_prompt: Any, sampling: Sampling, **image: Any) -> dict[str, Any]:
    """Embeddings and masks by their names in the custom inputs; a negative prompt only where it guides."""
    asked = {"prompt_embeds": prompt}
    if negative_prompt is not None and sampling.true_cfg_scale > 1:
        asked["negative_prompt_embeds"] = negative_prompt
    found: dict[str, Any] = {}
    for name, text in asked.items():
        listed = text if isinstance(text, str) else list(text)
        embeds, mask = pipeline.encode_prompt(
            prompt=listed, max_sequence_length=sampling.max_sequence_length, **image
        )
        # The pipelines leave out a mask that masks nothing.
        found[name] = embeds
        found[f"{name}_mask"] = (
            torch.ones(embeds.shape[:2], dtype=torch.int64, device=embeds.device) if mask is None else mask
        )
    return found


def _noised(
    pipeline: QwenImagePipeline,
    image: Any,
    size: tuple[int, int, int],
    seed: int,
    sampling: Sampling,
    dtype: torch.dtype,
) -> torch.Tensor:
    """A picture's latents (rows, C, 1, H, W) with the noise of the first step; `size` is rows, height, width."""
    rows, height, width = size
    parts = {**pipeline.components, "scheduler": copy.deepcopy(pipeline.scheduler)}
    redrawing = QwenImageImg2ImgPipeline(**parts)
    device, scheduler, steps = pipeline._execution_device, redrawing.scheduler, sampling.num_inference_steps
    patches = (height // pipeline.vae_scale_factor // 2) * (width // pipeline.vae_scale_factor // 2)
    config = scheduler.config
    mu = calculate_shift(
        patches,
        config.get("base_image_seq_len", 256),
        config.get("max_image_seq_len", 4096),
        config.get("base_shift", 0.5),
        config.get("max_shift", 1.15),
    )
    retrieve_timesteps(scheduler, steps, device, sigmas=np.linspace(1.0, 1 / steps, steps), mu=mu)
    timesteps, _ = redrawing.get_timesteps(steps, sampling.strength, device)
    pixels = redrawing.image_processor.preprocess(image, height=height, width=width).to(torch.float32)
    channels = pipeline.transformer.config.in_channels // 4
    generator = torch.Generator("cpu").manual_seed(seed)
    packed = redrawing.prepare_latents(
        pixels, timesteps[:1].repeat(rows), rows, channels, height, width, dtype, device, generator
    )
    unpacked: torch.Tensor = pipeline._unpack_latents(packed, height, width, pipeline.vae_scale_factor)
    return unpacked


def _filled(
    texts: dict[str, Any],
    latents: torch.Tensor,
    control: torch.Tensor | None,
    sampling: Sampling,
    strength: float,
    seed: int,
    size: tuple[int, int],
) -> QwenImageCustomInputs:
    pictures = [latents] if control is None else [latents, control]
    shapes: list[Shape] = [(1, one.shape[-2] // 2, one.shape[-1] // 2) for one in pictures]
    inputs = QwenImageCustomInputs(
        **texts,
        image_latents=latents,
        control_image_latents=control,
        img_shapes=shapes,
        txt_seq_lens=texts["prompt_embeds_mask"].sum(dim=1).tolist(),
        num_inference_steps=sampling.num_inference_steps,
        true_cfg_scale=sampling.true_cfg_scale,
        guidance_scale=sampling.guidance_scale,
        strength=strength,
        seed=seed,
        height=size[0],
        width=size[1],
    )
    validate_custom_inputs(inputs)
    return inputs
