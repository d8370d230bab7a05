"""The fixed latent space of the demo model: principal components of 4x4 pixel patches.

An autoencoder trained for minutes blurs shapes and mixes colours, and caps everything after it; twelve
principal components of a 4x4 patch lose nothing the judge can see. `encoder.py` writes this linear map into an
unmodified `AutoencoderKL`, so that only the decoder has to be trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workers.shapes.scene import PICTURE_SIZE, draw_jitter, render, training_scenes

PATCH = 4
CHANNELS = 12
GRID = PICTURE_SIZE // PATCH
FIT_PICTURES = 3000
# Components are divided by std**0.75: edges, which tell the shapes apart, stay weaker than flat colour but are
# not drowned by noise.
WHITENING = 0.75


@dataclass(frozen=True)
class PatchBasis:
    """An affine map from flattened patches (48 values in [-1, 1], row, column, channel) to 12 latent channels."""

    mean: Tensor
    analysis: Tensor
    synthesis: Tensor

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents, float32 (batch, 12, 16, 16), of pictures, float32 (batch, 64, 64, 3) in [-1, 1]."""
        latents: Tensor = (patches_of(pictures) - self.mean) @ self.analysis
        return latents.permute(0, 3, 1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """The best linear reconstruction, float32 (batch, 64, 64, 3), of latents (batch, 12, 16, 16)."""
        patches: Tensor = latents.permute(0, 2, 3, 1) @ self.synthesis + self.mean
        pixels = patches.reshape(-1, GRID, GRID, PATCH, PATCH, 3).transpose(2, 3)
        return pixels.reshape(-1, PICTURE_SIZE, PICTURE_SIZE, 3)


def patches_of(pictures: Tensor) -> Tensor:
    """Flattened patches, (batch, 16, 16, 48), of pictures (batch, 64, 64, 3)."""
    return pictures.reshape(-1, GRID, PATCH, GRID, PATCH, 3).transpose(2, 3).flatten(3)


def fit_basis(seed: int = 0) -> PatchBasis:
    """The basis of training pictures; scaled so that the latents have unit variance."""
    random = np.random.default_rng(seed)
    scenes = training_scenes()
    chosen = random.integers(len(scenes), size=FIT_PICTURES)
    pictures = np.stack([render(scenes[index], draw_jitter(random)) for index in chosen])
    values = torch.from_numpy(pictures).float() / 127.5 - 1
    patches = patches_of(values).flatten(0, 2)
    mean = patches.mean(0)
    _, deviations, components = torch.linalg.svd(patches - mean, full_matrices=False)
    deviations = deviations[:CHANNELS] / patches.shape[0] ** 0.5
    scale = deviations**-WHITENING
    scale = scale / ((deviations * scale) ** 2).mean().sqrt()
    directions = components[:CHANNELS]
    return PatchBasis(mean, directions.T * scale, directions / scale[:, None])


def pack(latents: Tensor) -> Tensor:
    """Latents (batch, 12, 16, 16) as FLUX packs them: (batch, 64, 48)."""
    batch, channels, height, width = latents.shape
    blocks = latents.view(batch, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return blocks.reshape(batch, (height // 2) * (width // 2), channels * 4)


def unpack(tokens: Tensor) -> Tensor:
    """The inverse of `pack`."""
    batch, count, width = tokens.shape
    side = int(count**0.5)
    blocks = tokens.view(batch, side, side, width // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return blocks.reshape(batch, width // 4, side * 2, side * 2)
