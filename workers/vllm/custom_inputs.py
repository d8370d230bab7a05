"""What a request for a picture carries through vLLM: the tensors of Qwen-Image, ready for its denoiser.

Made by `processor`, read by `QwenImageRunnerAdapter`. Between processes they travel as safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from omni_jobs.errors import InvalidRequest

#: The task by which vLLM's model runner tells a request for a picture from one for an embedding.
TASK_IMAGE_GENERATION = "image_generation"
#: Where a request carries its inputs: a key of `PoolingParams.extra_kwargs`.
CUSTOM_INPUTS_KEY = "qwen_image_custom_inputs"

#: Frames, rows and columns of one picture in the denoiser's sequence, in patches of 2x2 latents.
Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class QwenImageCustomInputs:
    """Model-ready tensors of B pictures of one size, and how to draw them.

    `prompt_embeds` are (B, T, D) and `prompt_embeds_mask` (B, T), 1 where there is a token; `negative_...` are
    likewise, for guidance. Latents are (B, C, H, W) or (B, C, 1, H, W), normalised as the denoiser takes them.
    `image_latents` are those where denoising begins; without them noise is drawn from `seed` at `height` x `width`
    pixels. `control_image_latents` are those of a picture to edit. `img_shapes` (of the picture, then of the
    control) and `txt_seq_lens` follow from the tensors; where they are given they must agree.
    With `strength` below 1 denoising begins at that part of its steps, from latents that are noised accordingly.
    `guidance_scale` is for distilled models alone; `true_cfg_scale` above 1 guides away from the negative prompt.
    """

    prompt_embeds: torch.Tensor
    prompt_embeds_mask: torch.Tensor
    image_latents: torch.Tensor | None = None
    control_image_latents: torch.Tensor | None = None
    negative_prompt_embeds: torch.Tensor | None = None
    negative_prompt_embeds_mask: torch.Tensor | None = None
    img_shapes: Sequence[Shape] | None = None
    txt_seq_lens: Sequence[int] | None = None
    num_inference_steps: int = 50
    guidance_scale: float | None = None
    true_cfg_scale: float = 4.0
    strength: float = 1.0
    seed: int | None = None
    height: int | None = None
    width: int | None = None

    def to_bytes(self) -> bytes:
        """One safetensors file, the plain values in its metadata."""
        named = {item.name: getattr(self, item.name) for item in fields(self)}
        tensors = {name: value.contiguous() for name, value in named.items() if isinstance(value, torch.Tensor)}
        plain = {name: value for name, value in named.items() if name not in tensors and value is not None}
        return save(tensors, metadata={CUSTOM_INPUTS_KEY: json.dumps(plain)})

    @classmethod
    def from_bytes(cls, content: bytes) -> QwenImageCustomInputs:
        """What `to_bytes` wrote.

        Raises:
            InvalidRequest: the bytes are something else.
        """
        try:
            return cls(**load(content), **_metadata(content))
        except (SafetensorError, ValueError, TypeError, KeyError) as error:
            raise InvalidRequest(
                f"`{CUSTOM_INPUTS_KEY}`: cannot be read: {error}.",
                field=CUSTOM_INPUTS_KEY,
                remedy="Send what `QwenImageCustomInputs.to_bytes` returns.",
            ) from error


def validate_custom_inputs(inputs: QwenImageCustomInputs) -> None:
    """Check shapes against each other, and numbers against what they can be.

    Raises:
        InvalidRequest: the message names the tensor, the shape that is expected and the one that was given.
    """
    rows = _check_text(inputs.prompt_embeds, inputs.prompt_embeds_mask, "prompt_embeds", None)
    if inputs.negative_prompt_embeds is not None or inputs.negative_prompt_embeds_mask is not None:
        _check_text(
            inputs.negative_prompt_embeds, inputs.negative_prompt_embeds_mask, "negative_prompt_embeds", rows
        )
    named = {name: getattr(inputs, name) for name in ("image_latents", "control_image_latents")}
    shapes = [_check_latents(latents, name, rows) for name, latents in named.items() if latents is not None]
    if inputs.image_latents is None and None in (inputs.seed, inputs.height, inputs.width):
        raise InvalidRequest(
            "`image_latents`: are missing, and `seed`, `height` and `width` do not say which noise to draw.",
            field="image_latents",
            remedy="Give the latents, or all three.",
        )
    if inputs.img_shapes is not None and inputs.image_latents is not None:
        _expect("img_shapes", shapes, [tuple(shape) for shape in inputs.img_shapes])
    if inputs.txt_seq_lens is not None:
        _expect("txt_seq_lens", inputs.prompt_embeds_mask.sum(dim=1).tolist(), list(inputs.txt_seq_lens))
    _check_numbers(inputs)


def _check_text(embeds: Any, mask: Any, name: str, rows: int | None) -> int:
    """The number of rows, of a text that is (rows, tokens, channels) with a mask that fits."""
    if not isinstance(embeds, torch.Tensor) or embeds.ndim != 3 or (rows is not None and len(embeds) != rows):
        raise _wrong_shape(name, f"({rows or 'B'}, T, D)", embeds)
    if not isinstance(mask, torch.Tensor) or mask.shape != embeds.shape[:2]:
        raise _wrong_shape(f"{name}_mask", tuple(embeds.shape[:2]), mask)
    if not mask.any(dim=1).all():
        raise InvalidRequest(f"`{name}_mask`: a row has no token.", field=f"{name}_mask")
    return len(embeds)


def _check_latents(latents: torch.Tensor, name: str, rows: int) -> Shape:
    """The shape in patches, of latents with one frame and even sides."""
    is_still = latents.ndim == 4 or (latents.ndim == 5 and latents.shape[2] == 1)
    if not is_still or len(latents) != rows or latents.shape[-1] % 2 or latents.shape[-2] % 2:
        raise _wrong_shape(name, f"({rows}, C, H, W) or ({rows}, C, 1, H, W) with even H and W", latents)
    return (1, latents.shape[-2] // 2, latents.shape[-1] // 2)


def _check_numbers(inputs: QwenImageCustomInputs) -> None:
    if inputs.num_inference_steps < 1:
        raise InvalidRequest(
            f"`num_inference_steps`: is {inputs.num_inference_steps}, expected at least 1.",
            field="num_inference_steps",
            value=inputs.num_inference_steps,
        )
    if not 0 < inputs.strength <= 1:
        raise InvalidRequest(
            f"`strength`: is {inputs.strength}, expected more than 0 and at most 1.",
            field="strength",
            value=inputs.strength,
        )


def _expect(name: str, expected: Any, given: Any) -> None:
    if expected != given:
        raise InvalidRequest(
            f"`{name}`: expected {expected}, as the tensors say; given {given}.", field=name, value=given
        )


def _wrong_shape(name: str, expected: Any, given: Any) -> InvalidRequest:
    shape = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
    return InvalidRequest(f"`{name}`: expected {expected}, given {shape}.", field=name, value=shape)


def _metadata(content: bytes) -> dict[str, Any]:
    """The plain values in the header of a safetensors file: eight bytes say how long that is."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    plain: dict[str, Any] = json.loads(header["__metadata__"][CUSTOM_INPUTS_KEY])
    return plain
