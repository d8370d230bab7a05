"""Calls before and after the denoising share forwards too: prompts are encoded and latents decoded together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.zoo import case, flatten_output
from workers import Omni

REQUESTS = 16
#: What the zoo's own comparison allows between a picture made alone and one made in company.
BOUND = 1e-4


def inputs(seed: int) -> dict[str, Any]:
    return case("sd").inputs(seed=seed, prompt=f"cat number {seed}", steps=2 + seed % 3)


@dataclass
class Drawn:
    """The pictures of plain diffusers and ours, and how many rows each forward of ours had."""

    plain: list[Any]
    shared: list[Any] = field(default_factory=list)
    encoded_rows: list[int] = field(default_factory=list)
    decoded_rows: list[int] = field(default_factory=list)


def record_rows(module: torch.nn.Module, rows: list[int]) -> None:
    def note(_module: Any, positional: Any, named: Any) -> None:
        rows.append(len(next(iter((*positional, *named.values())))))

    module.register_forward_pre_hook(note, with_kwargs=True)


@pytest.fixture(scope="module")
def drawn() -> Drawn:
    pipeline = case("sd").build()
    pipeline.set_progress_bar_config(disable=True)
    omni = Omni(pipeline=pipeline)
    omni.map([inputs(seed) for seed in range(REQUESTS, REQUESTS + 4)])  # proves the merges
    result = Drawn(plain=[pipeline(**inputs(seed)) for seed in range(REQUESTS)])
    record_rows(pipeline.text_encoder, result.encoded_rows)
    record_rows(pipeline.vae.decoder, result.decoded_rows)
    result.shared = omni.map([inputs(seed) for seed in range(REQUESTS)])
    return result


def test_prompts_are_encoded_together(drawn: Drawn) -> None:
    assert sum(drawn.encoded_rows) >= REQUESTS
    assert len(drawn.encoded_rows) <= REQUESTS // 2


def test_latents_of_jobs_that_end_apart_are_decoded_together(drawn: Drawn) -> None:
    assert sum(drawn.decoded_rows) >= REQUESTS
    assert len(drawn.decoded_rows) <= REQUESTS // 2


def test_the_pictures_are_those_of_the_plain_pipeline(drawn: Drawn) -> None:
    for plain, shared in zip(drawn.plain, drawn.shared, strict=True):
        for expected, found in zip(flatten_output(plain), flatten_output(shared), strict=True):
            np.testing.assert_allclose(found, expected, atol=BOUND, rtol=0)
