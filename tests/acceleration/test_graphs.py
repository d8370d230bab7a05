"""Graphs without a GPU: a recorder that replays on fixed memory, as a CUDA graph does, and knows as little."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree

from omni_jobs.errors import Misconfigured
from tests.acceleration.models import block_pipeline
from tests.stepping.pipelines import seeded
from workers import Omni
from workers.acceleration.graphs import GraphedForward, graph_forwards, graphed
from workers.acceleration.parts import Parts


class HostRecorder:
    """Writes each replay's outputs over those of the one before, as a graph on a device does."""

    def __init__(self) -> None:
        self.recorded = 0

    def __call__(self, run: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        self.recorded += 1
        output = run()

        def replay() -> None:
            for mine, new in zip(pytree.tree_leaves(output), pytree.tree_leaves(run()), strict=True):
                mine.copy_(new)

        return replay, output


class Doubling(torch.nn.Module):
    """Gives twice its input; with `counts`, plus something that only the host knows of."""

    def __init__(self, counts: bool = False) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))
        self.counts, self.factor = counts, 1.0

    def forward(self, hidden_states: torch.Tensor, scale: float = 1.0, mask: torch.Tensor | None = None) -> Any:
        total = float(hidden_states.sum()) if self.counts else 0.0
        self.factor = self.factor if total == 0 else total
        return (hidden_states * self.weight * scale + total,)


@torch.no_grad()
def test_a_recorded_shape_is_replayed_and_any_other_runs_as_ever() -> None:
    recorder = HostRecorder()
    module = Doubling()
    forward = GraphedForward(module, recorder)
    forward.is_recording = True
    forward(torch.ones(1, 4))
    forward(torch.ones(2, 4))
    forward(torch.ones(1, 4))
    forward.is_recording = False
    assert (len(forward), recorder.recorded) == (2, 2)
    before = forward.replays
    first = forward(torch.full((1, 4), 3.0))[0]
    second = forward(torch.full((1, 4), 5.0))[0]
    assert first.eq(6).all()  # the second replay did not write over it
    assert second.eq(10).all()
    assert forward.replays == before + 2
    assert forward(torch.ones(3, 4))[0].eq(2).all()
    assert forward(torch.ones(1, 4), scale=2.0)[0].eq(4).all()
    assert forward(torch.ones(1, 4, dtype=torch.float64))[0].eq(2).all()
    assert (forward.replays, len(forward)) == (before + 2, 2)


@torch.no_grad()
def test_a_graph_goes_with_the_weights_it_reads() -> None:
    module = Doubling()
    forward = GraphedForward(module, HostRecorder())
    forward.is_recording = True
    forward(torch.ones(1, 4))
    forward.is_recording = False
    module.weight = torch.nn.Parameter(torch.tensor(3.0))
    assert forward(torch.ones(1, 4))[0].eq(3).all()
    assert forward.replays == 0


class Processed(torch.nn.Module):
    """Does what its processor says, as attention does."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))
        self.processor = Processor(1.0)

    def forward(self, hidden_states: torch.Tensor) -> Any:
        return (hidden_states * self.weight * self.processor.scale,)


class Processor:
    def __init__(self, scale: float) -> None:
        self.scale = scale


@torch.no_grad()
def test_no_processor_is_taken_for_the_one_of_a_graph() -> None:
    module = Processed()
    forward = GraphedForward(module, HostRecorder())
    forward.is_recording = True
    forward(torch.ones(1, 4))
    forward.is_recording = False
    recorded = weakref.ref(module.processor)
    module.processor = Processor(3.0)
    # While it lives no other object can have its identity.
    assert recorded() is not None
    assert forward(torch.ones(1, 4))[0].eq(6).all()
    assert forward.replays == 0


@torch.no_grad()
def test_what_the_host_computes_is_not_recorded() -> None:
    class BakedIn(HostRecorder):
        """Keeps what the first run gave, as a graph keeps a number that the host has read."""

        def __call__(self, run: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
            return lambda: None, run()

    forward = GraphedForward(Doubling(counts=True), BakedIn())
    forward.is_recording = True
    with pytest.raises(Misconfigured, match="does not give what its forward gives"):
        forward(torch.ones(1, 4))


@torch.no_grad()
def test_the_oldest_graph_makes_room() -> None:
    forward = GraphedForward(Doubling(), HostRecorder(), most=2)
    forward.is_recording = True
    for rows in (1, 2, 1, 3):
        forward(torch.ones(rows, 4))
    assert len(forward) == 2
    before = forward.replays
    forward(torch.ones(1, 4))
    forward(torch.ones(3, 4))
    assert forward.replays == before + 2


def test_jobs_are_served_from_graphs_that_warm_up_recorded() -> None:
    recorder, pipeline = HostRecorder(), block_pipeline()
    graph_forwards(Parts(pipeline), {}, recorder)
    options = {"warmup": [{"height": 16, "width": 16}], "warmup_batches": [1, 2, 4]}
    omni = Omni(pipeline=pipeline, caps="fixed(4)", acceleration=options)
    recorded = recorder.recorded
    (forward,) = graphed(Parts(pipeline))
    assert recorded == len(forward) >= 3  # for the batch sizes 1, 2 and 4, and what proofs tried besides
    before = forward.replays
    together = omni.map([{"generator": seeded(index)} for index in range(5)])
    for index, mine in enumerate(together):
        torch.testing.assert_close(mine, block_pipeline()(generator=seeded(index)), rtol=1e-4, atol=1e-3)
    assert forward.replays - before == omni.stats.forwards
    assert recorder.recorded == recorded
    assert omni.stats.max_batch == 4
