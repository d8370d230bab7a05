"""A quick look at a half-trained model, through the stock pipeline but without a decoder.

Pictures come from the latents by the linear inverse of the basis, so that training can be judged before (and
apart from) the decoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import FluxKontextPipeline

from workers.shapes.captions import write_instruction, write_prompt
from workers.shapes.judge import judge
from workers.shapes.latents import PatchBasis, unpack
from workers.shapes.models import TEXT_TOKENS, build_scheduler, build_tokenizer, build_vae
from workers.shapes.scene import ATTRIBUTES, Picture, Scene, draw_jitter, held_out_scenes, render, training_scenes

PROBES = 48
STEPS = 8


def pipeline_of(trainee: Any, vae: Any | None = None) -> FluxKontextPipeline:
    """The stock pipeline around the networks of a `Trainee`."""
    tokenizer = build_tokenizer()
    pipeline = FluxKontextPipeline(
        scheduler=build_scheduler(),
        vae=vae or build_vae(),
        text_encoder=trainee.clip,
        tokenizer=tokenizer,
        text_encoder_2=trainee.t5,
        tokenizer_2=build_tokenizer(),
        transformer=trainee.transformer,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _draw(pipeline: FluxKontextPipeline, basis: PatchBasis, prompts: list[str], **extra: Any) -> Picture:
    generator = torch.Generator().manual_seed(7)
    tokens = pipeline(
        prompt=prompts,
        height=64,
        width=64,
        max_area=64 * 64,
        num_inference_steps=STEPS,
        max_sequence_length=TEXT_TOKENS,
        generator=generator,
        output_type="latent",
        **extra,
    ).images
    pictures = (basis.decode(unpack(tokens)).clamp(-1, 1) + 1) * 127.5
    return np.asarray(pictures.round().byte().numpy())


def _score(pictures: Picture, scenes: list[Scene]) -> str:
    marks = [judge(picture).agrees(scene) for picture, scene in zip(pictures, scenes, strict=True)]
    shares = [100 * float(np.mean([mark[name] for mark in marks])) for name in ATTRIBUTES]
    everything = 100 * float(np.mean([all(mark.values()) for mark in marks]))
    return "/".join(f"{share:.0f}" for share in (*shares, everything))


@torch.no_grad()
def probe(trainee: Any, basis: PatchBasis) -> str:
    """Percent right in shape/colour/position/background/all, for held-out prompts and for each kind of edit."""
    random = np.random.default_rng(11)
    pipeline = pipeline_of(trainee)
    targets = [held_out_scenes()[index] for index in random.integers(len(held_out_scenes()), size=PROBES)]
    pictures = _draw(pipeline, basis, [write_prompt(scene, random) for scene in targets])
    report = [f"generate {_score(pictures, targets)}"]
    for attribute in ("colour", "position", "background"):
        wanted = targets[: PROBES // 2]
        sources = [_source_of(scene, attribute, random) for scene in wanted]
        references = np.stack([render(scene, draw_jitter(random)) for scene in sources])
        latents = basis.encode(torch.from_numpy(references).float() / 127.5 - 1)
        words = [write_instruction(scene, attribute, random) for scene in wanted]
        edited = _draw(pipeline, basis, words, image=latents, _auto_resize=False)
        report.append(f"{attribute} {_score(edited, wanted)}")
    return ", ".join(report)


def _source_of(target: Scene, attribute: str, random: np.random.Generator) -> Scene:
    sources = [scene for scene in training_scenes() if target.differences(scene) == (attribute,)]
    return sources[int(random.integers(len(sources)))]
