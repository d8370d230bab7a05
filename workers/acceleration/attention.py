"""The attention back end of a model's denoisers, by diffusers' names, tried before it is trusted."""

from __future__ import annotations

import torch
from diffusers.models import attention_dispatch
from diffusers.models.attention_dispatch import AttentionBackendName

from workers.acceleration.parts import Parts
from workers.acceleration.refusal import refused


def set_attention(parts: Parts, name: str) -> None:
    """Set the back end on every denoiser's attention, and on no other model's.

    Raises:
        Misconfigured: this machine or these models cannot use it.
        ValueError, RuntimeError: diffusers does not know it, or a package is missing.
    """
    processors = [
        part.processor
        for module in parts.denoisers.values()
        for part in module.modules()
        if hasattr(getattr(part, "processor", None), "_attention_backend")
    ]
    if not processors:
        kinds = ", ".join(sorted({type(module).__name__ for module in parts.denoisers.values()}))
        raise refused("attention_backend", name, f"the attention of {kinds} takes no back end.")
    before = [processor._attention_backend for processor in processors]
    registry = attention_dispatch._AttentionBackendRegistry
    active = registry.get_active_backend()[0]
    try:
        for module in parts.denoisers.values():
            if callable(getattr(module, "set_attention_backend", None)):
                module.set_attention_backend(name)
        _try(name, parts)
    except BaseException:
        for processor, backend in zip(processors, before, strict=True):
            processor._attention_backend = backend
        raise
    finally:
        # diffusers makes the last one set the default of the whole process: of the next model, too.
        registry.set_active_backend(active)


def _try(name: str, parts: Parts) -> None:
    """Run it once on the model's device and dtype: some back ends fail only when they are used."""
    dtype = parts.dtype_of(next(iter(parts.denoisers.values())))
    shape = (1, 128, 2, 64)  # rows, tokens, heads, channels of a head
    query, key, value = (torch.randn(shape, device=parts.device, dtype=dtype) for _ in range(3))
    with torch.no_grad():
        attention_dispatch.dispatch_attention_fn(query, key, value, backend=AttentionBackendName(name))
