"""One model on two real ranks, spread each way, against one process alone. The ranks serve all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.zoo import case
from omni_jobs.errors import Misconfigured
from tests.parallel.groups import BOUND, STEPS, calls, difference, group_of, rpc
from tests.stepping.lora_files import TARGETS, asked, lora_file, with_adapters
from workers import Omni

QWEN = "workers.models.qwen_image.QwenImageStepPipeline"


@pytest.fixture(scope="module")
def group() -> Iterator[Omni]:
    with group_of(2) as omni:
        yield omni


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models as `save_pretrained` leaves them, by the names of their cases."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("flux", "sd", "qwen-image"):
        case(name).build().save_pretrained(folder / name)
    return folder


def test_weights_are_divided(group: Omni, models: Path) -> None:
    rpc(group, "become", model=str(models / "flux"), parallel_config={"tensor_parallel_size": 2})
    member, weight = case("flux"), "transformer.transformer_blocks.0.attn.to_q.weight"
    pipeline = member.build()
    assert (
        rpc(group, "weight_elements", weight)
        == [pipeline.transformer.transformer_blocks[0].attn.to_q.weight.numel() // 2] * 2
    )
    together = group.map(calls(member))
    assert difference(together, [pipeline(**call) for call in calls(member)]) < BOUND
    assert group.stats.max_batch == 2


def test_rows_of_guidance_are_shared_out(group: Omni, models: Path) -> None:
    rpc(group, "become", model=str(models / "sd"), parallel_config={"cfg_parallel_size": 2})
    member, pipeline = case("sd"), case("sd").build()
    (alone,) = group.map(calls(member)[:1])
    assert difference([alone], [pipeline(**calls(member)[0])]) < BOUND
    rpc(group, "watch", "unet.conv_in")
    together = group.map(calls(member))
    assert difference(together, [pipeline(**call) for call in calls(member)]) < BOUND
    assert group.stats.max_batch == 2
    rpc(group, "rows")
    group.map(calls(member))
    # Of the four rows of both requests, and then of the last request's two, each rank has computed half.
    assert rpc(group, "rows") == [[2, 2, 1]] * 2


def test_two_calls_of_guidance_are_joined_to_be_shared_out(group: Omni, models: Path) -> None:
    folder = str(models / "qwen-image")
    rpc(group, "become", model=folder, kind=QWEN, parallel_config={"cfg_parallel_size": 2})
    member, pipeline = case("qwen-image"), case("qwen-image").build()
    expected = [pipeline(**call) for call in calls(member)]
    assert difference(group.map(calls(member)), expected) < BOUND
    assert group.stats.max_batch == 2
    assert group.stats.calls == sum(STEPS)
    rpc(group, "watch", "transformer.img_in")
    assert difference(group.map(calls(member)), expected) < BOUND
    assert rpc(group, "rows") == [[2, 2, 1]] * 2


def test_tiles_of_a_decode_are_shared_out(group: Omni, models: Path) -> None:
    rpc(group, "become", model=str(models / "sd"), parallel_config={"vae_patch_parallel_size": 2})
    rpc(group, "watch", "vae.decoder.conv_in")
    vae = case("sd").build().vae
    vae.enable_tiling()
    latents = torch.randn(1, 4, 40, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = vae.decode(latents, return_dict=False)[0]
    for picture in rpc(group, "decode", latents):
        assert torch.equal(picture, expected)
    first, second = (len(rows) for rows in rpc(group, "rows"))
    assert first - second in (0, 1)
    # A picture of one tile is decoded whole.
    assert rpc(group, "decode", latents[..., :8, :8])[0].shape[-1] == expected.shape[-1] * 8 // 32


def test_tokens_are_divided_by_ulysses(group: Omni, models: Path) -> None:
    rpc(group, "become", model=str(models / "flux"), parallel_config={"ulysses_degree": 2})
    member, pipeline = case("flux"), case("flux").build()
    # 48 tokens of text divide evenly among two ranks, 47 do not.
    for length in (48, 47):
        given = [calls(member, max_sequence_length=length) for _ in range(2)]
        assert difference(group.map(given[0]), [pipeline(**call) for call in given[1]]) < BOUND
    assert group.stats.max_batch == 2


@pytest.mark.parametrize(("name", "spread"), [("sd", {"cfg_parallel_size": 2}), ("flux", {"ulysses_degree": 2})])
def test_each_rank_has_the_adapters_of_the_request_it_runs(
    group: Omni, models: Path, tmp_path: Path, name: str, spread: dict[str, int]
) -> None:
    rpc(group, "become", model=str(models / name), parallel_config=spread)
    member, pipeline = case(name), case(name).build()
    one, two = (asked(lora_file(tmp_path, pipeline, TARGETS[name], seed)) for seed in (1, 2))
    wanted = [(), (one,), (one,), (two,)]
    given = [member.inputs(seed, "a red fox", 2) for seed in range(4)]
    expected = [
        (with_adapters(pipeline, *loras) if loras else pipeline)(**member.inputs(seed, "a red fox", 2))
        for seed, loras in enumerate(wanted)
    ]
    assert difference(expected[:1], expected[1:2]) > 100 * BOUND
    assert difference(group.map(given, loras=wanted), expected) < BOUND
    assert group.stats.max_batch == 2


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        ("flux", {"ring_degree": 2}, r"`parallel_config\.ring_degree`: 2 .*return_lse.*"),
        ("flux", {"cfg_parallel_size": 2}, "FluxPipeline makes the calls of its guidance one after the other"),
        ("qwen-image", {"cfg_parallel_size": 2}, "QwenImagePipeline makes the calls"),
        (
            "qwen-image",
            {"tensor_parallel_size": 2},
            r"`tp_degree` \(2\) must divide the number of attention heads \(3\)",
        ),
        ("qwen-image", {"ulysses_degree": 2}, "QwenImageTransformer2DModel has 3 heads"),
        ("sd", {"tensor_parallel_size": 2}, "no plan for dividing the weights of UNet2DConditionModel"),
        ("sd", {"ulysses_degree": 2}, "no plan for dividing the tokens of UNet2DConditionModel"),
        ("sd", {"cfg_parallel_size": 3}, r"the model has 2 rank\(s\)"),
    ],
)
def test_what_cannot_be_served_is_refused(
    group: Omni, models: Path, model: str, options: dict[str, int], reason: str
) -> None:
    with pytest.raises(Misconfigured, match=reason):
        rpc(group, "become", model=str(models / model), parallel_config=options)
