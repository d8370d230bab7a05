"""The networks of the demo model that learn together. Training moves them; the export takes their average."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from workers.shapes.data import Batch
from workers.shapes.models import TEXT_TOKENS, build_clip, build_t5, build_tokenizer, build_transformer


class Trainee(nn.Module):
    """The three networks that learn together, and their velocity prediction."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        tokenizer = build_tokenizer()
        self.clip = build_clip(tokenizer)
        self.t5 = build_t5(tokenizer)
        self.transformer = build_transformer()

    def forward(self, noisy: Tensor, level: Tensor, batch: Batch, padding: int, flow: Any) -> Tensor:
        """Velocity, (batch, 64, 48), for noisy latents at levels (batch,), prompts of `padding` tokens."""
        pooled = self.clip(batch.tokens).pooler_output
        words = self.t5(batch.tokens)[0]
        tokens = noisy if batch.reference is None else torch.cat([noisy, batch.reference], dim=1)
        ids = image_ids(0) if batch.reference is None else torch.cat([image_ids(0), image_ids(1)])
        # All padding tokens are equal, so one of them with the logarithm of their number added to its
        # attention score stands for all: prompts of 512 tokens are learned at the price of 16.
        bias = torch.zeros(1, 1, 1, TEXT_TOKENS + tokens.shape[1])
        bias[..., TEXT_TOKENS - 1] = math.log(padding - TEXT_TOKENS + 1)
        predicted: Tensor = flow(
            hidden_states=tokens,
            encoder_hidden_states=words,
            pooled_projections=pooled,
            timestep=level,
            img_ids=ids,
            txt_ids=torch.zeros(TEXT_TOKENS, 3),
            joint_attention_kwargs={"attention_mask": bias},
            return_dict=False,
        )[0]
        return predicted[:, : noisy.shape[1]]


def image_ids(first: int) -> Tensor:
    """Rotary ids (64, 3) of a packed picture as the pipelines number them: 0 for the target, 1 for a reference."""
    row, column = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    return torch.stack([torch.full_like(row, first), row, column], dim=-1).flatten(0, 1)
