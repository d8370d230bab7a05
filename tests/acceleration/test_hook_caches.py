"""Caches in hooks on a model: requests run one at a time, and none sees what another left."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from diffusers import FirstBlockCacheConfig, TaylorSeerCacheConfig

from benchmarks.zoo import case, flatten_output
from omni_jobs.errors import Misconfigured
from tests.acceleration.models import block_pipeline
from tests.stepping.pipelines import tiny
from workers import Omni
from workers.engine import DiffusionEngine, OmniDiffusionConfig, OmniDiffusionRequest
from workers.registry import ModelRow
from workers.stepping.cache_config import CACHE_DIT_MASKS, cache_policy, is_hooked

PROMPTS = ("a cat", "a dog in the rain", "a cat")


def inputs(index: int) -> dict[str, Any]:
    return case("flux").inputs(seed=index % 2, prompt=PROMPTS[index], steps=6)


def same(mine: object, theirs: object) -> bool:
    pairs = zip(flatten_output(mine), flatten_output(theirs), strict=True)
    return all(abs(one - other).max() == 0 for one, other in pairs)


@pytest.mark.parametrize(
    ("backend", "config", "made"),
    [
        ("diffusers.FirstBlockCacheConfig", {"threshold": 0.9}, FirstBlockCacheConfig(threshold=0.9)),
        (
            "diffusers.TaylorSeerCacheConfig",
            {"cache_interval": 2, "disable_cache_before_step": 2, "taylor_factors_dtype": "float32"},
            None,
        ),
    ],
)
def test_each_request_runs_alone_and_from_a_clean_state(backend: str, config: dict[str, Any], made: Any) -> None:
    made = made or TaylorSeerCacheConfig(
        cache_interval=2, disable_cache_before_step=2, taylor_factors_dtype=torch.float32
    )
    plain = case("flux").build()
    uncached = plain(**inputs(0))
    plain.transformer.enable_cache(made)
    expected = [plain(**inputs(index)) for index in range(3)]
    assert not same(uncached, expected[0])
    omni = Omni(pipeline=case("flux").build(), cache_backend=backend, cache_config=config)
    results = omni.map([inputs(index) for index in range(3)])
    assert all(same(mine, theirs) for mine, theirs in zip(results, expected, strict=True))
    assert omni.stats.max_batch == 1
    assert same(results[0], omni.map([inputs(2)])[0])


def test_a_request_that_was_dropped_leaves_nothing_behind() -> None:
    config = OmniDiffusionConfig(
        pipeline=case("flux").build(),
        cache_backend="diffusers.FirstBlockCacheConfig",
        cache_config={"threshold": 0.9},
    )
    engine = DiffusionEngine(config)
    expected = engine.step([OmniDiffusionRequest(arguments=inputs(0))])[0].output
    dropped = OmniDiffusionRequest(arguments=inputs(1))
    engine.submit(dropped)
    for _ in range(6):
        engine.advance()
    engine.cancel(dropped.request_id)
    assert same(engine.step([OmniDiffusionRequest(arguments=inputs(0))])[0].output, expected)


def test_a_cache_that_somebody_else_enabled_is_noticed() -> None:
    pipeline = case("flux").build()
    pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.9))
    expected = [pipeline(**inputs(index)) for index in range(2)]
    omni = Omni(pipeline=pipeline)
    results = omni.map([inputs(index) for index in range(2)])
    assert all(same(mine, theirs) for mine, theirs in zip(results, expected, strict=True))
    assert omni.stats.max_batch == 1


@pytest.mark.parametrize(
    ("backend", "config", "words"),
    [
        ("cache_dit", {}, "cache-dit is not installed. Run `pip install cache-dit`"),
        ("cache_dit", {"residual_dif_threshold": 0.1}, "Did you mean `residual_diff_threshold`"),
        ("cache_dit", {"scm_steps_policy": "static", "scm_steps_mask_policy": "fats"}, "Did you mean `fast`"),
        ("diffusers.FirstBlokCacheConfig", {}, "Did you mean `FirstBlockCacheConfig`"),
        ("diffusers.FirstBlockCacheConfig", {"treshold": 1}, "unexpected keyword argument 'treshold'"),
        ("diffusers.FasterCacheConfig", {}, "asks the pipeline for the timestep"),
    ],
)
def test_what_cannot_be_served_is_refused(backend: str, config: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        Omni(pipeline=case("flux").build(), cache_backend=backend, cache_config=config)


def test_a_model_whose_blocks_diffusers_does_not_know_is_refused() -> None:
    with pytest.raises(Misconfigured, match="Denoiser takes no cache of diffusers"):
        Omni(pipeline=tiny(), cache_backend="diffusers.FirstBlockCacheConfig")
    with pytest.raises(Misconfigured, match="a graph would repeat"):
        Omni(
            pipeline=block_pipeline(),
            cache_backend="diffusers.FirstBlockCacheConfig",
            acceleration={"cuda_graphs": True},
        )


def test_static_masks_of_cache_dit_work_at_the_call_boundary() -> None:
    config = {"scm_steps_mask_policy": "fast", "scm_steps_policy": "static"}
    policy = cache_policy("cache_dit", config)
    assert policy is not None
    assert policy.name == "mask"
    assert not is_hooked("cache_dit", config)
    assert is_hooked("cache_dit", {})
    for computed, skipped in CACHE_DIT_MASKS.values():
        assert sum(computed) + sum(skipped) == 28
    ModelRow("mine", "a/b", cache_backend="cache_dit", cache_config=config)


def test_cache_dit_is_given_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    module, asked = ModuleType("cache_dit"), []
    module.DBCacheConfig = lambda **options: options  # type: ignore[attr-defined]
    module.TaylorSeerCalibratorConfig = lambda **options: options  # type: ignore[attr-defined]
    module.enable_cache = lambda pipeline, **options: asked.append((pipeline, options))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cache_dit", module)
    monkeypatch.setattr("workers.acceleration.hook_caches.find_spec", lambda _name: object())
    taylor = {"enable_taylorseer": True, "taylorseer_order": 2, "scm_steps_policy": "dynamic"}
    pipeline = block_pipeline()
    omni = Omni(pipeline=pipeline, cache_backend="cache_dit", cache_config={"Fn_compute_blocks": 1, **taylor})
    assert asked == [
        (pipeline, {"cache_config": {"Fn_compute_blocks": 1}, "calibrator_config": {"taylorseer_order": 2}})
    ]
    omni.map([{}, {}])
    assert omni.stats.max_batch == 1
