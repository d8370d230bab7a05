"""The measured cap follows the device: it grows where company pays and stays small where it does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from omni_jobs.errors import Misconfigured
from workers.engine import (
    DiffusionEngine,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
    Timing,
)
from workers.engine.caps import Measured, MeasuredCaps, cap_policy
from workers.engine.caps_file import CapsFile


def settle(seconds: Callable[[int], float], waiting: int = 64) -> int:
    caps = MeasuredCaps()
    for _ in range(60):
        size = min(waiting, caps("key"))
        caps.observe(Timing("key", size, seconds(size)))
    return caps("key")


def test_a_device_that_is_busy_at_one_gets_small_batches() -> None:
    caps = MeasuredCaps()
    for _ in range(3):
        caps.observe(Timing("key", 1, 1.0))
    for _ in range(10):
        caps.observe(Timing("key", caps("key"), float(caps("key"))))
    assert caps("key") == 1


def test_a_device_bound_by_launches_gets_large_batches() -> None:
    assert settle(lambda size: 1.0) == 64


def test_the_smallest_batch_with_the_best_throughput_wins() -> None:
    # H200, 512x512, measured elsewhere: flat beyond three.
    times = {1: 0.167, 2: 0.183, 4: 0.240, 8: 0.425, 16: 0.832, 32: 1.66, 64: 3.3}
    assert settle(lambda size: times[size]) in (8, 16)


def test_a_hiccup_does_not_settle_it() -> None:
    caps = MeasuredCaps()
    caps.observe(Timing("key", 2, 9.0))
    for _ in range(3):
        caps.observe(Timing("key", 2, 1.0))
    assert caps("key") == 4


def test_policies_are_named() -> None:
    assert cap_policy("fixed(8)")("anything") == 8
    with pytest.raises(Misconfigured, match=r"fixed\(8\)"):
        cap_policy("eight")


def test_a_batch_that_would_not_fit_twice_is_not_doubled() -> None:
    caps = MeasuredCaps()
    for _ in range(3):
        caps.observe(Timing("key", 2, 1.0, memory_bytes=6_000, free_bytes=5_000))
    assert caps("key") == 2


def simulated(path: Path) -> DiffusionEngine:
    return DiffusionEngine(
        OmniDiffusionConfig(
            distributed_executor_backend="simulated", executor_options={"launch_ms": 0.1}, caps_file=str(path)
        )
    )


def forwards(engine: DiffusionEngine, calls: int) -> float:
    """Forwards of eight requests that come together, each of so many denoise calls."""
    params = OmniDiffusionSamplingParams(num_inference_steps=calls)
    outputs = engine.step([OmniDiffusionRequest(prompt=str(i), sampling_params=params) for i in range(8)])
    return sum(float(output.metrics["forwards"]) for output in outputs)


def test_what_was_learned_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "caps" / "model.json"
    assert forwards(simulated(path), 12) > 12, "a device nobody knows is measured with small batches first"
    kept = CapsFile(path, simulated(path).executor.identity)
    denoise = kept.read()["denoise-64-64"]
    assert denoise.cap > 2 or denoise.is_settled
    kept.write([Measured(label, cap=8, is_settled=True) for label in ("encode", "denoise-64-64")])
    assert forwards(simulated(path), 12) == 12


def test_caps_of_another_device_or_a_broken_file_are_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    CapsFile(path, "another device").write([Measured("denoise-64-64", cap=8, is_settled=True)])
    assert forwards(simulated(path), 1) == 4
    path.write_text("{")
    assert forwards(simulated(path), 1) == 4
