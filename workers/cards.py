"""A model's public card from its row and its pipeline's `__call__`: types, defaults, limits.

Runs in the engine process, where the pipeline class is at hand; the worker publishes what it gets. A parameter
that is no JSON value (a tensor, a callback) is not offered.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from typing import Any

from omni_jobs.schemas import ModelCard, PictureRule
from workers.pictures import PictureInput, hints_of, members_of, picture_inputs
from workers.registry import ModelRow

#: Arguments that the job carries elsewhere, or that are ours.
CARRIED = {
    "prompt", "negative_prompt", "image", "images", "mask", "mask_image",
    "generator", "output_type", "return_dict",
    "num_images_per_prompt", "num_videos_per_prompt", "num_waveforms_per_prompt",
}  # fmt: skip
#: JSON schema of a parameter by its Python type.
TYPES: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string", "maxLength": 32_000},
}
#: Bounds of well-known parameters: (least, greatest).
BOUNDS: dict[str, tuple[float, float]] = {
    "width": (16, 8192),
    "height": (16, 8192),
    "num_inference_steps": (1, 200),
    "num_frames": (1, 1024),
    "guidance_scale": (0, 100),
    "true_cfg_scale": (0, 100),
    "strength": (0, 1),
    "max_sequence_length": (1, 4096),
}
SIDES = ("width", "height")
#: Parts of the names of classes that need a picture, whatever their signature says.
EDITING_NAMES = ("Edit", "Img2Img", "Inpaint", "ImageToVideo", "Image2Video", "Upscale")
#: Longest list accepted as a parameter (sigmas, timesteps).
MAX_ITEMS = 1024

Signature = Mapping[str, inspect.Parameter]


def derive_card(
    row: ModelRow, pipeline_class: type, side_multiple: int = 1, has_ip_adapter: bool = False
) -> ModelCard:
    """The card of a row that runs `pipeline_class`; the row's defaults and limits win over the class's.

    `side_multiple` is what width and height must be multiples of: a latent stands for so many pixels.
    """
    call = pipeline_class.__call__
    signature = inspect.signature(call).parameters
    hints = hints_of(call)
    pictures = picture_inputs(call, has_ip_adapter)
    images, mask = pictures.pop("images", None), pictures.get("mask")
    if mask is not None and not mask.listed:
        del pictures["mask"]
    properties: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for name, parameter in signature.items():
        schema = _schema(name, parameter, hints.get(name), row.limits)
        if schema is None:
            continue
        if parameter.default not in (None, inspect.Parameter.empty):
            defaults[name] = schema["default"] = _plain(parameter.default)
        if name in SIDES and side_multiple > 1:
            schema["multipleOf"] = side_multiple
        properties[name] = schema
    for name, value in row.defaults.items():
        defaults[name] = value
        if name not in CARRIED:
            properties.setdefault(name, {})["default"] = value
    return ModelCard(
        name=row.name,
        tasks=_tasks(pipeline_class.__name__, signature, images),
        pipeline=pipeline_class.__name__,
        media=_media(signature),
        parameters_schema={"type": "object", "properties": properties, "additionalProperties": False},
        defaults=defaults,
        max_pixels=row.max_pixels,
        max_input_images=images.most if images else 0,
        accepts_mask=mask is not None and not mask.listed,
        inputs={name: PictureRule(most=one.most, required=one.required) for name, one in pictures.items()},
        accepts_negative_prompt="negative_prompt" in signature,
        description=row.description or _first_sentence(pipeline_class),
        licence=row.licence,
    )


def tuple_parameters(pipeline_class: type) -> frozenset[str]:
    """The parameters that the class wants as tuples, which JSON makes lists of."""
    call = pipeline_class.__call__
    hints = hints_of(call)
    return frozenset(
        name
        for name, parameter in inspect.signature(call).parameters.items()
        if isinstance(parameter.default, tuple) or any(_is_tuple(hint) for hint in members_of(hints.get(name)))
    )


def _is_tuple(hint: Any) -> bool:
    return hint is tuple or typing.get_origin(hint) is tuple


def _tasks(name: str, signature: Signature, images: PictureInput | None) -> tuple[str, ...]:
    """A pipeline that takes `images` edits. It generates too if the picture may be left out.

    Many signatures give `image` a default of None and then need it all the same: a parameter that makes no sense
    without a picture, or the class's name, tells.
    """
    if images is None:
        return ("generate",)
    needs_picture = (
        images.required
        or bool({"strength", "mask_image"} & signature.keys())
        or any(word in name for word in EDITING_NAMES)
    )
    return ("edit",) if needs_picture else ("generate", "edit")


def _media(signature: Signature) -> str:
    if "num_frames" in signature:
        return "video"
    return "audio" if {"audio_length_in_s", "audio_end_in_s", "audio_duration"} & signature.keys() else "image"


def _schema(
    name: str, parameter: inspect.Parameter, hint: Any, limits: Mapping[str, float]
) -> dict[str, Any] | None:
    if name == "self" or name in CARRIED or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        return None
    kind = _json_type(hint) or _json_type(type(parameter.default))
    if kind is None:
        return None
    schema = dict(kind)
    if any(word in str(kind) for word in ("integer", "number")):
        low, high = _bounds(name, parameter.default, limits)
        schema |= {key: value for key, value in (("minimum", low), ("maximum", high)) if value is not None}
    return schema


def _bounds(name: str, default: Any, limits: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Least and greatest value: the operator's limit, else ours, which gives way to the class's own default."""
    low, high = BOUNDS.get(name, (None, None))
    if low is not None and high is not None and isinstance(default, int | float):
        low, high = min(low, default), max(high, default)
    return low, limits.get(name, high)


def _json_type(hint: Any) -> dict[str, Any] | None:
    """The JSON schema of an annotation, or None for one whose values are not JSON."""
    if hint in TYPES:
        return TYPES[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        offered = [schema for schema in map(_json_type, arguments) if schema is not None]
        if {"type": "integer"} in offered and {"type": "number"} in offered:
            offered.remove({"type": "integer"})
        return {"anyOf": offered} if len(offered) > 1 else next(iter(offered), None)
    if origin in (list, tuple) and arguments:
        items = _json_type(arguments[0])
        return items and {"type": "array", "items": items, "maxItems": MAX_ITEMS}
    return None


def _plain(value: Any) -> Any:
    """A default as JSON has it."""
    return [_plain(member) for member in value] if isinstance(value, (list, tuple)) else value


def _first_sentence(pipeline_class: type) -> str:
    text = (pipeline_class.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(text.split())[:300]
