"""A small picture of a latent without its VAE: a linear map from latent channels to red, green and blue.

The map is fitted once per loaded VAE, on what the VAE makes of a few small random latents; a preview costs a
matrix product. Used by `preview`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

#: Components that turn latents into pictures, by the last part of their name, best first.
DECODERS = ("vae", "movq", "vqgan", "vqvae")
#: Longest side of a preview, pixels.
GREATEST_SIDE = 256
#: Side of the random latents of a fit; each has 4 x 4 flat patches, since decoders blur what is smaller.
FIT_SIDE = 8
FIT_PATCHES = 4
#: How far a packed latent's sides may be from the request's ratio, as a factor.
RATIO_SLACK = 1.4


class LatentColors:
    """The map of one pipeline. Without a VAE, three channels are colours and any other number is grey."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        decoder = _decoder(modules)
        self.channels = _channels(decoder)
        self._map = None if decoder is None or self.channels is None else _fit(decoder, self.channels)

    @torch.no_grad()
    def paint(self, latent: torch.Tensor, ratio: float) -> torch.Tensor | None:
        """A picture (height, width, 3), uint8, of a latent (1, ...); None if its layout is not known.

        Args:
            latent: (1, c, h, w), (1, c, f, h, w), (1, f, c, h, w) or packed (1, h w, c) or (1, h w / 4, 4 c); of
                frames the middle one is painted.
            ratio: height by width of the request, which tells packed latents their sides.
        """
        plane = _plane(latent, self.channels, ratio)
        if plane is None:
            return None
        factor = math.ceil(max(plane.shape[1:]) / GREATEST_SIDE)
        plane = functional.avg_pool2d(plane, factor) if factor > 1 else plane
        colors = self._colors(plane.permute(1, 2, 0).float())
        return ((colors.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()

    def _colors(self, pixels: torch.Tensor) -> torch.Tensor:
        """(h, w, c) to (h, w, 3) in [-1, 1]."""
        if self._map is not None and pixels.shape[-1] == self.channels:
            known = self._map.to(pixels)
            return pixels @ known[:-1] + known[-1]
        if pixels.shape[-1] == 3:
            return pixels
        return (pixels.mean(dim=-1, keepdim=True) * math.sqrt(pixels.shape[-1]) / 2).expand(-1, -1, 3)


def _decoder(modules: Mapping[str, nn.Module]) -> nn.Module | None:
    for name in DECODERS:
        for path, module in modules.items():
            if path.rsplit(".", 1)[-1] == name and callable(getattr(module, "decode", None)):
                return module
    return None


def _channels(decoder: nn.Module | None) -> int | None:
    config: Any = getattr(decoder, "config", None) or {}
    found = config.get("latent_channels") or config.get("z_dim")
    return int(found) if isinstance(found, int) else None


@torch.no_grad()
def _fit(decoder: nn.Module, channels: int) -> torch.Tensor | None:
    """The least-squares map (channels + 1, 3), the constant last; None if the decoder wants other latents."""
    generator = torch.Generator().manual_seed(0)
    count = max(8, channels // 4)
    patches = torch.randn(count, channels, FIT_PATCHES, FIT_PATCHES, generator=generator)
    repeats = FIT_SIDE // FIT_PATCHES
    latents = patches.repeat_interleave(repeats, -1).repeat_interleave(repeats, -2)
    weight = next(decoder.parameters())
    given = _as_decoder_wants(latents, decoder).to(weight)
    if any(isinstance(part, nn.Conv3d) for part in decoder.modules()):
        given = given.unsqueeze(2)
    with torch.random.fork_rng(devices=[]):
        try:
            pictures = decoder.decode(given, return_dict=False)[0]  # type: ignore[operator]
        except (RuntimeError, ValueError, TypeError):  # not a decoder of plain latents: grey will do
            return None
    pictures = pictures[:, :, 0] if pictures.ndim == 5 else pictures
    if pictures.ndim != 4 or pictures.shape[0] != count or pictures.shape[1] < 3:
        return None
    colors = functional.adaptive_avg_pool2d(pictures[:, :3].float().cpu(), FIT_SIDE)
    knowns = latents.permute(0, 2, 3, 1).reshape(-1, channels)
    knowns = torch.cat([knowns, torch.ones(len(knowns), 1)], dim=1)
    solution: torch.Tensor = torch.linalg.lstsq(knowns, colors.permute(0, 2, 3, 1).reshape(-1, 3)).solution
    return solution


def _as_decoder_wants(latents: torch.Tensor, decoder: nn.Module) -> torch.Tensor:
    """From the denoiser's scale to the decoder's, as pipelines do before they decode."""
    config: Any = getattr(decoder, "config", None) or {}
    mean, std = config.get("latents_mean"), config.get("latents_std")
    scale, shift = config.get("scaling_factor") or 1.0, config.get("shift_factor") or 0.0
    if mean is not None and std is not None and len(mean) == latents.shape[1]:
        shape = (1, -1, 1, 1)
        return latents * torch.tensor(std).view(shape) / scale + torch.tensor(mean).view(shape)
    return latents / scale + shift


def _plane(latent: torch.Tensor, channels: int | None, ratio: float) -> torch.Tensor | None:
    """One frame (c, h, w) of a latent."""
    if latent.ndim == 4:
        return latent[0]
    if latent.ndim == 5:
        frames_first = channels is not None and latent.shape[2] == channels != latent.shape[1]
        video = latent[0] if frames_first else latent[0].transpose(0, 1)
        return video[len(video) // 2]
    if latent.ndim != 3 or channels is None or latent.shape[2] not in (channels, 4 * channels):
        return None
    sides = _sides(latent.shape[1], ratio)
    if sides is None:
        return None
    height, width = sides
    if latent.shape[2] == channels:
        return latent[0].reshape(height, width, channels).permute(2, 0, 1)
    blocks = latent[0].reshape(height, width, channels, 2, 2).permute(2, 0, 3, 1, 4)
    return blocks.reshape(channels, 2 * height, 2 * width)


def _sides(tokens: int, ratio: float) -> tuple[int, int] | None:
    """Height and width whose product is `tokens` and whose ratio is nearest to the request's."""
    pairs = [(height, tokens // height) for height in range(1, tokens + 1) if tokens % height == 0]
    off, best = min((abs(math.log(height / width / ratio)), (height, width)) for height, width in pairs)
    return best if off <= math.log(RATIO_SLACK) else None
