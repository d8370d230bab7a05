"""Trains the decoder of the demo model's autoencoder on the fixed latents, on one CPU core.

    python -m workers.shapes.decoder --folder /tmp/shapes --minutes 12

It can be trained beside the transformer, on noisy latents of exact pictures. A last stretch with `--drawn-by` a
trained transformer's folder teaches it to decode what that draws as faithfully as the exact linear inverse does.
The shipped one took 85 minutes on what was left of a core, 13 of such a stretch, and 60 more (`--start-from`) with
a second residual block a level, which halved its loss.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn.utils import parametrize

from workers.shapes.data import SceneSource
from workers.shapes.drawn import DrawnLatents
from workers.shapes.encoder import write_encoder
from workers.shapes.judge import judge
from workers.shapes.latents import PatchBasis, fit_basis
from workers.shapes.models import build_tokenizer, build_vae
from workers.shapes.scene import draw_jitter, held_out_scenes, render

BATCH = 16
LEARNING_RATE = 2e-3
NOISE = 0.1
# With a transformer, this share of the batches is what it draws, with less noise.
DRAWN_SHARE, DRAWN_NOISE = 0.7, 0.03
DECAY_FROM = 0.6
REPORT_SECONDS = 60.0


class Folded(nn.Module):
    """Keeps a convolution's kernel (out, in, high, wide) as the matrix that Muon needs."""

    def __init__(self, kernel: Tensor) -> None:
        super().__init__()
        self.out, self.into, self.high, self.wide = kernel.shape

    def forward(self, matrix: Tensor) -> Tensor:
        """The kernel, channels last in memory, of a matrix (out, high * wide * in)."""
        return matrix.view(self.out, self.high, self.wide, self.into).permute(0, 3, 1, 2)

    def right_inverse(self, kernel: Tensor) -> Tensor:
        """The matrix of a kernel."""
        return kernel.permute(0, 2, 3, 1).reshape(self.out, -1)


def optimizers_of(decoder: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the kernels, which become matrices, and AdamW for the rest."""
    for module in [module for module in decoder.modules() if isinstance(module, nn.Conv2d)]:
        parametrize.register_parametrization(module, "weight", Folded(module.weight))
    matrices = [parameter for parameter in decoder.parameters() if parameter.ndim == 2]
    rest = [parameter for parameter in decoder.parameters() if parameter.ndim != 2]
    return [
        torch.optim.Muon(matrices, lr=LEARNING_RATE, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=LEARNING_RATE, weight_decay=0.0),
    ]


def save(vae: Any, folder: Path) -> None:
    """Save a copy with plain kernels under `folder/vae`."""
    plain = build_vae()
    state = {
        name.replace("parametrizations.weight.original", "weight"): value
        for name, value in vae.state_dict().items()
    }
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    for name, value in state.items():
        if value.shape != shapes[name]:
            out, into, high, wide = shapes[name]
            state[name] = value.view(out, high, wide, into).permute(0, 3, 1, 2)
    plain.load_state_dict(state)
    plain.save_pretrained(folder / "vae")


def decoder_loss(vae: Any, decode: Any, basis: PatchBasis, batch: tuple[Tensor, Tensor], noise: float) -> Tensor:
    """Error against the linear inverse, weighted, for latents (batch, 12, 16, 16) with noise of up to `noise`."""
    latents, weights = batch
    pictures = basis.decode(latents).clamp(-1, 1).permute(0, 3, 1, 2)
    noised = latents + noise * torch.rand(latents.shape[0], 1, 1, 1) * torch.randn_like(latents)
    error: Tensor = (decode(vae.post_quant_conv(noised)) - pictures).abs()
    weighted: Tensor = weights * (error + error.square())
    return weighted.mean()


@torch.no_grad()
def reconstruction_share(vae: Any, count: int = 100) -> float:
    """Percent of held-out pictures that the judge still reads right after encoding and decoding."""
    random = np.random.default_rng(3)
    scenes = [held_out_scenes()[index] for index in random.integers(len(held_out_scenes()), size=count)]
    pictures = np.stack([render(scene, draw_jitter(random)) for scene in scenes])
    values = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    decoded = vae.decode(vae.encode(values).latent_dist.mode()).sample
    rounded = ((decoded.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    right = [all(judge(picture).agrees(scene).values()) for picture, scene in zip(rounded, scenes, strict=True)]
    return 100 * float(np.mean(right))


@torch.no_grad()
def start(weights: Path | None) -> Any:
    """A new autoencoder, or that of `weights`; residual blocks which that does not have begin as the identity."""
    vae = build_vae()
    if weights is not None:
        saved = AutoencoderKL.from_pretrained(weights / "vae").state_dict()
        for name in vae.load_state_dict(saved, strict=False).missing_keys:
            if ".conv2." in name:
                vae.get_parameter(name).zero_()
    return vae


def train(folder: Path, minutes: float, seed: int, weights: Path | None, drawn_by: Path | None) -> None:
    """Train for that long, from those weights or from nothing, and save the autoencoder under `folder/vae`."""
    torch.manual_seed(seed)
    basis = fit_basis()
    source = SceneSource(build_tokenizer(), basis, seed)
    vae = start(weights)
    write_encoder(vae, basis)
    vae.requires_grad_(False)
    vae.decoder.requires_grad_(True)
    vae.to(memory_format=torch.channels_last)
    optimizers = optimizers_of(vae.decoder)
    drawn = DrawnLatents(drawn_by, source) if drawn_by else None
    decode = torch.compile(vae.decoder)
    started = reported = time.monotonic()
    step, losses = 0, []
    while (share_done := (time.monotonic() - started) / (minutes * 60)) < 1:
        if drawn is not None and float(torch.rand(())) < DRAWN_SHARE:
            loss = decoder_loss(vae, decode, basis, drawn.take(BATCH), DRAWN_NOISE)
        else:
            pictures, pixel_weights = source.pictures(BATCH)
            loss = decoder_loss(vae, decode, basis, (basis.encode(pictures), pixel_weights), NOISE)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(vae.decoder.parameters(), 1.0)
        factor = max(0.01, min(1.0, (1 - share_done) / (1 - DECAY_FROM), (step + 1) / 50))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        losses.append(float(loss.detach()))
        if time.monotonic() - reported > REPORT_SECONDS:
            share = reconstruction_share(vae)
            print(
                f"{time.monotonic() - started:.0f} s, step {step}, loss {np.mean(losses):.4f}, right {share} %",
                flush=True,
            )
            reported, losses = time.monotonic(), []
            save(vae, folder)
    print("right", reconstruction_share(vae, 300), flush=True)
    save(vae, folder)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the autoencoder goes to its folder vae")
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drawn-by", type=Path, help="folder of the transformer's training run")
    parser.add_argument("--start-from", type=Path, help="a folder whose autoencoder to begin with, even this one")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.folder, arguments.minutes, arguments.seed, arguments.start_from, arguments.drawn_by)


if __name__ == "__main__":
    main()
