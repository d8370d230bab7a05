"""Ranks that somebody else started: an executor comes, goes, and leaves them as they were."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from omni_jobs.errors import EngineUnavailable, Misconfigured
from omni_jobs.redis_server import free_port
from tests.stepping.custom import ModuleContract
from workers import Omni
from workers.engine import (
    DiffusionEngine,
    DiffusionExecutor,
    OmniDiffusionConfig,
    OmniDiffusionRequest,
    OmniDiffusionSamplingParams,
)
from workers.executors.external import ExternalLauncherExecutor
from workers.prompts import read_prompts

WAIT_SECONDS = 240
Launch = Callable[..., list[subprocess.Popen[bytes]]]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short enough for the path of a socket."""
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture
def launch(folder: Path) -> Iterator[Launch]:
    """Starts ranks as a launcher does, and waits until they listen."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(command: list[str], environments: list[dict[str, str]], ranks: int) -> list[subprocess.Popen[bytes]]:
        started.extend(
            subprocess.Popen([sys.executable, *command], env=os.environ | environment)
            for environment in environments
        )
        ends = time.monotonic() + WAIT_SECONDS
        while len(list(folder.glob("*.sock"))) < ranks:
            assert time.monotonic() < ends, "the ranks do not listen"
            assert all(process.poll() is None for process in started)
            time.sleep(0.02)
        return started

    yield begin
    for process in started:
        process.terminate()
        process.wait(WAIT_SECONDS)


@pytest.fixture
def ranks(folder: Path, launch: Launch) -> list[subprocess.Popen[bytes]]:
    """Two light ones."""
    places = [{"RANK": str(rank), "WORLD_SIZE": "2"} for rank in range(2)]
    return launch(["-m", "tests.executors.light_external", str(folder)], places, 2)


def connect(folder: Path, num_gpus: int = 2, model: str = "light", **options: Any) -> DiffusionEngine:
    config = OmniDiffusionConfig(
        model=model,
        num_gpus=num_gpus,
        distributed_executor_backend=ExternalLauncherExecutor,
        executor_options={"ranks_folder": str(folder)} | options,
    )
    return DiffusionEngine(config)


def test_the_name_means_the_class() -> None:
    named = OmniDiffusionConfig(distributed_executor_backend="external_launcher")
    assert DiffusionExecutor.get_class(named) is ExternalLauncherExecutor


def test_executors_come_and_go_and_the_ranks_stay(folder: Path, ranks: list[subprocess.Popen[bytes]]) -> None:
    seen = []
    for _ in range(2):
        engine = connect(folder)
        assert [output.output for output in engine.step([OmniDiffusionRequest(prompt="a")])] == ["a, by rank 0"]
        engine.submit(OmniDiffusionRequest(prompt="left unfinished"))
        engine._take_in()
        seen.append(engine.collective_rpc("facts"))
        engine.executor.shutdown()
    first, second = seen
    processes = [process.pid for process in ranks]
    assert [facts["process"] for facts in first] == [facts["process"] for facts in second] == processes
    assert all(len(facts["held"]) == 1 for facts in (*first, *second))
    assert all(process.poll() is None for process in ranks)


def test_the_model_is_kept_unless_another_is_wanted(folder: Path, ranks: list[subprocess.Popen[bytes]]) -> None:
    def seeds(model: str) -> int:
        engine = connect(folder, model=model)
        count = len(engine.collective_rpc("facts", unique_reply_rank=0)["seeds"])
        engine.close()
        return count

    # A worker counts the seeds it was given, one for each executor.
    assert [seeds("one"), seeds("one"), seeds("other")] == [2, 3, 2]


def test_a_rank_that_is_killed_is_noticed_and_the_other_is_left_alone(
    folder: Path, ranks: list[subprocess.Popen[bytes]]
) -> None:
    engine = connect(folder)
    told = threading.Event()
    engine.executor.register_failure_callback(told.set)
    ranks[1].send_signal(signal.SIGKILL)
    assert told.wait(WAIT_SECONDS)
    with pytest.raises(EngineUnavailable, match="rank 1 closed its connection"):
        engine.check_health()
    engine.close()
    assert ranks[0].poll() is None


def test_wrong_connections_say_what_is_wrong(folder: Path, ranks: list[subprocess.Popen[bytes]]) -> None:
    with pytest.raises(Misconfigured, match=r"1 ranks are wanted, and 2 were started"):
        connect(folder, num_gpus=1)
    with pytest.raises(EngineUnavailable, match=r"No rank listens on .*rank-2.sock"):
        connect(folder, num_gpus=3)
    with pytest.raises(EngineUnavailable, match=r"rank-0.sock"):
        connect(folder / "absent")
    with pytest.raises(Misconfigured, match=r"`options.ranks_folder` is missing"):
        DiffusionEngine(OmniDiffusionConfig(model="light", distributed_executor_backend="external_launcher"))
    with pytest.raises(Misconfigured, match=r"`options.ranks_folder`: 7"):
        connect(folder, ranks_folder=7)
    connect(folder).close()


@pytest.mark.slow
def test_torchruns_ranks_serve_a_real_model(folder: Path, launch: Launch) -> None:
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    module = ["--master-port", str(free_port()), "-m", "workers.executors.external_rank", "--folder", str(folder)]
    (agent,) = launch([*torchrun, *module], [{"GLOO_SOCKET_IFNAME": "lo"}], 2)
    params = OmniDiffusionSamplingParams(seed=3, num_inference_steps=4)
    alone = ModuleContract(od_config=OmniDiffusionConfig())
    (request,) = read_prompts("a", params)[0].requests
    for _ in range(2):
        omni = Omni(
            model="anything",
            num_gpus=2,
            custom_pipeline_args={"pipeline_class": "tests.stepping.custom.ModuleContract"},
            distributed_executor_backend="external_launcher",
            executor_options={"ranks_folder": str(folder)},
        )
        results = omni.generate(["a"] * 3, params)
        for result in results:
            torch.testing.assert_close(result.images[0], alone(request).output, rtol=1e-4, atol=1e-5)
        assert omni.stats.forwards < omni.stats.calls
        omni.close()
    assert agent.poll() is None
