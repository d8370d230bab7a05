"""Ranks that are Ray actors of a real cluster on this machine: replies, death, what is left behind, outputs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from omni_jobs.errors import EngineUnavailable, ExecutionFailed, Misconfigured
from tests.executors.processes import children, descendants, shared_memory
from tests.stepping.custom import ModuleContract
from tests.workers.test_engine_process import Signal
from workers import Omni
from workers.engine import (
    DiffusionEngine,
    DiffusionExecutor,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
)
from workers.engine_process import EngineLost, EngineProcess, RenderRequest
from workers.executors.ray_actor import Whereabouts
from workers.executors.ray_group import RayDiffusionExecutor, rendezvous
from workers.prompts import read_prompts
from workers.registry import ModelRow

WAIT_SECONDS = 120
LIGHT = "tests.executors.light_ray.LightRayExecutor"


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """What the test starts is gone when it ends: processes, shared memory, Ray's folder."""
    pytest.importorskip("ray", reason="Ray is not installed")

    def there() -> tuple[set[int], set[str], set[Path]]:
        return children(), shared_memory(), set(Path("/tmp").glob("omni-ray-*"))

    before = there()
    yield
    assert there() == before


def connect(model: str = "light", **options: Any) -> DiffusionEngine:
    config = OmniDiffusionConfig(
        model=model,
        num_gpus=2,
        caps="fixed(8)",
        distributed_executor_backend=LIGHT,
        executor_options=options,
    )
    return DiffusionEngine(config)


def processes(engine: DiffusionEngine) -> list[int]:
    return [facts["process"] for facts in engine.collective_rpc("facts")]


def test_the_name_means_the_class() -> None:
    named = OmniDiffusionConfig(distributed_executor_backend="ray")
    assert DiffusionExecutor.get_class(named) is RayDiffusionExecutor


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "ray", raising=False)
    sys.path_importer_cache.clear()
    with pytest.raises(Misconfigured, match="Ray, which is not installed") as caught:
        connect()
    assert caught.value.remedy == "pip install 'omni-jobs[ray]'"


def test_an_unknown_placement_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"`options.ray_placement`: 'NEAR' is not one of PACK, SPREAD"):
        connect(ray_placement="NEAR")


@pytest.mark.parametrize(
    ("hosts", "meets"),
    [(("10.0.0.2", "10.0.0.2"), "tcp://127.0.0.1:7"), (("10.0.0.2", "10.0.0.3"), "tcp://10.0.0.2:7")],
)
def test_ranks_meet_by_the_network_only_where_they_must(hosts: tuple[str, str], meets: str) -> None:
    assert rendezvous([Whereabouts(1, hosts[0], 7), Whereabouts(2, hosts[1], 8)]) == meets


@pytest.mark.parametrize(
    ("device", "cluster", "resource"),
    [
        (None, {"CPU": 8.0, "GPU": 2.0}, "GPU"),
        (None, {"CPU": 2.0}, "CPU"),
        ("cpu", {"CPU": 2.0, "GPU": 8.0}, "CPU"),
        ("cuda", {"CPU": 8.0, "GPU": 2.0}, "GPU"),
    ],
)
def test_a_rank_takes_a_gpu_where_there_are_any(
    nothing_left: None, device: str | None, cluster: dict[str, float], resource: str
) -> None:
    from workers.executors.ray_share import resource_of

    assert resource_of(device, 2, cluster) == resource
    with pytest.raises(Misconfigured, match=f"3 ranks take one {resource} each, and the Ray cluster has 2"):
        resource_of(device, 3, {resource: 2.0})


@pytest.mark.slow
def test_ranks_are_actors_that_end_with_their_executor(nothing_left: None) -> None:
    """One cluster for all: starting it takes seconds."""
    handler = signal.getsignal(signal.SIGTERM)
    engine, other = connect(), connect(ray_placement="STRICT_PACK")
    with pytest.raises(Misconfigured, match=r"'10.0.0.9:6379', and another model of this process uses None"):
        connect(ray_address="10.0.0.9:6379")
    assert signal.getsignal(signal.SIGTERM) is handler
    ranks = processes(engine)
    assert len({os.getpid(), *ranks, *processes(other)}) == 5
    assert [facts["rank"] for facts in engine.collective_rpc("facts")] == [0, 1]
    assert engine.collective_rpc("facts", unique_reply_rank=1)["rank"] == 1
    assert [output.output for output in engine.step([OmniDiffusionRequest(prompt="a")])] == ["a, by rank 0"]
    large = torch.arange(2**20)
    assert torch.equal(engine.collective_rpc("echo", args=(large,), unique_reply_rank=0), large)
    with pytest.raises(
        TimeoutError, match=r"`hang` was not answered within 0.05 s by rank 1 \(process \d+ on .*\)"
    ):
        engine.collective_rpc("hang", timeout=0.05, args=(1, 0.3))
    with pytest.raises(ExecutionFailed, match="Odd: this rank and does not want to"):
        engine.collective_rpc("refuse", args=(1,))
    with pytest.raises(ExecutionFailed, match="does not and load"):
        connect(model="broken on 1")
    a_kill_is_noticed(engine, ranks[1])
    other.check_health()
    engine.close()
    assert len(processes(other)) == 2
    started = descendants()
    other.close()
    other.close()
    assert_gone(started)


def assert_gone(processes: set[int]) -> None:
    """Ray's last helpers end by themselves once they see that the others have."""
    ends = time.monotonic() + WAIT_SECONDS
    while left := [process for process in processes if Path(f"/proc/{process}").exists()]:
        assert time.monotonic() < ends, f"processes {left} are left"
        time.sleep(0.05)


def a_kill_is_noticed(engine: DiffusionEngine, victim: int) -> None:
    told = threading.Event()
    engine.executor.register_failure_callback(told.set)
    os.kill(victim, signal.SIGKILL)
    assert told.wait(WAIT_SECONDS)
    with pytest.raises(EngineUnavailable, match=rf"rank 1 \(process {victim} on .*\) was lost: "):
        engine.check_health()


@pytest.mark.slow
def test_two_ranks_draw_what_one_process_draws(nothing_left: None) -> None:
    params = OmniDiffusionSamplingParams(seed=3, num_inference_steps=4)
    (request,) = read_prompts("a", params)[0].requests
    alone = ModuleContract(od_config=OmniDiffusionConfig())(request).output
    omni = Omni(
        model="anything",
        num_gpus=2,
        custom_pipeline_args={"pipeline_class": "tests.stepping.custom.ModuleContract"},
        distributed_executor_backend="ray",
    )
    for result in omni.generate(["a"] * 3, params):
        torch.testing.assert_close(result.images[0], alone, rtol=1e-4, atol=1e-5)
    assert omni.stats.forwards < omni.stats.calls
    omni.close()


@pytest.mark.slow
def test_a_connection_and_a_cluster_of_somebody_else_stay(nothing_left: None) -> None:
    import ray

    folder = tempfile.mkdtemp(prefix="omni-ray-")  # short enough for the paths of Ray's sockets
    context = ray.init(
        address="local", num_cpus=4, include_dashboard=False, object_store_memory=80 * 2**20, _temp_dir=folder
    )
    try:
        engine = connect()
        ranks = processes(engine)
        engine.close()
        assert ray.is_initialized()
        assert_gone(set(ranks))
        command = [sys.executable, "-m", "tests.executors.light_ray", context.address_info["gcs_address"]]
        other = subprocess.run(command, capture_output=True, text=True, check=True, timeout=WAIT_SECONDS)
        ranks = [int(process) for process in other.stdout.split()]
        assert len(ranks) == 2
        assert_gone(set(ranks))
        assert "Traceback" not in other.stderr
        assert len(ray.nodes()) == 1
        assert ray.nodes()[0]["Alive"]
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_a_worker_hands_its_jobs_back_and_the_group_comes_back(nothing_left: None, tmp_path: Path) -> None:
    changed = Signal()
    row = ModelRow("light", "light", executor=LIGHT, num_gpus=2)
    engine = EngineProcess([row], tmp_path / "spool", changed, backoff_seconds=(0.01, 0.05))
    engine.start()
    try:
        changed.wait_for(lambda: engine.ready_models == ("light",), WAIT_SECONDS)
        started = descendants()
        with pytest.raises(EngineLost) as caught:
            engine.submit(RenderRequest("poison", "light", "die on 1")).result(WAIT_SECONDS)
        assert caught.value.blamed
        changed.wait_for(lambda: engine.ready_models == ("light",), WAIT_SECONDS)
        engine.submit(RenderRequest("drawn", "light", "draw")).result(WAIT_SECONDS).discard()
        assert engine.restarts == 1
        started |= descendants()
    finally:
        engine.close()
    assert_gone(started)
