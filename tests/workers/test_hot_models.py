"""Models come and go in a living engine process, by demand and by command: real processes, pretended devices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from omni_jobs.errors import EngineUnavailable
from workers.engine_process import Action, Budget, EngineProcess, RenderRequest, RequestDropped
from workers.engine_process.state import MOVING
from workers.registry import ModelRow

WAIT_SECONDS = 60


class Watched:
    """An engine process whose models' phases can be waited for, and are remembered."""

    def __init__(self, folder: Path, budget: Budget, *rows: ModelRow) -> None:
        self.condition = threading.Condition()
        self.seen: dict[str, list[str]] = {row.name: [] for row in rows}
        self.engine = EngineProcess(rows, folder / "spool", self.changed, (0.01, 0.05), budget=budget)
        self.engine.start()
        self.until(lambda: all(state.phase not in MOVING for state in self.engine.models.values()))

    def changed(self) -> None:
        with self.condition:
            for name, state in self.engine.models.items():
                if state.phase != "starting" and self.seen[name][-1:] != [state.phase]:
                    self.seen[name].append(state.phase)
            self.condition.notify_all()

    def until(self, fact: Callable[[], bool]) -> None:
        with self.condition:
            assert self.condition.wait_for(fact, WAIT_SECONDS), self.seen

    def phases(self, **wanted: str) -> None:
        """Wait until models are in these phases."""
        self.until(lambda: all(self.engine.models[name].phase == phase for name, phase in wanted.items()))


Start = Callable[..., Watched]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Watched] = []

    def begin(budget: int | None = 10, host: int | None = None, **sources: str) -> Watched:
        rows = [ModelRow(name, f"simulated?{source}", caps="fixed(8)") for name, source in sources.items()]
        running.append(Watched(tmp_path, Budget(budget, host), *rows))
        return running[-1]

    yield begin
    for watched in running:
        watched.engine.close()


def request(name: str, model: str, steps: int = 3, **fields: object) -> RenderRequest:
    return RenderRequest(name, model, "a fox", parameters={"num_inference_steps": steps}, **fields)  # type: ignore[arg-type]


def test_a_request_for_a_sleeping_model_wakes_it_and_puts_the_other_to_sleep(start: Start) -> None:
    watched = start(a="weight_bytes=6", b="weight_bytes=6")
    watched.phases(a="asleep", b="ready")
    assert watched.engine.ready_models == ("a", "b"), "both take requests, and both have published their cards"
    assert all(state.card for state in watched.engine.models.values())
    for model, other in (("a", "b"), ("b", "a")):
        watched.engine.submit(request(f"for-{model}", model)).result(WAIT_SECONDS).discard()
        watched.phases(**{model: "ready", other: "asleep"})
    assert watched.seen["a"] == ["loading", "ready", "asleep", "waking", "ready", "asleep"]


def test_models_that_fit_together_stay_together(start: Start) -> None:
    watched = start(12, a="weight_bytes=6", b="weight_bytes=6")
    watched.phases(a="ready", b="ready")
    assert watched.seen == {"a": ["loading", "ready"], "b": ["loading", "ready"]}


def test_running_requests_end_first_and_later_ones_do_not_overtake_who_waits(start: Start) -> None:
    watched = start(a="weight_bytes=6", b="weight_bytes=6&launch_ms=10")
    order: list[str] = []

    def note(name: str) -> Callable[[object], None]:
        return lambda _done: order.append(name)

    requests = [request("running", "b", 40), request("for a", "a"), request("later", "b")]
    futures = []
    for one in requests:
        future = watched.engine.submit(one)
        future.add_done_callback(note(one.request_id))
        futures.append(future)
    for future in futures:
        future.result(WAIT_SECONDS).discard()
    assert order == ["running", "for a", "later"]


def test_models_are_changed_by_command_and_return_for_a_request(start: Start) -> None:
    watched = start(None, a="weight_bytes=6", b="weight_bytes=6")
    watched.engine.change(Action.SLEEP, "a")
    watched.phases(a="asleep", b="ready")
    watched.engine.change(Action.WAKE, "a")
    watched.phases(a="ready")
    watched.engine.change(Action.UNLOAD, "a")
    watched.phases(a="unloaded")
    watched.engine.submit(request("r", "a")).result(WAIT_SECONDS).discard()
    watched.phases(a="ready", b="ready")
    assert watched.seen["b"] == ["loading", "ready"]


def test_who_slept_longest_is_unloaded_when_host_memory_is_short(start: Start) -> None:
    watched = start(6, 6, a="weight_bytes=6", b="weight_bytes=6", c="weight_bytes=6")
    watched.phases(a="unloaded", b="asleep", c="ready")


def test_a_model_that_is_larger_than_the_budget_fails_alone_and_says_so(start: Start) -> None:
    watched = start(a="weight_bytes=60", b="weight_bytes=6")
    watched.phases(a="failed", b="ready")
    assert "60 bytes" in str(watched.engine.models["a"].error)
    with pytest.raises(EngineUnavailable):
        watched.engine.submit(request("r", "a"))
    watched.engine.submit(request("r", "b")).result(WAIT_SECONDS).discard()


def test_who_stops_waiting_wakes_nobody(start: Start) -> None:
    watched = start(a="weight_bytes=6", b="weight_bytes=6&launch_ms=10")
    running = watched.engine.submit(request("running", "b", 100))
    waiting = watched.engine.submit(request("waiting", "a"))
    watched.engine.cancel("waiting")
    with pytest.raises(RequestDropped):
        waiting.result(0)
    running.result(WAIT_SECONDS).discard()
    watched.engine.submit(request("again", "b")).result(WAIT_SECONDS).discard()
    assert watched.seen["a"] == ["loading", "ready", "asleep"]
