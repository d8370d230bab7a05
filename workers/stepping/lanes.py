"""Which lane a component's call belongs to: by component name, then by the library its class comes from."""

from __future__ import annotations

import re
from functools import cache

from torch import nn

from workers.engine.calls import Lane

#: Component names (of the last part of a dotted path), first match wins.
BY_NAME: tuple[tuple[re.Pattern[str], Lane], ...] = (
    (
        re.compile(
            r"^(transformer|unet|dit|controlnet|denoiser|prior$|decoder$|adapter|super_res|latent_upsampler|model$)"
        ),
        Lane.DENOISE,
    ),
    (re.compile(r"(safety_checker|watermark|vocoder|upsampler)"), Lane.DECODE),
    (re.compile(r"(encoder|text_proj|projection|tokenizer|normalizer|connector|processor)"), Lane.ENCODE),
)


def lane_of(component: str, module: nn.Module, method: str) -> Lane:
    """The lane of a call of `module`, which its pipeline knows as `component`."""
    return _lane_of(component, type(module).__module__, method)


@cache
def _lane_of(component: str, package: str, method: str) -> Lane:
    if method == "encode":
        return Lane.ENCODE
    if method == "decode":
        return Lane.DECODE
    name = component.rsplit(".", 1)[-1]
    for pattern, lane in BY_NAME:
        if pattern.search(name):
            return lane
    if ".autoencoders." in package:
        return Lane.DECODE
    return Lane.ENCODE if package.startswith("transformers.") else Lane.DENOISE
