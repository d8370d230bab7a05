"""Writes the fixed latent space into the encoder of a stock `AutoencoderKL`, exactly and without training.

The encoder becomes a linear map: residual branches are silent, the two strided convolutions fold 4x4 pixels and
apply the basis, and the last norm and SiLU, which cannot be left out, are made to act as the identity.
"""

from __future__ import annotations

from typing import Any

import torch

from workers.shapes.latents import CHANNELS, PatchBasis

# The last norm sees, per group of six channels, two latents, their negatives and +-BALLAST: the mean is zero and
# the variance is one that latents of order 1 cannot move, so that it divides by a constant.
BALLAST = 300.0
GROUP_WIDTH = 6
# Added before SiLU, where it is the identity to 1e-6 for latents above -16, and taken off after it.
LIFT = 32.0
LOG_VARIANCE = -30.0


@torch.no_grad()
def write_encoder(vae: Any, basis: PatchBasis) -> None:
    """Set the encoder of an `AutoencoderKL` as `models.build_vae` makes it (blocks 16, 32, 48; 8 groups)."""
    encoder = vae.encoder
    blocks = [block for stage in encoder.down_blocks for block in stage.resnets]
    for block in (*blocks, *encoder.mid_block.resnets):
        _silence(block)
    _pass_through(encoder.conv_in, 3)
    _write_folds(encoder, basis)
    _write_spread(encoder.down_blocks[2].resnets[0].conv_shortcut)
    _write_head(encoder)
    _clear(vae.quant_conv)
    for channel in range(CHANNELS):
        vae.quant_conv.weight[channel, channel, 0, 0] = 1.0
    vae.quant_conv.bias[CHANNELS:] = LOG_VARIANCE


def _clear(convolution: Any) -> None:
    convolution.weight.zero_()
    if convolution.bias is not None:
        convolution.bias.zero_()


def _pass_through(convolution: Any, channels: int) -> None:
    """Copy the first `channels` channels and nothing else."""
    _clear(convolution)
    middle = convolution.kernel_size[0] // 2
    for channel in range(channels):
        convolution.weight[channel, channel, middle, middle] = 1.0


def _silence(block: Any) -> None:
    """Make a residual block the identity on the channels it takes in."""
    _clear(block.conv2)
    if block.conv_shortcut is not None:
        _pass_through(block.conv_shortcut, block.in_channels)


def _write_folds(encoder: Any, basis: PatchBasis) -> None:
    """The first strided convolution folds 2x2 pixels into 12 channels, the second 2x2 of those to latents."""
    first, second = (encoder.down_blocks[stage].downsamplers[0].conv for stage in (0, 1))
    _clear(first)
    _clear(second)
    # Patch pixels are (outer row, inner row, outer column, inner column, colour).
    analysis = basis.analysis.view(2, 2, 2, 2, 3, CHANNELS)
    for row, column, colour in (
        (row, column, colour) for row in (0, 1) for column in (0, 1) for colour in range(3)
    ):
        channel = (row * 2 + column) * 3 + colour
        first.weight[channel, colour, row, column] = 1.0
        second.weight[:CHANNELS, channel, :2, :2] = analysis[:, row, :, column, colour].permute(2, 0, 1)
    second.bias[:CHANNELS] = -(basis.mean @ basis.analysis)


def _slot(channel: int) -> int:
    """Where the last norm sees a latent channel: two to a group."""
    return channel // 2 * GROUP_WIDTH + channel % 2


def _write_spread(convolution: Any) -> None:
    """Lay out each group as two latents, their negatives, and the ballast."""
    _clear(convolution)
    for channel in range(CHANNELS):
        convolution.weight[_slot(channel), channel] = 1.0
        convolution.weight[_slot(channel) + 2, channel] = -1.0
    for group in range(CHANNELS // 2):
        convolution.bias[group * GROUP_WIDTH + 4] = BALLAST
        convolution.bias[group * GROUP_WIDTH + 5] = -BALLAST


def _write_head(encoder: Any) -> None:
    """Undo the norm's division, lift the latents over the bend of SiLU, and gather them."""
    encoder.conv_norm_out.weight.fill_(BALLAST * (2 / GROUP_WIDTH) ** 0.5)
    encoder.conv_norm_out.bias.fill_(LIFT)
    _clear(encoder.conv_out)
    for channel in range(CHANNELS):
        encoder.conv_out.weight[channel, _slot(channel), 1, 1] = 1.0
        encoder.conv_out.bias[channel] = -LIFT
