"""Every autoencoder whose tiles are shared out gives the very picture of its own tiled decode."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from benchmarks.zoo.components import build_component
from workers.parallel.tiles import TILED, answered, compute, noted, owners_of

#: Latents of several tiles, by component of the zoo; clips have two frames of latents.
LATENTS = {
    "AutoencoderDC": (1, 4, 24, 16),
    "AutoencoderKL": (2, 4, 40, 32),
    "AutoencoderKLFlux2": (1, 4, 2048, 16),
    "AutoencoderKLHunyuanImage": (1, 4, 12, 8),
    "AutoencoderKLHunyuanVideo": (1, 4, 2, 8, 4),
    "AutoencoderKLLTXVideo": (1, 8, 2, 12, 8),
    "AutoencoderKLQwenImage": (1, 4, 1, 12, 8),
    "AutoencoderKLWan": (1, 16, 2, 8, 4),
    "AutoencoderKLWan/2.2": (1, 48, 2, 4, 2),
}
#: What `enable_tiling` is asked for, where it can be: tiles of 32 pixels a side.
SMALL = {
    "tile_sample_min_size": 32,
    "tile_sample_min_height": 32,
    "tile_sample_min_width": 32,
    "tile_sample_stride_height": 24,
    "tile_sample_stride_width": 24,
}


@torch.no_grad()
@pytest.mark.parametrize("component", LATENTS)
def test_tiles_computed_in_any_order_give_the_same_picture(component: str) -> None:
    vae, latents = tiling(component), torch.randn(LATENTS[component], generator=torch.Generator().manual_seed(0))
    expected = decode(vae, latents)
    given = latents.clone()
    calls = noted(vae.decoder, lambda: decode(vae, given))
    owners = owners_of(calls, 3)
    assert len(set(owners)) == 3
    computed: dict[int, torch.Tensor] = {}
    for rank in (2, 0, 1):
        mine = [index for index, owner in enumerate(owners) if owner == rank]
        computed |= compute(vae.decoder, calls, mine)
    tiles = [computed[index] for index in range(len(calls))]
    assert torch.equal(answered(vae.decoder, tiles, lambda: decode(vae, given)), expected)
    assert torch.equal(given, latents)
    assert "forward" not in vars(vae.decoder)


def test_every_class_is_tested() -> None:
    assert {component.partition("/")[0] for component in LATENTS} == set(TILED)


def tiling(component: str) -> Any:
    vae = build_component(component)
    taken = inspect.signature(vae.enable_tiling).parameters
    vae.enable_tiling(**{name: value for name, value in SMALL.items() if name in taken})
    return vae


def decode(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    taken = inspect.signature(vae.tiled_decode).parameters
    picture: torch.Tensor = vae.tiled_decode(latents, **({"temb": None} if "temb" in taken else {}))[0]
    return picture
