"""A model loaded anew under a living engine process, as the operator's row says by now."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from omni_jobs.errors import EngineUnavailable, ExecutionFailed, Misconfigured
from tests.executors.processes import children
from tests.workers.test_engine_process import WAIT_SECONDS, Signal, request, row
from workers.engine_process import Replicas
from workers.registry import ModelRow

DARK, BRIGHT = ({"pipeline_class": f"tests.workers.changing_class.{name}"} for name in ("Dark", "Bright"))


class Watched:
    """The engines of a worker, whose state can be waited for."""

    def __init__(self, folder: Path, row: ModelRow, devices: tuple[str, ...] = ()) -> None:
        self.changed = Signal()
        self.engines = Replicas([row], folder / "spool", self.changed, devices)
        self.engines.start()
        self.reaches("ready")

    def reaches(self, phase: str) -> None:
        """Wait until every engine has the model in this phase."""
        self.changed.wait_for(
            lambda: {engine.models["sim"].phase for engine in self.engines.engines} == {phase}, 4 * WAIT_SECONDS
        )

    def picture(self, prompt: str = "a fox") -> bytes:
        """What a request gives."""
        (file,) = self.engines.submit(request(f"{prompt}-{id(object())}", prompt)).result(WAIT_SECONDS).files
        return file.take()


Start = Callable[..., Watched]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Watched] = []

    def begin(row: ModelRow, *devices: str) -> Watched:
        running.append(Watched(tmp_path, row, devices))
        return running[-1]

    yield begin
    for watched in running:
        watched.engines.close()


def test_what_runs_ends_as_it_began_and_what_comes_after_meets_the_new_row(start: Start) -> None:
    watched = start(row("launch_ms=10"))
    process = watched.engines.process_id
    running = watched.engines.submit(request("running", "a wolf", steps=40))
    watched.engines.reload(row("fail_on=wolf"))
    assert watched.engines.ready_models == ()
    with pytest.raises(EngineUnavailable):
        watched.engines.submit(request("meanwhile"))
    watched.reaches("ready")
    running.result(0).discard()
    with pytest.raises(ExecutionFailed):
        watched.picture("a wolf")
    assert watched.picture()
    assert (watched.engines.process_id, watched.engines.restarts) == (process, 0)


def test_a_row_that_does_not_load_can_be_followed_by_one_that_does(start: Start) -> None:
    watched = start(row())
    watched.engines.reload(row("no_such_option=1"))
    watched.reaches("failed")
    assert "no_such_option" in str(watched.engines.models["sim"].error)
    watched.engines.reload(row())
    watched.reaches("ready")
    assert watched.picture()


def test_every_replica_reloads_on_its_own_device_and_one_that_dies_comes_back_as_the_row_says(
    start: Start,
) -> None:
    watched = start(row(), "cpu", "cpu")
    watched.engines.reload(row("fail_on=wolf"))
    watched.reaches("ready")
    assert {engine.models["sim"].row.device for engine in watched.engines.engines} == {"cpu"}
    assert watched.engines.process_id is not None
    os.kill(watched.engines.process_id, signal.SIGKILL)
    watched.changed.wait_for(lambda: watched.engines.restarts == 1)
    watched.reaches("ready")
    for _ in range(2):
        with pytest.raises(ExecutionFailed):
            watched.picture("a wolf")
    with pytest.raises(Misconfigured, match="spans 2 devices"):
        watched.engines.reload(row(num_gpus=2))


def test_another_custom_class_needs_no_new_ranks(start: Start) -> None:
    custom = ModelRow(
        "sim", "none", load_format="custom_pipeline", custom_pipeline_args=DARK, executor="mp", caps="fixed(8)"
    )
    watched = start(custom)
    assert set(watched.picture()) == {10}
    ranks = children(watched.engines.process_id)
    assert len(ranks) == 1
    watched.engines.reload(replace(custom, custom_pipeline_args=BRIGHT))
    watched.reaches("ready")
    assert set(watched.picture()) == {200}
    assert children(watched.engines.process_id) == ranks
    watched.engines.reload(replace(custom, max_num_seqs=2))
    watched.reaches("ready")
    assert set(watched.picture()) == {10}
    assert children(watched.engines.process_id).isdisjoint(ranks)
