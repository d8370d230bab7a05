"""Trains the decoder of the demo model's autoencoder on the fixed latents, on one CPU core.

    python -m workers.shapes.decoder --folder /tmp/shapes --minutes 12

It does not depend on the transformer and can be trained beside it. The latents it sees are noisy, so that it
also cleans what the transformer leaves.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from workers.shapes.data import SceneSource
from workers.shapes.encoder import write_encoder
from workers.shapes.judge import judge
from workers.shapes.latents import fit_basis
from workers.shapes.models import build_tokenizer, build_vae
from workers.shapes.scene import draw_jitter, held_out_scenes, render

BATCH = 16
LEARNING_RATE = 2e-3
NOISE = 0.2
DECAY_FROM = 0.6
REPORT_SECONDS = 60.0


def decoder_loss(vae: Any, decode: Any, pictures: Tensor, latents: Tensor) -> Tensor:
    """Absolute and squared error of pictures (batch, 3, 64, 64) decoded from noisy latents."""
    noise = NOISE * torch.rand(latents.shape[0], 1, 1, 1) * torch.randn_like(latents)
    decoded = decode(vae.post_quant_conv(latents + noise))
    return functional.l1_loss(decoded, pictures) + functional.mse_loss(decoded, pictures)


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


def train(folder: Path, minutes: float, seed: int) -> None:
    """Train for that long and save the whole autoencoder under `folder/vae`."""
    torch.manual_seed(seed)
    basis = fit_basis()
    source = SceneSource(build_tokenizer(), basis, seed)
    vae = build_vae()
    write_encoder(vae, basis)
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    vae.to(memory_format=torch.channels_last)
    decode = torch.compile(vae.decoder)
    optimizer = torch.optim.AdamW([p for p in vae.parameters() if p.requires_grad], lr=LEARNING_RATE)
    started = reported = time.monotonic()
    step, losses = 0, []
    while (share_done := (time.monotonic() - started) / (minutes * 60)) < 1:
        pictures = source.pictures(BATCH)
        loss = decoder_loss(vae, decode, pictures.permute(0, 3, 1, 2), basis.encode(pictures))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * max(0.01, min(1.0, (1 - share_done) / (1 - DECAY_FROM), (step + 1) / 50))
        optimizer.step()
        step += 1
        losses.append(float(loss.detach()))
        if time.monotonic() - reported > REPORT_SECONDS:
            share = reconstruction_share(vae)
            print(
                f"{time.monotonic() - started:.0f} s, step {step}, loss {np.mean(losses):.4f}, right {share} %",
                flush=True,
            )
            reported, losses = time.monotonic(), []
            vae.save_pretrained(folder / "vae")
    print("right", reconstruction_share(vae, 300), flush=True)
    vae.save_pretrained(folder / "vae")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the autoencoder goes to its folder vae")
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train(arguments.folder, arguments.minutes, arguments.seed)


if __name__ == "__main__":
    main()
