"""Weights that stay in host memory and come to the device when they are used, by model, layer or group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from accelerate.hooks import UserCpuOffloadHook

from workers.acceleration.options import OFFLOADS
from workers.acceleration.parts import Parts
from workers.acceleration.refusal import refused

#: What `offload = "group"` means: a layer's weights travel while the layer before it computes.
GROUP = {"offload_type": "leaf_level", "use_stream": True}


def offload(parts: Parts, options: Mapping[str, Any], device: torch.device | None = None) -> None:
    """Offload the whole pipeline to host memory. `device` is where it runs: the first GPU unless told.

    Raises:
        Misconfigured: no such kind, or no device to offload from.
    """
    kind = options.get("type", "group")
    if kind not in OFFLOADS:
        raise refused("offload", kind, "there is no such kind.", f"Use one of {', '.join(OFFLOADS)}.")
    if device is None and not torch.cuda.is_available():
        raise refused("offload", kind, "there is no GPU: weights already lie where they would be put.")
    device = device or torch.device("cuda")
    match kind:
        case "model":
            parts.pipeline.enable_model_cpu_offload(device=device)
            keep_one_on_device(parts.pipeline._all_hooks)
        case "sequential":
            parts.pipeline.enable_sequential_cpu_offload(device=device)
        case "group":
            arguments = {**GROUP, **{name: value for name, value in options.items() if name != "type"}}
            parts.pipeline.enable_group_offload(onload_device=device, **arguments)


class EveryOther(UserCpuOffloadHook):  # type: ignore[misc]
    """Stands where accelerate keeps the hook of the model before, and offloads whatever other model is there."""

    def __init__(self, mine: UserCpuOffloadHook, hooks: list[UserCpuOffloadHook]) -> None:
        self._others = [hook for hook in hooks if hook is not mine]
        self._last = mine

    @property
    def model(self) -> Any:
        """Another model that is on the device, if there is one; accelerate asks where its weights lie."""
        moved = (hook for hook in self._others if next(hook.model.parameters()).device.type != "cpu")
        return next(moved, self._others[0] if self._others else self._last).model

    def offload(self) -> None:
        """Move every other model to host memory."""
        for hook in self._others:
            if next(hook.model.parameters()).device.type != "cpu":
                hook.offload()


def keep_one_on_device(hooks: list[UserCpuOffloadHook]) -> None:
    """Let each model's hook offload all others.

    diffusers' chain assumes that models run in one order, once a call. Here the calls of many requests interleave,
    and the chain would leave several models on the device.
    """
    for hook in hooks:
        hook.hook.prev_module_hook = EveryOther(hook, hooks)
