"""An image prompt adapter, added by diffusers' own `load_ip_adapter` to a pipeline that the loader has just made.

A row names it under `weights_sources.ip_adapter`; a job then gives its picture as `inputs.ip_adapter_image`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers.loaders.ip_adapter import FluxIPAdapterMixin, IPAdapterMixin
from transformers import CLIPVisionModelWithProjection

from omni_jobs.errors import Misconfigured
from omni_jobs.schemas import nearest
from workers.components import component_dtype, load_component
from workers.engine.config import OmniDiffusionConfig
from workers.parallel.degrees import parallel_config

#: The entry of `weights_sources`, and what its table may hold.
ENTRY = "ip_adapter"
FIELD = f"weights_sources.{ENTRY}"
KEYS = ("source", "subfolder", "weight_name", "image_encoder", "scale")
#: Options of `parallel_config` that divide attention, of which the adapter's layers know nothing.
DIVIDING = ("tensor_parallel_size", "ulysses_degree", "ring_degree")


def add_ip_adapter(pipeline: Any, od_config: OmniDiffusionConfig) -> None:
    """Load the adapter that the configuration names, if any, and its image encoder if the pipeline has none.

    The encoder lies in the folder `image_encoder` beside the adapter's file, unless the table names another.

    Raises:
        Misconfigured: the pipeline takes no such adapter, or the adapter does not load.
    """
    given = od_config.weights_sources.get(ENTRY)
    if given is None:
        return
    table = {"source": given} if isinstance(given, str) else dict(given)
    _check(pipeline, table, od_config)
    source, _, revision = table["source"].partition("@")
    subfolder = table.get("subfolder", "")
    if getattr(pipeline, "image_encoder", None) is None:
        beside = {"source": table["source"], "subfolder": "/".join(filter(None, (subfolder, "image_encoder")))}
        dtype = component_dtype(od_config.dtype, "image_encoder")
        encoder = load_component(
            f"{ENTRY}.image_encoder", CLIPVisionModelWithProjection, table.get("image_encoder", beside), dtype
        )
        pipeline.register_modules(image_encoder=encoder)
    try:
        pipeline.load_ip_adapter(
            source, subfolder=subfolder, weight_name=table["weight_name"], revision=revision or None
        )
        pipeline.set_ip_adapter_scale(table.get("scale", 1.0))
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        raise Misconfigured(f"`{FIELD}`: {source} does not load: {reason}", field=FIELD, value=source) from error


def _check(pipeline: Any, table: Mapping[str, Any], od_config: OmniDiffusionConfig) -> None:
    for key in table.keys() - set(KEYS):
        raise Misconfigured(f"`{FIELD}.{key}` is not known.", field=FIELD, remedy=nearest(key, KEYS))
    if not isinstance(pipeline, IPAdapterMixin | FluxIPAdapterMixin):
        raise Misconfigured(
            f"`{FIELD}`: {type(pipeline).__name__} has no `load_ip_adapter` for an image encoder of CLIP.",
            field=FIELD,
            remedy="Leave it out.",
        )
    weights = table.get("weight_name")
    if not isinstance(table.get("source"), str) or not str(weights).endswith(".safetensors"):
        raise Misconfigured(
            f"`{FIELD}.weight_name`: {weights!r} is no safetensors file of a source.",
            field=FIELD,
            value=weights,
            remedy="Give `source`, a folder or hub id, and `weight_name`, a file in it.",
        )
    divided = [name for name in DIVIDING if name in parallel_config(od_config.parallel_config).asked]
    if divided:
        raise Misconfigured(
            f"`{FIELD}` and `parallel_config.{divided[0]}` exclude each other: its attention is not divided.",
            field=FIELD,
            remedy="Leave one of them out.",
        )
