"""The engine process as the worker meets it: a real child process on the simulated device."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from omni_jobs.errors import EngineUnavailable, ExecutionFailed, ModerationBlocked
from workers.engine import OmniDiffusionConfig
from workers.engine_process import (
    EngineLost,
    EngineProcess,
    RenderRequest,
    RequestDropped,
    SpoolFile,
    write_spool,
)
from workers.registry import ModelRow

Start = Callable[..., EngineProcess]
WAIT_SECONDS = 30


class Signal:
    """Wakes a test at every change of the engine process."""

    def __init__(self) -> None:
        self.condition = threading.Condition()

    def __call__(self) -> None:
        with self.condition:
            self.condition.notify_all()

    def wait_for(self, fact: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        with self.condition:
            assert self.condition.wait_for(fact, seconds)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an engine process with rows of the simulated device and waits until they are ready."""
    running: list[EngineProcess] = []

    def begin(*rows: ModelRow, wait: bool = True) -> EngineProcess:
        changed = Signal()
        engine = EngineProcess(rows or [row()], tmp_path / "spool", changed, backoff_seconds=(0.01, 0.05))
        engine.changed = changed  # type: ignore[attr-defined]
        running.append(engine)
        engine.start()
        if wait:
            until_ready(engine)
        return engine

    yield begin
    for engine in running:
        engine.close()


def row(options: str = "launch_ms=1", name: str = "sim", **facts: object) -> ModelRow:
    return ModelRow(name=name, source=f"simulated?{options}", caps="fixed(8)", **facts)  # type: ignore[arg-type]


def until_ready(engine: EngineProcess) -> None:
    engine.changed.wait_for(lambda: len(engine.ready_models) == len(engine.models))  # type: ignore[attr-defined]


def request(name: str, prompt: str = "a fox", steps: int = 10, **fields: object) -> RenderRequest:
    return RenderRequest(name, "sim", prompt, parameters={"num_inference_steps": steps}, **fields)  # type: ignore[arg-type]


def test_requests_share_forwards_and_come_back_as_spool_files(start: Start, tmp_path: Path) -> None:
    engine = start()
    futures = [engine.submit(request(f"r{seed}", seed=seed)) for seed in range(8)]
    pictures = []
    for future in futures:
        rendered = future.result(WAIT_SECONDS)
        (file,) = rendered.files
        assert file.shape == (64, 64, 3)
        pictures.append(file.take())
        assert rendered.metrics["calls"] == 10
    assert len(set(pictures)) == 8
    assert engine.stats.calls == 80
    assert engine.stats.forwards < 80
    assert not any(path.is_file() for path in (tmp_path / "spool").rglob("*"))


def test_the_same_prompt_and_seed_give_the_same_picture(start: Start) -> None:
    engine = start()
    first, second = (engine.submit(request(name, seed=3)).result(WAIT_SECONDS).files[0].take() for name in "ab")
    assert first == second


def test_a_failing_request_fails_alone(start: Start) -> None:
    engine = start(row("fail_on=bad"))
    good, bad = engine.submit(request("good")), engine.submit(request("bad", "a bad one"))
    with pytest.raises(ExecutionFailed, match="raised as asked"):
        bad.result(WAIT_SECONDS)
    good.result(WAIT_SECONDS).discard()


def test_a_canceled_request_ends_at_once_and_the_others_go_on(start: Start) -> None:
    engine = start(row("launch_ms=5"))
    long, short = engine.submit(request("long", steps=200)), engine.submit(request("short"))
    engine.cancel("long")
    with pytest.raises(RequestDropped):
        long.result(0)
    short.result(WAIT_SECONDS).discard()
    engine.submit(request("after")).result(WAIT_SECONDS).discard()


def test_death_blames_only_the_executing_batch_and_the_process_comes_back(start: Start) -> None:
    engine = start(row("crash_on=poison"))
    futures = {name: engine.submit(request(name, name)) for name in ("poison", "innocent")}
    outcomes = {}
    for name, future in futures.items():
        with pytest.raises(EngineLost) as caught:
            future.result(WAIT_SECONDS)
        outcomes[name] = caught.value.blamed
    assert outcomes["poison"]
    until_ready(engine)
    assert engine.restarts == 1
    engine.submit(request("again")).result(WAIT_SECONDS).discard()


def test_a_request_of_another_lane_is_not_blamed(start: Start) -> None:
    """Different sizes never share a forward, so only the poison job's own batch is named."""
    engine = start(row("crash_on=poison&launch_ms=20"))
    other = engine.submit(
        RenderRequest("other", "sim", "innocent", parameters={"width": 32, "num_inference_steps": 200})
    )
    poison = engine.submit(request("poison", "poison"))
    with pytest.raises(EngineLost) as caught:
        poison.result(WAIT_SECONDS)
    assert caught.value.blamed
    with pytest.raises(EngineLost) as spared:
        other.result(WAIT_SECONDS)
    assert not spared.value.blamed


def test_a_killed_process_is_replaced_and_leaves_no_files(start: Start, tmp_path: Path) -> None:
    engine = start(row("launch_ms=5"))
    future = engine.submit(request("r", steps=200))
    assert engine.process_id is not None
    untold = tmp_path / "spool" / f"engine-{engine.process_id}" / "image-untold.raw"
    untold.write_bytes(b"pixels")
    os.kill(engine.process_id, signal.SIGKILL)
    with pytest.raises(EngineLost):
        future.result(WAIT_SECONDS)
    with pytest.raises(EngineUnavailable):
        engine.submit(request("too early"))
    until_ready(engine)
    engine.submit(request("later")).result(WAIT_SECONDS).discard()
    assert not untold.exists()
    assert not any(path.is_file() for path in (tmp_path / "spool").rglob("*"))


def test_a_hung_device_loses_its_leases_and_is_killed(start: Start) -> None:
    engine = start(row("hang_on=forever", call_budget_seconds=0.3))
    with pytest.raises(EngineLost) as caught:
        engine.submit(request("hung", "hang forever")).result(WAIT_SECONDS)
    assert caught.value.blamed


def test_one_model_that_does_not_load_leaves_the_others(start: Start) -> None:
    engine = start(row(), row("no_such_option=1", name="broken"), wait=False)
    engine.changed.wait_for(lambda: engine.models["broken"].phase == "failed")  # type: ignore[attr-defined]
    assert "no_such_option" in str(engine.models["broken"].error)
    assert engine.ready_models == ("sim",)


def test_input_pictures_cross_as_spool_files_and_are_removed(start: Start, tmp_path: Path) -> None:
    engine = start()
    content = Image.new("RGB", (4, 2), "red").tobytes()
    image: SpoolFile = write_spool(tmp_path, content, (2, 4, 3))
    engine.submit(request("edit", images=(image,))).result(WAIT_SECONDS).discard()
    assert not Path(image.path).exists()


def get_whitener(od_config: OmniDiffusionConfig) -> Callable[[Any], Any]:
    """A model's own post-processing, as its row names it."""

    def whiten(output: Any) -> dict[str, Any]:
        if od_config.model == "simulated?launch_ms=2":
            raise LookupError("no white to be had")
        return {"images": np.full((1, 4, 6, 3), 255, np.uint8)}

    return whiten


def test_a_models_own_post_processing_runs_in_the_engine_process(start: Start) -> None:
    name = "tests.workers.test_engine_process.get_whitener"
    engine = start(row(post_process=name), row("launch_ms=2", name="broken", post_process=name))
    (file,) = engine.submit(request("r")).result(WAIT_SECONDS).files
    assert (file.shape, set(file.take())) == ((4, 6, 3), {255})
    with pytest.raises(ExecutionFailed, match="no white to be had"):
        engine.submit(RenderRequest("b", "broken", "a fox")).result(WAIT_SECONDS)


def get_refusal(od_config: OmniDiffusionConfig) -> Callable[[str, Any], str | None]:
    """A check as an operator names it: no picture of a fox."""

    def refuse(kind: str, array: Any) -> str | None:
        assert (kind, array.dtype, array.ndim) == ("image", np.uint8, 3)
        return "foxes" if od_config.model == "simulated?launch_ms=2" else None

    return refuse


def test_what_the_operators_check_refuses_never_leaves_the_engine_process(start: Start, tmp_path: Path) -> None:
    name = "tests.workers.test_engine_process.get_refusal"
    engine = start(row(output_check=name), row("launch_ms=2", name="strict", output_check=name))
    (file,) = engine.submit(request("r")).result(WAIT_SECONDS).files
    file.remove()
    with pytest.raises(ModerationBlocked, match="refused the image: foxes"):
        engine.submit(RenderRequest("s", "strict", "a fox")).result(WAIT_SECONDS)
    assert not [one for one in tmp_path.rglob("*") if one.is_file() and one.stat().st_size == file.size_bytes]


def test_the_process_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from workers.engine_process import EngineProcess\n"
        "from workers.registry import ModelRow\n"
        "engine = EngineProcess([ModelRow('sim', 'simulated?hang_on=x')], pathlib.Path(sys.argv[1]))\n"
        "engine.start()\n"
        "while not engine.ready_models: pass\n"
        "print(engine.process_id, 'torch' in sys.modules, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        child, has_torch = worker.stdout.readline().split()
        assert has_torch == "False"
        descriptor = os.pidfd_open(int(child))
        worker.kill()
    with os.fdopen(descriptor):
        assert select.select([descriptor], [], [], WAIT_SECONDS)[0], "the engine process outlived its worker"
