"""The fixed latent space loses nothing, and the stock autoencoder carries it exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from workers.shapes.cases import edit_cases
from workers.shapes.encoder import write_encoder
from workers.shapes.judge import judge
from workers.shapes.latents import PatchBasis, fit_basis, pack, unpack
from workers.shapes.models import TEXT_TOKENS, build_t5, build_tokenizer, build_vae


@pytest.fixture(scope="module")
def basis() -> PatchBasis:
    return fit_basis()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    references = np.stack([case.reference for case in edit_cases(40) if case.reference is not None])
    return torch.from_numpy(references).float() / 127.5 - 1


def test_twelve_components_keep_what_the_judge_sees(basis: PatchBasis, pictures: torch.Tensor) -> None:
    decoded = (basis.decode(basis.encode(pictures)).clamp(-1, 1) + 1) * 127.5
    original = (pictures + 1) * 127.5
    for picture, exact in zip(decoded.round().byte().numpy(), original.round().byte().numpy(), strict=True):
        seen, wanted = judge(picture), judge(exact)
        assert (seen.shape, seen.colour, seen.position) == (wanted.shape, wanted.colour, wanted.position)


def test_the_stock_encoder_is_the_basis(basis: PatchBasis, pictures: torch.Tensor) -> None:
    vae: Any = build_vae()
    write_encoder(vae, basis)
    with torch.no_grad():
        distribution = vae.encode(pictures.permute(0, 3, 1, 2)).latent_dist
    torch.testing.assert_close(distribution.mode(), basis.encode(pictures), atol=2e-3, rtol=0)
    assert distribution.std.max() < 1e-6


def test_packing_is_what_the_pipeline_does() -> None:
    from diffusers import FluxPipeline

    latents = torch.randn(2, 12, 16, 16)
    torch.testing.assert_close(pack(latents), FluxPipeline._pack_latents(latents, 2, 12, 16, 16))
    torch.testing.assert_close(unpack(pack(latents)), latents)


def test_padding_reaches_no_word() -> None:
    tokenizer = build_tokenizer()
    encoder = build_t5(tokenizer).eval()
    short = tokenizer("a red circle on white", padding="max_length", max_length=TEXT_TOKENS, return_tensors="pt")
    long = tokenizer("a red circle on white", padding="max_length", max_length=512, return_tensors="pt")
    with torch.no_grad():
        few, many = encoder(short.input_ids)[0], encoder(long.input_ids)[0]
    torch.testing.assert_close(few, many[:, :TEXT_TOKENS])
    torch.testing.assert_close(
        many[:, TEXT_TOKENS - 1 : TEXT_TOKENS].expand(-1, 512 - TEXT_TOKENS, -1), many[:, TEXT_TOKENS:]
    )


@pytest.mark.parametrize("prompt", ["A RED Circle on white.", "a red  circle, on white!"])
def test_case_and_punctuation_do_not_matter(prompt: str) -> None:
    tokenizer = build_tokenizer()
    assert tokenizer(prompt).input_ids == tokenizer("a red circle on white").input_ids
