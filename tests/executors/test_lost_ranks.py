"""A worker whose model has several ranks loses one: its jobs are handed back and the group starts again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executors.processes import children, shared_memory
from tests.workers.test_engine_process import Signal
from workers.engine_process import EngineLost, EngineProcess, RenderRequest
from workers.registry import ModelRow

WAIT_SECONDS = 120
LIGHT = "tests.executors.light_executor.LightExecutor"


@pytest.fixture
def changed() -> Signal:
    return Signal()


@pytest.fixture
def engine(changed: Signal, tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine process whose one model runs on two light ranks; nothing of it is left at the end."""
    before, memory = children(), shared_memory()
    row = ModelRow("light", "light", executor=LIGHT, num_gpus=2, caps="fixed(8)")
    engine = EngineProcess([row], tmp_path / "spool", changed, backoff_seconds=(0.01, 0.05))
    engine.start()
    until_ready(engine, changed)
    yield engine
    ranks = children(engine.process_id)
    engine.close()
    assert children() == before
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)
    assert shared_memory() == memory


def until_ready(engine: EngineProcess, changed: Signal) -> None:
    changed.wait_for(lambda: engine.ready_models == ("light",), WAIT_SECONDS)


def draw(engine: EngineProcess) -> None:
    rendered = engine.submit(RenderRequest("drawn", "light", "draw")).result(WAIT_SECONDS)
    assert rendered.files[0].shape == (8, 8, 3)
    rendered.discard()


def test_a_rank_that_dies_in_a_batch_blames_it_and_the_group_comes_back(
    engine: EngineProcess, changed: Signal
) -> None:
    with pytest.raises(EngineLost) as caught:
        engine.submit(RenderRequest("poison", "light", "die on 1")).result(WAIT_SECONDS)
    assert caught.value.blamed
    until_ready(engine, changed)
    assert engine.restarts == 1
    draw(engine)


def test_a_rank_killed_while_nothing_runs_is_replaced_at_once(engine: EngineProcess, changed: Signal) -> None:
    draw(engine)
    process, ranks = engine.process_id, children(engine.process_id)
    assert len(ranks) == 2
    os.kill(max(ranks), signal.SIGKILL)
    changed.wait_for(lambda: engine.process_id not in (None, process), WAIT_SECONDS)
    until_ready(engine, changed)
    draw(engine)
    assert not children(engine.process_id) & ranks
