"""Engines on several devices as one: where requests go, and what becomes of them when one engine dies."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from omni_jobs.errors import EngineUnavailable, Misconfigured
from tests.workers.test_engine_process import WAIT_SECONDS, Signal, request, row
from workers.engine_process import Action, Budget, EngineLost, Replicas, RequestDropped, SpoolFile
from workers.engine_process.choosing import Replica, Work, earliest, learned, pixel_steps


def test_a_request_goes_where_it_is_finished_first() -> None:
    busy = Replica([Work("m", 100.0), Work("m", 100.0)], {"m": 1.0})
    idle_but_slow = Replica([], {"m": 2.5})
    assert earliest([busy, idle_but_slow], Work("m", 100.0)) == 1
    # A longer one would take longer there than to wait for the faster device.
    assert earliest([busy, idle_but_slow], Work("m", 200.0)) == 0
    assert earliest([Replica([Work("m", 300.0)]), Replica([Work("m", 10.0)] * 3)], Work("m", 1.0)) == 1


def test_ties_go_to_the_shorter_queue_and_then_to_the_first() -> None:
    assert earliest([Replica([Work("m", 5.0)] * 2), Replica([Work("m", 10.0)])], Work("m", 1.0)) == 1
    assert earliest([Replica(), Replica()], Work("m", 1.0)) == 0


def test_a_model_nobody_has_timed_runs_as_others_do() -> None:
    fast, unknown = Replica([Work("m", 100.0)], {"m": 0.1}), Replica([Work("m", 300.0)])
    assert earliest([fast, unknown], Work("m", 1.0)) == 0
    other = Replica([Work("new", 100.0)], {"m": 0.1})
    assert earliest([other, Replica([Work("m", 90.0)])], Work("new", 1.0)) == 1


def test_a_fast_device_gets_more_of_a_stream() -> None:
    replicas = [Replica([], {"m": 1.0}), Replica([], {"m": 3.0})]
    for _ in range(40):
        index = earliest(replicas, Work("m", 1.0))
        replicas[index].queue = [*replicas[index].queue, Work("m", 1.0)]
    assert len(replicas[0].queue) == 30


def test_work_is_pixels_times_steps() -> None:
    assert pixel_steps({"width": 4, "height": 2, "num_inference_steps": 10}, {"width": 9, "num_frames": 3}) == 240
    assert pixel_steps({"guidance_scale": 3.0}, {}) == 1
    assert learned(None, 8.0, 4.0) == 2.0
    assert learned(2.0, 4.0, 4.0) == pytest.approx(1.7)


def test_a_device_that_has_the_model_is_worth_waiting_for() -> None:
    busy = Replica([Work("m", 100.0)], {"m": 0.1})
    must_load = Replica([], {"m": 0.1}, bring_seconds=30.0)
    assert earliest([must_load, busy], Work("m", 100.0)) == 1
    assert earliest([must_load, replace(busy, queue=[Work("m", 400.0)])], Work("m", 100.0)) == 0


def test_host_memory_is_shared_out_and_device_memory_is_not() -> None:
    assert Budget(8, 12).shared_by(3) == Budget(8, 4)
    assert Budget().shared_by(2) == Budget()


@pytest.fixture
def changed() -> Signal:
    return Signal()


@pytest.fixture
def replicas(changed: Signal, tmp_path: Path) -> Iterator[Replicas]:
    """Two engine processes with one simulated model, ready."""
    replicas = Replicas([row("launch_ms=5")], tmp_path / "spool", changed, ["cpu", "cpu"], checkpoint_seconds=0.05)
    replicas.start()
    changed.wait_for(lambda: all(engine.ready_models for engine in replicas.engines))
    yield replicas
    replicas.close()


def test_both_engines_work_and_one_that_dies_takes_only_its_own(replicas: Replicas) -> None:
    futures = {name: replicas.submit(request(name, steps=20_000)) for name in "abcd"}
    assert replicas.process_id is not None
    os.kill(replicas.process_id, signal.SIGKILL)
    for name in "ac":
        with pytest.raises(EngineLost):
            futures[name].result(WAIT_SECONDS)
    assert replicas.ready_models == ("sim",)
    replicas.submit(request("after", steps=2)).result(WAIT_SECONDS).discard()
    for name in "bd":
        assert not futures[name].done()
        replicas.cancel(name)
        assert replicas.position(name) is None
    assert replicas.stats.requests == 1


def test_a_request_that_is_handed_back_goes_on_from_its_checkpoint(replicas: Replicas) -> None:
    told: list[Mapping[str, Any]] = []
    is_denoising = threading.Event()

    def hear(message: Mapping[str, Any]) -> None:
        told.append(message)
        is_denoising.set()

    first = replicas.submit(request("first", steps=400), hear)
    assert is_denoising.wait(WAIT_SECONDS), "the first checkpoint is due after a few calls"
    replicas.hand_back("first")
    with pytest.raises(RequestDropped):
        first.result(WAIT_SECONDS)
    last = told[-1]
    assert (last["kind"], 0 < last["step"] < 400) == ("checkpoint", True)

    saved = SpoolFile.from_json(last["file"])
    again = replicas.submit(request("again", "a fox", 400, checkpoint=saved), told.append).result(WAIT_SECONDS)
    again.discard()
    (resumed,) = [message for message in told if message["kind"] == "resumed"]
    assert (resumed["step"], resumed["refused"]) == (last["step"], None)
    assert again.metrics["calls"] == 400 - last["step"]
    assert not Path(saved.path).exists()


def test_a_change_reaches_every_engine(replicas: Replicas, changed: Signal) -> None:
    replicas.change(Action.UNLOAD, "sim")
    changed.wait_for(lambda: {engine.models["sim"].phase for engine in replicas.engines} == {"unloaded"})
    replicas.submit(request("brings", steps=2)).result(WAIT_SECONDS).discard()
    assert sorted(engine.models["sim"].phase for engine in replicas.engines) == ["ready", "unloaded"]
    assert replicas.models["sim"].phase == "ready"


def test_a_model_that_no_engine_has_ready_is_refused(tmp_path: Path) -> None:
    idle = Replicas([row()], tmp_path, devices=["cpu", "cpu"])
    with pytest.raises(EngineUnavailable):
        idle.submit(request("early"))
    with pytest.raises(EngineUnavailable):
        idle.change(Action.LOAD, "sim")


@pytest.mark.parametrize("spread", [{"num_gpus": 2}, {"parallel_config": {"tensor_parallel_size": 2}}])
def test_a_model_that_spans_devices_has_no_replicas(tmp_path: Path, spread: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured, match=r"`devices`.*spans 2"):
        Replicas([row(**spread)], tmp_path, devices=["cuda:0", "cuda:1"])


def test_one_device_has_one_engine(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cuda:0 is named twice"):
        Replicas([row()], tmp_path, devices=["cuda:0", "cuda:0"])
