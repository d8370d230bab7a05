"""Draws one request's pictures from its custom inputs, with Qwen-Image's own noise scheduler and guidance.

Installed on the vLLM worker after its model is loaded; needs no vLLM itself.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import QwenImagePipeline
from diffusers.utils.torch_utils import randn_tensor

from omni_jobs.errors import InvalidRequest
from workers.stepping.protocol import DiffusionRequestState, drive
from workers.vllm.conditioned import ConditionedStepPipeline
from workers.vllm.custom_inputs import QwenImageCustomInputs, validate_custom_inputs


class QwenImageRunnerAdapter:
    """Denoiser, VAE and noise scheduler of a Qwen-Image; its text encoder is not needed and not kept."""

    def __init__(self, pipeline: QwenImagePipeline) -> None:
        parts = {name: getattr(pipeline, name) for name in ("transformer", "vae", "scheduler")}
        self._pipeline = ConditionedStepPipeline(**parts, text_encoder=None, tokenizer=None)
        self._pipeline.set_progress_bar_config(disable=True)

    @property
    def device(self) -> torch.device:
        """Where the denoiser is."""
        device: torch.device = self._pipeline.transformer.device
        return device

    @torch.inference_mode()
    def generate(self, inputs: QwenImageCustomInputs, decode_pixels: bool = True) -> torch.Tensor:
        """Pixels (B, 3, height, width) in 0 to 1, or the final latents (B, C, 1, H, W).

        Raises:
            InvalidRequest: the inputs contradict each other or this model.
        """
        validate_custom_inputs(inputs)
        latents = self._start(inputs)
        height, width = (side * self._pipeline.vae_scale_factor for side in latents.shape[-2:])
        for name, side in (("height", height), ("width", width)):
            if getattr(inputs, name) not in (None, side):
                raise InvalidRequest(
                    f"`{name}`: expected {side} pixels for latents {tuple(latents.shape)}, "
                    f"given {getattr(inputs, name)}.",
                    field=name,
                    value=getattr(inputs, name),
                )
        output = drive(
            self._pipeline,
            DiffusionRequestState("vllm"),
            height=height,
            width=width,
            latents=self._packed(latents),
            output_type="pt" if decode_pixels else "latent",
            **self._arguments(inputs),
        ).output.images
        if decode_pixels:
            return torch.as_tensor(output)
        unpacked: torch.Tensor = self._pipeline._unpack_latents(
            output, height, width, self._pipeline.vae_scale_factor
        )
        return unpacked

    def _arguments(self, inputs: QwenImageCustomInputs) -> dict[str, Any]:
        names = ("prompt_embeds", "prompt_embeds_mask", "negative_prompt_embeds", "negative_prompt_embeds_mask")
        texts = {name: getattr(inputs, name) for name in names}
        control = inputs.control_image_latents
        return {
            **{name: text if text is None else text.to(self.device) for name, text in texts.items()},
            "control": None if control is None else self._packed(control),
            "control_shape": None if control is None else (1, control.shape[-2] // 2, control.shape[-1] // 2),
            "strength": inputs.strength,
            "num_inference_steps": inputs.num_inference_steps,
            "true_cfg_scale": inputs.true_cfg_scale,
            "guidance_scale": inputs.guidance_scale,
            "max_sequence_length": 1024,
        }

    def _start(self, inputs: QwenImageCustomInputs) -> torch.Tensor:
        """The latents where denoising begins: those given, or noise from the seed."""
        if inputs.image_latents is not None:
            return inputs.image_latents
        assert inputs.seed is not None
        assert inputs.height is not None
        assert inputs.width is not None
        return noise(
            self._pipeline, len(inputs.prompt_embeds), inputs.height, inputs.width, inputs.seed,
            inputs.prompt_embeds.dtype,
        )  # fmt: skip

    def _packed(self, latents: torch.Tensor) -> torch.Tensor:
        rows, channels, height, width = len(latents), latents.shape[1], *latents.shape[-2:]
        expected = self._pipeline.transformer.config.in_channels // 4
        if channels != expected:
            raise InvalidRequest(
                f"latents: expected {expected} channels for this model, given {tuple(latents.shape)}.",
                field="image_latents",
                value=tuple(latents.shape),
            )
        packed: torch.Tensor = self._pipeline._pack_latents(latents, rows, channels, height, width)
        return packed.to(self.device)


def noise(
    pipeline: QwenImagePipeline, rows: int, height: int, width: int, seed: int, dtype: torch.dtype
) -> torch.Tensor:
    """The latents (rows, C, 1, H, W) that `QwenImagePipeline` draws for this seed and size in pixels."""
    multiple = pipeline.vae_scale_factor * 2
    shape = (rows, 1, pipeline.transformer.config.in_channels // 4, height // multiple * 2, width // multiple * 2)
    return randn_tensor(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=dtype).transpose(1, 2)
