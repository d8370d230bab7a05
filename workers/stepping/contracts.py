"""The three shapes of pipeline that run in a fiber, and how each is called. Used by the runner and by `arguments`.

A diffusers pipeline is called; one that steps natively is driven by its four methods; one of vLLM-Omni's contract
(`forward(req, ...) -> DiffusionOutput`) is given the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from diffusers import DiffusionPipeline

from omni_jobs.errors import Misconfigured
from workers.engine.request import OmniDiffusionRequest
from workers.stepping.protocol import DiffusionRequestState, drive, supports_step_execution


class Contract(StrEnum):
    """How a pipeline is run."""

    CALL = "call"
    STEPS = "steps"
    FORWARD = "forward"


def contract_of(pipeline: Any) -> Contract:
    """The contract that a loaded pipeline keeps.

    Raises:
        Misconfigured: none of the three.
    """
    if supports_step_execution(pipeline):
        return Contract.STEPS
    if isinstance(pipeline, DiffusionPipeline):
        return Contract.CALL
    if callable(getattr(pipeline, "forward", None)):
        return Contract.FORWARD
    if callable(pipeline):
        return Contract.CALL
    raise Misconfigured(
        f"{type(pipeline).__name__} can be neither called, stepped nor given a request.",
        field="pipeline",
        remedy="Give a diffusers pipeline, or a class with `forward(req) -> DiffusionOutput`.",
    )


def takes_named_arguments(pipeline: Any) -> bool:
    """Whether a request becomes keyword arguments by the names of the pipeline's `__call__`."""
    return contract_of(pipeline) is Contract.CALL or isinstance(pipeline, DiffusionPipeline)


def run_of(clone: Any, request: OmniDiffusionRequest, arguments: Mapping[str, Any]) -> Callable[[], Any]:
    """What the fiber of this request runs: a pipeline's output, or a DiffusionOutput."""
    match contract_of(clone):
        case Contract.STEPS:
            return lambda: drive(clone, state_of(request, arguments), **arguments)
        case Contract.FORWARD:
            return lambda: clone.forward(request, **arguments)
        case Contract.CALL:
            return lambda: clone(**arguments)


def state_of(request: OmniDiffusionRequest, arguments: Mapping[str, Any]) -> DiffusionRequestState:
    """A request's state before its first step; the call's arguments win over the request, as in a plain call."""
    return DiffusionRequestState(
        request_id=request.request_id,
        sampling=request.sampling_params,
        prompt=arguments.get("prompt", request.prompt),
        negative_prompt=arguments.get("negative_prompt", request.negative_prompt),
    )
