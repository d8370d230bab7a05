"""Batches for training: latents, captions' tokens and loss weights, made from tables in milliseconds.

A pool of coverage masks (shape, jitter, position) is drawn once; a picture is a blend of two colours by a mask,
and its latents are one matrix product away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from workers.shapes.captions import write_instruction, write_prompt
from workers.shapes.latents import PatchBasis, pack
from workers.shapes.models import TEXT_TOKENS
from workers.shapes.scene import (
    CELL_PITCH,
    CENTRE,
    COLOURS,
    PALETTE,
    POSITIONS,
    SHAPES,
    Scene,
    draw_jitter,
    draw_mask,
    is_held_out,
    training_scenes,
)

JITTERS = 192
SHAPE_WEIGHT = 5.0
# The share of prompts drawn for a centred shape, which is what a prompt without a position means.
CENTRED_SHARE = 0.25
# Thin shapes are learned last; any other shape is drawn a second time by this share.
THIN_SHAPES = ("star", "cross", "ring")
REDRAWN_SHARE = 0.4
REFERENCE_NOISE = 0.15
# The instruction is drawn by this share; a move is the hardest to learn.
EDIT_SHARES = {"colour": 0.3, "position": 0.45, "background": 0.25}


@dataclass(frozen=True)
class Batch:
    """Latents are packed, float32 (batch, 64, 48); tokens int64 (batch, 16); weights (batch, 64, 1)."""

    target: Tensor
    reference: Tensor | None
    tokens: Tensor
    weights: Tensor


class SceneSource:
    """An endless, seeded supply of generation and edit batches of training scenes."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, basis: PatchBasis, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._tokenizer = tokenizer
        self._basis = basis
        self._masks = _mask_pool(np.random.default_rng(seed + 1))
        self._weights = _cell_weights()
        self._scenes = training_scenes()
        self._centred = tuple(scene for scene in self._scenes if scene.position == "center")
        self._palette = torch.tensor([PALETTE[name] for name in COLOURS]).float() / 127.5 - 1

    def pictures(self, count: int) -> tuple[Tensor, Tensor]:
        """Clean pictures, float32 (count, 64, 64, 3) in [-1, 1], and loss weights, (count, 1, 64, 64)."""
        scenes = [self._scene() for _ in range(count)]
        pictures, weights = self._paint(scenes, self._random.integers(JITTERS, size=count))
        return pictures, pixel_weights(weights)

    def generations(self, count: int) -> Batch:
        """Scenes with prompts that describe them."""
        scenes = [self._scene() for _ in range(count)]
        pictures, weights = self._paint(scenes, self._random.integers(JITTERS, size=count))
        prompts = [write_prompt(scene, self._random) for scene in scenes]
        return Batch(pack(self._basis.encode(pictures)), None, self._tokens(prompts), weights)

    def edits(self, count: int) -> Batch:
        """Pairs of scenes that differ in one attribute and share their jitter, with the instruction between."""
        pairs = [self._pair() for _ in range(count)]
        jitters = self._random.integers(JITTERS, size=count)
        before, old_weights = self._paint([pair[0] for pair in pairs], jitters)
        after, new_weights = self._paint([pair[1] for pair in pairs], jitters)
        instructions = [write_instruction(pair[1], pair[2], self._random) for pair in pairs]
        reference, target = pack(self._basis.encode(before)), pack(self._basis.encode(after))
        # A picture that the model drew is edited as well as an exact one.
        reference = reference + REFERENCE_NOISE * torch.rand(count, 1, 1) * torch.randn_like(reference)
        weights = torch.maximum(old_weights, new_weights)
        return Batch(target, reference, self._tokens(instructions), weights)

    def _scene(self) -> Scene:
        scenes = self._centred if self._random.random() < CENTRED_SHARE else self._scenes
        scene = scenes[int(self._random.integers(len(scenes)))]
        if scene.shape not in THIN_SHAPES and self._random.random() < REDRAWN_SHARE:
            scene = scenes[int(self._random.integers(len(scenes)))]
        return scene

    def _pair(self) -> tuple[Scene, Scene, str]:
        attribute = str(self._random.choice(list(EDIT_SHARES), p=list(EDIT_SHARES.values())))
        while True:
            before = self._scene()
            pair = (before, self._changed(before, attribute), attribute)
            if pair[0] != pair[1] and pair[1].colour != pair[1].background and not is_held_out(pair[1]):
                return pair

    def _changed(self, scene: Scene, attribute: str) -> Scene:
        values = tuple(POSITIONS) if attribute == "position" else COLOURS
        return scene.changed(attribute, values[int(self._random.integers(len(values)))])

    def _paint(self, scenes: list[Scene], jitters: np.ndarray) -> tuple[Tensor, Tensor]:
        shapes = [SHAPES.index(scene.shape) for scene in scenes]
        positions = [list(POSITIONS).index(scene.position) for scene in scenes]
        mask = self._masks[shapes, jitters, positions].float().unsqueeze(-1) / 255
        front, back = (
            self._palette[[COLOURS.index(getattr(scene, name)) for scene in scenes]][:, None, None]
            for name in ("colour", "background")
        )
        return back + mask * (front - back), self._weights[positions]

    def _tokens(self, captions: list[str]) -> Tensor:
        encoded = self._tokenizer(captions, padding="max_length", max_length=TEXT_TOKENS, return_tensors="pt")
        return torch.as_tensor(encoded.input_ids)


def pixel_weights(weights: Tensor) -> Tensor:
    """Loss weights of pixels, (batch, 1, 64, 64), from those of tokens."""
    return weights.view(-1, 1, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)


def _mask_pool(random: np.random.Generator) -> Tensor:
    """Coverage in 0 to 255, uint8 (shapes, jitters, positions, 64, 64); positions are exact shifts."""
    pool = torch.empty(len(SHAPES), JITTERS, len(POSITIONS), 64, 64, dtype=torch.uint8)
    for shape_index, shape in enumerate(SHAPES):
        for jitter_index in range(JITTERS):
            jitter = draw_jitter(random)
            mask = draw_mask(shape, CENTRE + jitter.column, CENTRE + jitter.row, jitter.radius)
            centred = torch.from_numpy(np.rint(mask * 255).astype(np.uint8))
            for position_index, (column, row) in enumerate(POSITIONS.values()):
                shifted = torch.roll(centred, (row * CELL_PITCH, column * CELL_PITCH), (0, 1))
                pool[shape_index, jitter_index, position_index] = shifted
    return pool


def _cell_weights() -> Tensor:
    """Loss weights per position and token, float32 (9, 64, 1), of mean 1: SHAPE_WEIGHT around the shape."""
    places = torch.arange(8) * 8 + 4.0
    rows = []
    for column, row in POSITIONS.values():
        near_column = (places - (CENTRE + column * CELL_PITCH)).abs() < 18
        near_row = (places - (CENTRE + row * CELL_PITCH)).abs() < 18
        rows.append(torch.where(near_row[:, None] & near_column[None, :], SHAPE_WEIGHT, 1.0).flatten())
    weights = torch.stack(rows).unsqueeze(-1)
    return weights / weights.mean(dim=1, keepdim=True)
