"""From a request to the keyword arguments of its pipeline's call. Used by the runner of each executor."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from omni_jobs.errors import InvalidRequest
from omni_jobs.schemas import nearest
from workers.engine.request import OmniDiffusionRequest
from workers.pictures import USUAL, PictureInput, picture_inputs
from workers.stepping.contracts import takes_named_arguments
from workers.stepping.fiber import own_containers


def arguments_for(pipeline: Any, device: str = "cpu") -> Callable[[OmniDiffusionRequest], dict[str, Any]]:
    """A function that makes the call arguments of a request for this pipeline.

    Seeds become generators on `device`. An argument that the pipeline does not take is refused by name. A pipeline
    that is given the request itself gets only arguments given as such.
    """
    if not takes_named_arguments(pipeline):
        return lambda request: _own(request.arguments or {})
    names = set(inspect.signature(type(pipeline).__call__).parameters) - {"self"}
    inputs = USUAL | picture_inputs(type(pipeline).__call__, has_ip_adapter=True)

    def arguments_of(request: OmniDiffusionRequest) -> dict[str, Any]:
        if request.arguments is not None:
            return _own(request.arguments)
        given = _pictures(request, inputs) | _given(request, device)
        unknown = [name for name in given if name not in names]
        if unknown:
            raise InvalidRequest(
                f"`{unknown[0]}` is not a parameter of {type(pipeline).__name__}.",
                field=unknown[0],
                value=given[unknown[0]],
                remedy=nearest(unknown[0], names),
            )
        return given

    return arguments_of


def _own(arguments: Mapping[str, Any]) -> dict[str, Any]:
    # Pipelines write into the dicts and lists they are given.
    return {name: own_containers(value) for name, value in arguments.items()}


def _pictures(request: OmniDiffusionRequest, inputs: Mapping[str, PictureInput]) -> dict[str, Any]:
    """The request's pictures under the call's names; a list where several are given or lists are expected."""
    masks = () if request.mask is None else (request.mask,)
    given: dict[str, Any] = {}
    for name, pictures in {"images": request.images, "mask": masks, **request.inputs}.items():
        target = inputs.get(name, PictureInput(name))
        if pictures:
            given[target.argument] = list(pictures) if target.listed or len(pictures) > 1 else pictures[0]
    return given


def _given(request: OmniDiffusionRequest, device: str) -> dict[str, Any]:
    params = request.sampling_params
    given: dict[str, Any] = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
    if params.generator is not None:
        given["generator"] = params.generator
    elif params.seed is not None:
        given["generator"] = torch.Generator(device).manual_seed(params.seed)
    given = {name: value for name, value in given.items() if value is not None}
    return given | params.to_arguments()
