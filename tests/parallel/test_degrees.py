"""The numbers of `parallel_config`: what they need, what contradicts, and whose names are taken."""

from __future__ import annotations

from typing import Any

import pytest

from omni_jobs.errors import Misconfigured
from workers.dialect import engine_config
from workers.engine import DiffusionExecutor, OmniDiffusionConfig
from workers.executors.multiproc import MultiProcDiffusionExecutor
from workers.executors.uni import UniProcDiffusionExecutor
from workers.parallel.degrees import DiffusionParallelConfig, parallel_config, ranks_of
from workers.registry import ModelRow


@pytest.mark.parametrize(
    ("given", "ranks"),
    [
        ({}, 1),
        ({"tensor_parallel_size": 2}, 2),
        ({"tensor_parallel_size": 2, "cfg_parallel_size": 2, "vae_patch_parallel_size": 3}, 4),
        ({"ulysses_degree": 2, "ring_degree": 2, "sequence_parallel_size": 4, "ulysses_mode": "strict"}, 4),
        ({"vae_patch_parallel_size": 3}, 3),
        ({"ring_degree": None, "use_hsdp": False, "pipeline_parallel_size": 1}, 1),
    ],
)
def test_ranks_follow_from_the_degrees(given: dict[str, Any], ranks: int) -> None:
    assert ranks_of(given, None) == ranks
    config = OmniDiffusionConfig(model="a/b", parallel_config=given)
    assert config.ranks == ranks
    expected = UniProcDiffusionExecutor if ranks == 1 else MultiProcDiffusionExecutor
    assert DiffusionExecutor.get_class(config) is expected


@pytest.mark.parametrize(
    ("given", "num_gpus", "words"),
    [
        ({"tensor_parallel_size": 2}, 3, r"`num_gpus`: 3 is not the product of the degrees .* which is 2"),
        ({"tensor_parallel_size": 0}, None, r"`parallel_config\.tensor_parallel_size`: 0"),
        ({"ulysses_degree": "two"}, None, r"`parallel_config\.ulysses_degree`: 'two'"),
        ({"tensor_parallel_size": 2, "ring_degree": 2}, None, "does not combine it with context parallelism"),
        ({"cfg_parallel_size": 2, "vae_patch_parallel_size": 3}, None, "the denoiser has 2 ranks"),
        ({"ulysses_degree": 2, "sequence_parallel_size": 4}, None, "times `ring_degree` is 2"),
        ({"pipeline_parallel_size": 2}, None, "a step needs all layers"),
        ({"use_hsdp": True}, None, r"`parallel_config\.use_hsdp`: True cannot be served"),
        ({"tensor_paralel_size": 2}, None, r"`parallel_config\.tensor_paralel_size` is not an option"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(given: dict[str, Any], num_gpus: int | None, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        ranks_of(given, num_gpus)
    with pytest.raises(Misconfigured, match=words):
        ModelRow("x", "a/b", num_gpus=num_gpus, parallel_config=given)


@pytest.mark.parametrize(
    ("parallel", "other", "words"),
    [
        ("tensor_parallel_size", {"acceleration": {"offload": "model"}}, r"acceleration\.offload"),
        ("tensor_parallel_size", {"lora_folder": "/adapters"}, "lora_folder"),
        ("cfg_parallel_size", {"acceleration": {"cuda_graphs": True}}, r"acceleration\.cuda_graphs"),
    ],
)
def test_what_excludes_each_other_is_refused_when_the_row_is_read(
    parallel: str, other: dict[str, Any], words: str
) -> None:
    with pytest.raises(Misconfigured, match=rf"`parallel_config\.{parallel}` and `{words}` exclude each other"):
        ModelRow("x", "a/b", parallel_config={parallel: 2}, **other)


@pytest.mark.parametrize(
    "given",
    [
        {"tensor_parallel_size": 2, "vae_patch_parallel_size": 2},
        {"parallel_config": {"tensor_parallel_size": 2}, "vae_patch_parallel_size": 2, "ring_degree": None},
        {"parallel_config": DiffusionParallelConfig(tensor_parallel_size=2, vae_patch_parallel_size=2)},
    ],
)
def test_degrees_are_taken_flat_or_together(given: dict[str, Any]) -> None:
    config = engine_config({"model": "a/b", **given})
    expected = DiffusionParallelConfig(tensor_parallel_size=2, vae_patch_parallel_size=2)
    assert parallel_config(config.parallel_config) == expected
    assert config.ranks == 2


def test_degrees_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(Misconfigured, match=r"`ring_degree` contradicts `parallel_config\.ring_degree`"):
        engine_config({"model": "a/b", "ring_degree": 2, "parallel_config": {"ring_degree": 4}})
