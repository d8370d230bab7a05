"""Which arguments of a pipeline's call take pictures: under which of a job's names, how many, and which must come.

A job says `images`, `mask`, and by the pipeline's own argument names everything else (`inputs.control_image`). The
card publishes what is found here, and the same table makes the call's arguments.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

#: Arguments that are a job's `images`, and its `mask`; the first that a call has counts.
IMAGES = ("image", "images", "input_images")
MASKS = ("mask_image", "mask")
#: The job's name of the pictures that steer a control network, whatever the pipeline calls them.
CONTROL = "control_image"
#: Parameters of calls whose `image` is such a picture, if they have no argument of that name.
CONTROL_SCALES = frozenset({"controlnet_conditioning_scale", "adapter_conditioning_scale"})
#: Pictures that a call cannot do without, though its signature says that they may be left out.
NEEDED = frozenset({CONTROL, "control_mask", "conditioning_frames", "control_video", "ip_adapter_image"})
#: Pictures for an adapter that the pipeline may not have.
OF_IP_ADAPTER = frozenset({"ip_adapter_image", "negative_ip_adapter_image"})
#: Arguments that some calls annotate as tensors and give to an image processor all the same.
ALSO_PICTURES = frozenset({"image", "mask_image", "last_image"})
NO_PICTURES = re.compile(r"latents|embeds|^prompt$")
#: Most pictures of one argument: where it takes one or several, and where it takes only lists, such as frames.
MOST_PICTURES = 8
MOST_FRAMES = 256


@dataclass(frozen=True)
class PictureInput:
    """An argument that takes pictures: at most so many, `listed` always as a list."""

    argument: str
    most: int = 1
    listed: bool = False
    required: bool = False


#: Where pictures go that a call was not found to take: it is asked all the same, and refuses by name.
USUAL = {"images": PictureInput("image", MOST_PICTURES), "mask": PictureInput("mask_image")}


def picture_inputs(call: Callable[..., Any], has_ip_adapter: bool = False) -> dict[str, PictureInput]:
    """The inputs of a pipeline's call by the names that a job gives them."""
    signature = inspect.signature(call).parameters
    hints = hints_of(call)
    found: dict[str, PictureInput] = {}
    for argument, parameter in signature.items():
        one, many = _takes(hints.get(argument, parameter.annotation))
        one = one or (argument in ALSO_PICTURES and not many)
        name = _name_of(argument, signature, one)
        if name is None or not (one or many) or (argument in OF_IP_ADAPTER and not has_ip_adapter):
            continue
        are_frames = many and not one and name != "images"
        most = MOST_FRAMES if are_frames else MOST_PICTURES if many else 1
        needed = parameter.default is inspect.Parameter.empty or name in NEEDED
        found[name] = PictureInput(argument, most, many and not one, needed)
    return found


def has_ip_adapter(pipeline: Any) -> bool:
    """Whether an image prompt adapter was loaded into this pipeline."""
    modules = (getattr(pipeline, name, None) for name in ("unet", "transformer"))
    projections = (
        getattr(module, name, None) for module in modules for name in ("encoder_hid_proj", "image_proj")
    )
    return any(type(one).__name__.endswith("IPAdapterImageProjection") for one in projections)


def hints_of(call: Callable[..., Any]) -> dict[str, Any]:
    """The types of a call's parameters; none if an annotation cannot be evaluated."""
    try:
        return typing.get_type_hints(call)
    except (NameError, TypeError, AttributeError):
        return {}


def members_of(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if is_union else (hint,)


def _name_of(argument: str, signature: Mapping[str, inspect.Parameter], takes_one: bool) -> str | None:
    if NO_PICTURES.search(argument):
        return None
    if argument == next((name for name in IMAGES if name in signature), None):
        is_control = CONTROL not in signature and CONTROL_SCALES & signature.keys()
        return CONTROL if is_control and argument == "image" else "images"
    if takes_one and argument == next((name for name in MASKS if name in signature), None):
        return "mask"
    return argument


def _takes(hint: Any) -> tuple[bool, bool]:
    """Whether an annotation admits one picture, and whether a list of them."""
    if isinstance(hint, str):
        are_pictures = "PIL.Image" in hint or "PipelineImageInput" in hint
        return are_pictures, are_pictures and "list" in hint.lower()
    one = many = False
    for member in members_of(hint):
        if typing.get_origin(member) is list:
            many = many or any(_takes(typing.get_args(member)[0]))
        else:
            one = one or (getattr(member, "__module__", ""), getattr(member, "__name__", "")) == (
                "PIL.Image",
                "Image",
            )
    return one, many
