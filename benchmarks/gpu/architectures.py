"""The denoisers of well-known models in their published sizes, without their weights: rows of data.

Everything beside the denoiser comes from the zoo's tiny pipeline of the same class, so no hub is needed; prompts
are embeddings of the size that the full denoiser takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import diffusers
import torch

from benchmarks.zoo import EQUAL_PROMPTS, case

#: Real autoencoders are this much smaller than their pictures.
VAE_SCALE_FACTOR = 8


@dataclass(frozen=True)
class Architecture:
    """One denoiser: the zoo's case around it, its class and configuration, and the embeddings of one prompt.

    `embeds` maps call arguments to shapes; `listed` are those given as a list with one tensor per prompt.
    `few_steps` marks distilled models, which are served with few steps.
    """

    name: str
    case: str
    component: str
    kind: str
    config: Mapping[str, Any]
    embeds: Mapping[str, tuple[int, ...]]
    call: Mapping[str, Any]
    masks: Mapping[str, int] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    few_steps: bool = False

    def build(self, device: str, dtype: torch.dtype, small: bool) -> Any:
        """The pipeline, with the full denoiser or, for trying the benchmark itself, the zoo's own."""
        pipeline = case(self.case).build()
        if not small:
            default = torch.get_default_dtype()
            torch.set_default_dtype(dtype)
            try:
                with torch.device(device):
                    denoiser = getattr(diffusers, self.kind)(**self.config).eval()
            finally:
                torch.set_default_dtype(default)
            pipeline.register_modules(**{self.component: denoiser})
            for name in [name for name in pipeline.components if name.startswith("text_encoder")]:
                setattr(pipeline, name, None)
            pipeline.vae_scale_factor = VAE_SCALE_FACTOR
        pipeline.to(device, dtype)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def inputs(
        self, seed: int, side: int, steps: int, device: str, dtype: torch.dtype, small: bool
    ) -> dict[str, Any]:
        """Arguments of one call; random embeddings of the full size, or the zoo's own inputs."""
        if small:
            given = case(self.case).inputs(seed=seed, prompt=EQUAL_PROMPTS[seed % 2], steps=steps)
            return given | {"output_type": "latent"}
        source = torch.Generator(device).manual_seed(seed)
        arguments: dict[str, Any] = dict(self.call)
        for name, shape in self.embeds.items():
            value = torch.randn(shape, generator=source, device=device, dtype=dtype)
            arguments[name] = [value[0]] if name in self.listed else value
        for name, length in self.masks.items():
            arguments[name] = torch.ones(1, length, dtype=torch.long, device=device)
        return arguments | {
            "height": side,
            "width": side,
            "num_inference_steps": steps,
            "generator": torch.Generator(device).manual_seed(seed),
            "output_type": "latent",
        }


SDXL = Architecture(
    name="SDXL",
    case="sdxl",
    component="unet",
    kind="UNet2DConditionModel",
    config={
        "sample_size": 128,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (320, 640, 1280),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    embeds={
        "prompt_embeds": (1, 77, 2048),
        "negative_prompt_embeds": (1, 77, 2048),
        "pooled_prompt_embeds": (1, 1280),
        "negative_pooled_prompt_embeds": (1, 1280),
    },
    call={"guidance_scale": 5.0},
)
FLUX = Architecture(
    name="FLUX.1-schnell",
    case="flux",
    component="transformer",
    kind="FluxTransformer2DModel",
    config={},
    embeds={"prompt_embeds": (1, 256, 4096), "pooled_prompt_embeds": (1, 768)},
    call={"guidance_scale": 0.0, "max_sequence_length": 256},
    few_steps=True,
)
QWEN_IMAGE = Architecture(
    name="Qwen-Image",
    case="qwen-image",
    component="transformer",
    kind="QwenImageTransformer2DModel",
    config={},
    embeds={"prompt_embeds": (1, 64, 3584)},
    masks={"prompt_embeds_mask": 64},
    call={"true_cfg_scale": 1.0},
)
Z_IMAGE = Architecture(
    name="Z-Image-Turbo",
    case="z-image-turbo",
    component="transformer",
    kind="ZImageTransformer2DModel",
    config={},
    embeds={"prompt_embeds": (1, 64, 2560)},
    listed=("prompt_embeds",),
    call={"guidance_scale": 0.0},
    few_steps=True,
)
ARCHITECTURES = (SDXL, Z_IMAGE, FLUX, QWEN_IMAGE)
