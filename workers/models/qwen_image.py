"""Qwen-Image as a native step pipeline: diffusers' own helpers behind the four methods of SupportsStepExecution.

Its results are bit-identical to `QwenImagePipeline.__call__` (a test holds them together), except where it joins
both calls of a guided step, for ranks to share (`workers.parallel`). Operators name it in `custom_pipeline_args`.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import QwenImagePipeline
from diffusers.pipelines.qwenimage.pipeline_output import QwenImagePipelineOutput
from diffusers.pipelines.qwenimage.pipeline_qwenimage import calculate_shift, retrieve_timesteps
from torch import nn

from workers.engine.request import DiffusionOutput
from workers.stepping.protocol import DiffusionRequestState

CALL = inspect.signature(QwenImagePipeline.__call__)


class QwenImageStepPipeline(QwenImagePipeline):
    """QwenImagePipeline with native steps; called plainly it is its parent."""

    supports_step_execution: ClassVar[bool] = True
    #: Whether a guided step makes one call of twice the rows instead of two calls.
    joins_guidance: bool = False

    @torch.no_grad()
    def prepare_encode(self, state: DiffusionRequestState, **kwargs: Any) -> DiffusionRequestState:
        """Take the arguments of `__call__`, by its names and with its defaults.

        A prompt among them wins over the state's; there is no other way for a prompt to come in.

        Raises:
            TypeError, ValueError: whatever `__call__` would refuse.
        """
        prompts = {"prompt": state.prompt, "negative_prompt": state.negative_prompt}
        bound = CALL.bind(self, **(prompts | kwargs))
        bound.apply_defaults()
        extra = state.extra = bound.arguments
        state.prompt, state.negative_prompt = extra["prompt"], extra["negative_prompt"]
        side = self.default_sample_size * self.vae_scale_factor
        extra["height"], extra["width"] = extra["height"] or side, extra["width"] or side
        self.check_inputs(
            state.prompt,
            extra["height"],
            extra["width"],
            negative_prompt=state.negative_prompt,
            callback_on_step_end_tensor_inputs=extra["callback_on_step_end_tensor_inputs"],
            max_sequence_length=extra["max_sequence_length"],
            **{name: extra[name] for name in EMBEDDINGS},
        )
        self._guidance_scale = extra["guidance_scale"]
        self._attention_kwargs = extra["attention_kwargs"] or {}
        self._current_timestep: torch.Tensor | None = None
        self._interrupt = False
        self._encode(state)
        self._draw_latents(state)
        self._make_timesteps(state)
        return state

    @torch.no_grad()
    def denoise_step(self, state: DiffusionRequestState, **_kwargs: Any) -> torch.Tensor | None:
        """The guided prediction, (batch, tokens, channels); None once `interrupt` is set."""
        if self.interrupt:
            return None
        self._current_timestep = state.current_timestep
        if self.joins_guidance and state.do_true_cfg:
            noise_pred, negative = self._predict_both(state)
        else:
            noise_pred = self._predict(state, "cond", state.prompt_embeds, state.prompt_embeds_mask)
            if not state.do_true_cfg:
                return noise_pred
            negative = self._predict(
                state, "uncond", state.negative_prompt_embeds, state.negative_prompt_embeds_mask
            )
        combined = negative + state.extra["true_cfg_scale"] * (noise_pred - negative)
        cond_norm = torch.norm(noise_pred, dim=-1, keepdim=True)
        noise_norm = torch.norm(combined, dim=-1, keepdim=True)
        guided: torch.Tensor = combined * (cond_norm / noise_norm)
        return guided

    @torch.no_grad()
    def step_scheduler(self, state: DiffusionRequestState, noise_pred: torch.Tensor, **_kwargs: Any) -> None:
        """One step of the state's own scheduler, then the caller's `callback_on_step_end`."""
        index, timestep = state.step_index, state.current_timestep
        assert state.latents is not None
        dtype = state.latents.dtype
        state.latents = state.scheduler.step(noise_pred, timestep, state.latents, return_dict=False)[0]
        if state.latents.dtype != dtype and torch.backends.mps.is_available():
            state.latents = state.latents.to(dtype)
        if (callback := state.extra["callback_on_step_end"]) is not None:
            names = state.extra["callback_on_step_end_tensor_inputs"]
            changed = callback(self, index, timestep, {name: getattr(state, name) for name in names})
            state.latents = changed.pop("latents", state.latents)
            state.prompt_embeds = changed.pop("prompt_embeds", state.prompt_embeds)
        state.step_index += 1

    @torch.no_grad()
    def post_decode(self, state: DiffusionRequestState, **_kwargs: Any) -> DiffusionOutput:
        """What `__call__` returns, in a DiffusionOutput. Nothing of the run stays on the pipeline."""
        self._current_timestep = None
        images = state.latents if state.extra["output_type"] == "latent" else self._decode(state)
        self.maybe_free_model_hooks()
        plain = QwenImagePipelineOutput(images=images) if state.extra["return_dict"] else (images,)
        return DiffusionOutput(output=plain)

    def _encode(self, state: DiffusionRequestState) -> None:
        extra = state.extra
        negative = state.negative_prompt is not None or extra["negative_prompt_embeds"] is not None
        state.do_true_cfg = extra["true_cfg_scale"] > 1 and negative
        common = {
            "device": self._execution_device,
            "num_images_per_prompt": extra["num_images_per_prompt"],
            "max_sequence_length": extra["max_sequence_length"],
        }
        state.prompt_embeds, state.prompt_embeds_mask = self.encode_prompt(
            prompt=state.prompt,
            prompt_embeds=extra["prompt_embeds"],
            prompt_embeds_mask=extra["prompt_embeds_mask"],
            **common,
        )
        if state.do_true_cfg:
            state.negative_prompt_embeds, state.negative_prompt_embeds_mask = self.encode_prompt(
                prompt=state.negative_prompt,
                prompt_embeds=extra["negative_prompt_embeds"],
                prompt_embeds_mask=extra["negative_prompt_embeds_mask"],
                **common,
            )

    def _draw_latents(self, state: DiffusionRequestState) -> None:
        extra = state.extra
        assert state.prompt_embeds is not None
        rows = state.prompt_embeds.shape[0]
        state.latents = self.prepare_latents(
            rows,
            self.transformer.config.in_channels // 4,
            extra["height"],
            extra["width"],
            state.prompt_embeds.dtype,
            self._execution_device,
            extra["generator"],
            extra["latents"],
        )
        height, width = (extra[name] // self.vae_scale_factor // 2 for name in ("height", "width"))
        state.img_shapes = [[(1, height, width)]] * (rows // extra["num_images_per_prompt"])

    def _make_timesteps(self, state: DiffusionRequestState) -> None:
        """Timesteps, an own scheduler that holds them, and the embedded guidance of distilled models."""
        extra, steps = state.extra, state.extra["num_inference_steps"]
        sigmas = extra["sigmas"]
        # A scheduler remembers where it is: requests that share one would take each other's steps.
        state.scheduler = copy.deepcopy(self.scheduler)
        assert state.latents is not None
        config = state.scheduler.config
        mu = calculate_shift(
            state.latents.shape[1],
            config.get("base_image_seq_len", 256),
            config.get("max_image_seq_len", 4096),
            config.get("base_shift", 0.5),
            config.get("max_shift", 1.15),
        )
        state.timesteps, _ = retrieve_timesteps(
            state.scheduler,
            steps,
            self._execution_device,
            sigmas=np.linspace(1.0, 1 / steps, steps) if sigmas is None else sigmas,
            mu=mu,
        )
        state.scheduler.set_begin_index(0)
        self._num_timesteps = state.total_steps
        if self.transformer.config.guidance_embeds:
            if self._guidance_scale is None:
                raise ValueError("guidance_scale is required for guidance-distilled model.")
            guidance = torch.full([1], self._guidance_scale, device=self._execution_device, dtype=torch.float32)
            state.guidance = guidance.expand(state.latents.shape[0])

    def _predict_both(self, state: DiffusionRequestState) -> tuple[torch.Tensor, torch.Tensor]:
        """Both predictions by one call; the shorter text is padded, and masked."""
        texts = (state.prompt_embeds, state.negative_prompt_embeds)
        masks = (state.prompt_embeds_mask, state.negative_prompt_embeds_mask)
        embeds, mask = joined_texts([text for text in texts if text is not None], masks)
        positive, negative = self._predict(state, "both", embeds, mask, times=2).chunk(2)
        return positive, negative

    def _predict(
        self,
        state: DiffusionRequestState,
        context: str,
        embeds: torch.Tensor | None,
        mask: torch.Tensor | None,
        times: int = 1,
    ) -> torch.Tensor:
        """One call; `times` is how often the latents are repeated for as many rows of text."""
        assert state.latents is not None
        assert state.current_timestep is not None
        assert state.img_shapes is not None
        latents = torch.cat([state.latents] * times) if times > 1 else state.latents
        timestep = state.current_timestep.expand(latents.shape[0]).to(latents.dtype)
        guidance = state.guidance if times == 1 or state.guidance is None else state.guidance.repeat(times)
        with self.transformer.cache_context(context):
            prediction: torch.Tensor = self.transformer(
                hidden_states=latents,
                timestep=timestep / 1000,
                guidance=guidance,
                encoder_hidden_states_mask=mask,
                encoder_hidden_states=embeds,
                img_shapes=state.img_shapes * times,
                attention_kwargs=state.extra["attention_kwargs"] or {},
                return_dict=False,
            )[0]
        return prediction

    def _decode(self, state: DiffusionRequestState) -> Any:
        latents = self._unpack_latents(
            state.latents, state.extra["height"], state.extra["width"], self.vae_scale_factor
        ).to(self.vae.dtype)
        shape = (1, self.vae.config.z_dim, 1, 1, 1)
        mean = torch.tensor(self.vae.config.latents_mean).view(shape).to(latents.device, latents.dtype)
        std = 1.0 / torch.tensor(self.vae.config.latents_std).view(shape).to(latents.device, latents.dtype)
        image = self.vae.decode(latents / std + mean, return_dict=False)[0][:, :, 0]
        return self.image_processor.postprocess(image, output_type=state.extra["output_type"])


def joined_texts(
    embeds: Sequence[torch.Tensor], masks: Sequence[torch.Tensor | None]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Texts of (batch, tokens, channels) as one batch, padded to the longest; no mask if none is needed."""
    longest = max(text.shape[1] for text in embeds)
    padded = [nn.functional.pad(text, (0, 0, 0, longest - text.shape[1])) for text in embeds]
    if all(mask is None for mask in masks) and all(text.shape[1] == longest for text in embeds):
        return torch.cat(padded), None
    whole = [
        torch.ones(text.shape[:2], dtype=torch.int64, device=text.device) if mask is None else mask
        for text, mask in zip(embeds, masks, strict=True)
    ]
    return torch.cat(padded), torch.cat([nn.functional.pad(mask, (0, longest - mask.shape[1])) for mask in whole])


#: Arguments of `__call__` that come instead of a prompt.
EMBEDDINGS = ("prompt_embeds", "negative_prompt_embeds", "prompt_embeds_mask", "negative_prompt_embeds_mask")
