"""vLLM-Omni's names for accelerations mean ours."""

from __future__ import annotations

from typing import Any

import pytest

from omni_jobs.errors import Misconfigured
from workers.dialect import engine_config


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"enable_cpu_offload": True}, {"offload": "model"}),
        ({"enable_layerwise_offload": True}, {"offload": "group"}),
        ({"vae_use_slicing": True, "vae_use_tiling": True}, {"vae_slicing": True, "vae_tiling": True}),
        ({"enforce_eager": False}, {"compile": True}),
        ({"quantization": "torchao"}, {"quantization": "torchao"}),
        ({"attention_backend": "native"}, {"attention_backend": "native"}),
        ({"vae_use_tiling": True, "acceleration": {"vae_tiling": True}}, {"vae_tiling": True}),
        (
            {"enforce_eager": True, "enable_cpu_offload": False, "vae_use_slicing": None, "quantization": None},
            {},
        ),
    ],
)
def test_their_names_mean_our_options(given: dict[str, Any], meant: dict[str, Any]) -> None:
    assert engine_config({"model": "a/b", **given}).acceleration == meant


def test_names_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(Misconfigured, match=r"contradicts `acceleration\.offload`"):
        engine_config({"model": "a/b", "enable_cpu_offload": True, "acceleration": {"offload": "group"}})
