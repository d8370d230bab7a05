"""One model on four real ranks, spread two ways at once or four ways one, against one process alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.zoo import case
from omni_jobs.errors import Misconfigured
from tests.parallel.groups import BOUND, STEPS, calls, difference, group_of, rpc
from workers import Omni

pytestmark = pytest.mark.slow
#: Qwen-Image with both predictions of its guidance in one call.
QWEN = "workers.models.qwen_image.QwenImageStepPipeline"


@pytest.fixture(scope="module")
def group() -> Iterator[Omni]:
    with group_of(4) as omni:
        yield omni


def four_heads(name: str) -> Any:
    """The case's pipeline with a transformer whose heads four ranks can share."""
    pipeline = case(name).build()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        config = {**pipeline.transformer.config, "num_attention_heads": 4}
        pipeline.transformer = type(pipeline.transformer).from_config(config).eval()
    return pipeline


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in ("flux", "qwen-image"):
        four_heads(name).save_pretrained(folder / name)
    return folder


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("qwen-image", {"cfg_parallel_size": 2, "tensor_parallel_size": 2}),
        ("qwen-image", {"cfg_parallel_size": 2, "ulysses_degree": 2, "vae_patch_parallel_size": 4}),
        ("flux", {"ulysses_degree": 4}),
        ("flux", {"tensor_parallel_size": 4}),
    ],
)
def test_what_four_ranks_make_together_is_what_one_makes(
    group: Omni, models: Path, name: str, spread: dict[str, int]
) -> None:
    kind = QWEN if "cfg_parallel_size" in spread else None
    rpc(group, "become", model=str(models / name), parallel_config=spread, kind=kind)
    member, pipeline = case(name), four_heads(name)
    expected = [pipeline(**call) for call in calls(member)]
    assert difference(group.map(calls(member)), expected) < BOUND
    assert group.stats.max_batch == 2
    assert group.stats.calls == sum(STEPS)
    # Once more: what was tried and proved in the first forwards is used now.
    assert difference(group.map(calls(member)), expected) < BOUND


def test_rows_are_shared_by_halves_of_the_ranks_and_weights_within_a_half(group: Omni, models: Path) -> None:
    spread = {"cfg_parallel_size": 2, "tensor_parallel_size": 2}
    rpc(group, "become", model=str(models / "qwen-image"), parallel_config=spread, kind=QWEN)
    whole = four_heads("qwen-image").transformer.transformer_blocks[0].attn.to_q.weight.numel()
    assert rpc(group, "weight_elements", "transformer.transformer_blocks.0.attn.to_q.weight") == [whole // 2] * 4
    group.map(calls(case("qwen-image")))
    rpc(group, "watch", "transformer.img_in")
    group.map(calls(case("qwen-image")))
    assert rpc(group, "rows") == [[2, 2, 1]] * 4


def test_a_ring_among_groups_of_ulysses_needs_a_gpu(group: Omni, models: Path) -> None:
    spread = {"ring_degree": 2, "ulysses_degree": 2}
    with pytest.raises(Misconfigured, match=r"`parallel_config\.ring_degree`: 2 .*return_lse.*") as caught:
        rpc(group, "become", model=str(models / "flux"), parallel_config=spread)
    assert caught.value.remedy == "Use `ulysses_degree`: ring attention needs a GPU."
    rpc(group, "become", model=str(models / "flux"), parallel_config={"ulysses_degree": 4})
