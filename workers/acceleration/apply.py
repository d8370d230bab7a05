"""Puts the options of `acceleration` to work on a loaded pipeline, in the order in which they build on each other.

The loader calls `accelerate` once for a pipeline, before anything runs on it. What the model or the machine cannot
serve is refused there, so a worker that starts serves what its row says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from omni_jobs.errors import Misconfigured
from workers.acceleration.attention import set_attention
from workers.acceleration.compiling import compile_blocks
from workers.acceleration.graphs import graph_forwards
from workers.acceleration.hook_caches import enable_hook_cache
from workers.acceleration.offloading import offload
from workers.acceleration.options import accelerations
from workers.acceleration.parts import Parts
from workers.acceleration.refusal import refused, refusing
from workers.engine.config import OmniDiffusionConfig
from workers.stepping.cache_config import is_hooked

#: The pipeline's attribute that holds what has been applied to it.
MARK = "_omni_acceleration"


def accelerated(pipeline: Any, od_config: OmniDiffusionConfig, device: torch.device | None = None) -> Any:
    """The loaded pipeline with its configuration's options applied: to the pipeline inside, if it is an adapter.

    Raises:
        Misconfigured: see `accelerate`.
    """
    inner = getattr(pipeline, "pipeline", pipeline)
    backend, config = od_config.cache_backend, od_config.cache_config
    hooked = backend if is_hooked(backend, config) else None
    if hooked and od_config.acceleration.get("cuda_graphs"):
        raise refused("cuda_graphs", True, f"a graph would repeat what {hooked} decided when it was recorded.")
    accelerate(inner, od_config.acceleration, device)
    if hooked:
        enable_hook_cache(inner, hooked, config)
    return pipeline


def accelerate(pipeline: Any, options: Mapping[str, Any], device: torch.device | None = None) -> None:
    """Apply these options to a pipeline, which they change. Done once: the same options again are no work.

    `device` is where it will run, if it is not there already.

    Raises:
        Misconfigured: the model or the machine cannot serve one of them, or other ones were applied before.
    """
    wanted = accelerations(options)
    applied = vars(pipeline).get(MARK, {})
    if wanted == applied:
        return
    if applied:
        raise Misconfigured(
            "`acceleration`: this pipeline was accelerated otherwise before.",
            field="acceleration",
            value=dict(options),
            remedy="Load it anew.",
        )
    parts = Parts(pipeline, device)
    for name, apply in STAGES:
        if name in wanted:
            with refusing(name, options[name]):
                apply(parts, wanted[name])
    vars(pipeline)[MARK] = wanted


def moves_itself(options: Mapping[str, Any]) -> bool:
    """Whether the pipeline finds its device by itself, so that the loader must leave it where it is."""
    return "offload" in accelerations(options)


def cast_layers(parts: Parts, name: str) -> None:
    """Keep the denoisers' weights in a smaller dtype and cast each layer's while it runs."""
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise refused("layerwise_casting", name, "torch has no such dtype.", "Use float8_e4m3fn.")
    for module in parts.denoisers.values():
        if not hasattr(module, "enable_layerwise_casting"):
            raise refused("layerwise_casting", name, f"{type(module).__name__} is no model of diffusers.")
        module.enable_layerwise_casting(storage_dtype=dtype, compute_dtype=parts.dtype_of(module))


def check_quantized(parts: Parts, value: Any) -> None:
    """Weights are quantized while they load; a pipeline that was loaded elsewhere must be so already."""
    if not any(getattr(module, "hf_quantizer", None) is not None for module in parts.modules.values()):
        raise refused("quantization", dict(value), "the pipeline was not loaded here.", "Load it quantized.")


def slice_vae(parts: Parts, _value: Any) -> None:
    """Decode the pictures of a batch one by one: less memory."""
    for vae in parts.vaes("use_slicing"):
        vae.enable_slicing()


def tile_vae(parts: Parts, _value: Any) -> None:
    """Decode large pictures in overlapping tiles: less memory, and seams that are blended."""
    for vae in parts.vaes("use_tiling"):
        vae.enable_tiling()


def put_channels_last(parts: Parts, value: Any) -> None:
    """Lay out the weights of two-dimensional convolutions as the device's convolutions like them."""
    modules: list[Any] = [module for module in parts.modules.values() if _convolves(module)]
    if not modules:
        raise refused("channels_last", value, "nothing in it has two-dimensional convolutions.")
    for module in modules:
        module.to(memory_format=torch.channels_last)


def _convolves(module: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv2d) for part in module.modules())


#: What each option does, in order: weights first, then where they lie, then how forwards run.
STAGES: tuple[tuple[str, Callable[[Parts, Any], None]], ...] = (
    ("quantization", check_quantized),
    ("layerwise_casting", cast_layers),
    ("channels_last", put_channels_last),
    ("attention_backend", set_attention),
    ("vae_slicing", slice_vae),
    ("vae_tiling", tile_vae),
    ("offload", offload),
    ("compile", compile_blocks),
    ("cuda_graphs", graph_forwards),
)
